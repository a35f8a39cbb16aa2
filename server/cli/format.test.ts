import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogRecord } from "../../engine/index.ts";
import { parseFormat } from "./format.ts";

const bytes = (text: string): Uint8Array => new TextEncoder().encode(text);
const record: LogRecord = {
  offset: 7,
  timestamp: 1_767_225_600_000,
  key: bytes("user-7"),
  value: bytes("grüße"),
  headers: [
    { key: "trace", value: bytes("x") },
    { key: "none", value: null },
  ],
};

function written(format: string, what: LogRecord = record): Uint8Array {
  const pieces: Uint8Array[] = [];
  parseFormat(format)(what, { topic: "events", partition: 3 }, (piece) => pieces.push(piece));
  return Buffer.concat(pieces);
}
const shown = (format: string, what: LogRecord = record): string => new TextDecoder().decode(written(format, what));

test("every letter", () => {
  assert.equal(
    shown("%o %p %t %T %k %K %s %S %h %%\\n"),
    "7 3 events 1767225600000 user-7 6 grüße 7 trace=x,none=NULL %\n",
  );
});

test("null is nothing, with size -1", () => {
  assert.equal(shown("[%k|%K|%s|%S]", { ...record, key: null, value: null }), "[|-1||-1]");
});

test("bytes that are no text go out as they came", () => {
  const value = Uint8Array.of(0, 255, 10, 128);
  assert.deepEqual([...written("%s", { ...record, value })], [...value]);
});

test("json has what HTTP has, base64 where the bytes are no UTF-8", () => {
  assert.deepEqual(JSON.parse(shown("json", { ...record, key: Uint8Array.of(255) })), {
    topic: "events",
    partition: 3,
    offset: 7,
    timestamp: 1_767_225_600_000,
    key: { base64: "/w==" },
    value: "grüße",
    headers: [
      ["trace", "x"],
      ["none", null],
    ],
  });
  assert.ok(shown("json").endsWith("}\n"));
});

test("a byte order mark is data", () => {
  assert.equal(JSON.parse(shown("json", { ...record, value: Uint8Array.of(0xef, 0xbb, 0xbf, 65) })).value, "\ufeffA");
});

test("an unknown letter is named", () => {
  assert.throws(() => parseFormat("%o %x"), /%x is no format letter/);
  assert.throws(() => parseFormat("100%"), /is no format letter/);
});
