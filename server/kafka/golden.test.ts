// What other people's clients write is read as what they meant and written back as the same bytes;
// what we answer is what those clients have read (.ci/golden/kafka-wire.mjs made sure of that).

import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { type Golden, goldenMessages, goldenRequests, goldenResponses } from "./golden.test.generated.ts";
import {
  readRequest,
  readResponse,
  readVersioned,
  writeRequest,
  writeResponse,
  writeVersioned,
} from "./schema/codec.ts";
import { apis, messages } from "./schema/index.ts";
import type { ApiDefinition, Struct, Written } from "./schema/notation.ts";
import { atVersion } from "./schema/sample.test.support.ts";

type Values = Record<string, unknown>;

const decode = (text: string): Uint8Array => Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
const join = (chunks: readonly Uint8Array[]): Uint8Array => Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));

/** With byte strings as bytes again. */
function revived(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(revived);
  if (value === null || typeof value !== "object") return value;
  if ("base64" in value) return decode(value.base64 as string);
  return Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, revived(inner)]));
}

function each(
  goldens: readonly Golden[],
  structOf: (api: ApiDefinition) => Struct,
  check: (api: ApiDefinition, version: number, value: Values, frame: Uint8Array) => void,
): Map<string, number> {
  const seen = new Map<string, number>();
  for (const { client, key, value, frames } of goldens) {
    const api = apis.find((one) => one.key === key);
    ok(api !== undefined, `API ${key}`);
    for (const [version, frame] of Object.entries(frames)) {
      check(api, Number(version), atVersion(structOf(api), revived(value) as Values, Number(version)), decode(frame));
      seen.set(client, (seen.get(client) ?? 0) + 1);
    }
  }
  return seen;
}

test("a request of another client is read as what it says, and written as the same bytes", () => {
  const seen = each(
    goldenRequests,
    ({ request }) => request,
    (api, version, value, frame) => {
      const header = { correlationId: 77, clientId: "golden" };
      const read = readRequest(api, version, frame.subarray(4));
      deepStrictEqual(read.header, { apiKey: api.key, apiVersion: version, ...header }, `${api.name} ${version}`);
      deepStrictEqual(read.request, value, `${api.name} ${version}`);
      const written = join(writeRequest(api, version, header, value as Written<Struct>));
      deepStrictEqual(written, frame, `${api.name} ${version}`);
    },
  );
  ok((seen.get("kafkajs") ?? 0) >= 70, `${seen.get("kafkajs")} of kafkajs`);
  ok((seen.get("@platformatic/kafka") ?? 0) >= 150, `${seen.get("@platformatic/kafka")} of @platformatic/kafka`);
});

test("an answer is the bytes that other clients have read", () => {
  const seen = each(
    goldenResponses,
    ({ response }) => response,
    (api, version, value, frame) => {
      const written = join(writeResponse(api, version, 77, value as Written<Struct>));
      deepStrictEqual(written, frame, `${api.name} ${version}`);
      const read = readResponse(api, version, frame.subarray(4));
      strictEqual(read.correlationId, 77);
      deepStrictEqual(read.response, value, `${api.name} ${version}`);
    },
  );
  ok((seen.get("kafkajs") ?? 0) >= 70, `${seen.get("kafkajs")} of kafkajs`);
  ok((seen.get("@platformatic/kafka") ?? 0) >= 150, `${seen.get("@platformatic/kafka")} of @platformatic/kafka`);
});

test("every API has bytes of another client", () => {
  const unseen = apis.filter(({ key }) => !goldenRequests.some((golden) => golden.key === key));
  deepStrictEqual(unseen, []);
});

test("what members of a group tell each other is read and written as kafkajs does", () => {
  for (const { name, value, bytes } of goldenMessages) {
    const message = messages.find((one) => one.name === name);
    ok(message !== undefined, name);
    const said = atVersion(message.fields, revived(value) as Values, 0);
    deepStrictEqual(readVersioned(message, decode(bytes)), { version: 0, value: said });
    deepStrictEqual(writeVersioned(message, 0, said as Written<Struct>), decode(bytes));
  }
  strictEqual(goldenMessages.length, 2);
});
