import assert from "node:assert/strict";
import { test } from "node:test";
import {
  collectConfig,
  collectHeader,
  parseBoolean,
  parseFrom,
  parseInteger,
  parseSize,
  parseUrl,
  unescape,
} from "./parse.ts";

test("sizes", () => {
  const sizes: [string, number][] = [
    ["1", 1],
    ["64KiB", 65_536],
    ["64k", 65_536],
    ["1MB", 1_000_000],
    ["1.5MiB", 1_572_864],
    ["2 GiB", 2 ** 31],
  ];
  for (const [text, bytes] of sizes) assert.equal(parseSize(text), bytes, text);
  for (const text of ["", "0", "-1", "1x", "KiB", "1e9", "0.1", "9999999999999GiB"])
    assert.throws(() => parseSize(text), /Give a size/, text);
});

test("whole numbers within bounds", () => {
  const port = parseInteger("A port", 0, 65_535);
  assert.equal(port("0"), 0);
  assert.equal(port("65535"), 65_535);
  for (const text of ["65536", "-1", "", "80a", "8e3", "1.5", "0x50"])
    assert.throws(() => port(text), /A port is a whole number from 0 to 65535/, text);
  assert.throws(() => parseInteger("A count", 1)("9007199254740992"), /of at least 1/);
});

test("yes and no", () => {
  for (const text of ["true", "1", "TRUE", " true "]) assert.equal(parseBoolean(text), true, text);
  for (const text of ["false", "0", "False"]) assert.equal(parseBoolean(text), false, text);
  for (const text of ["", "yes", "no", "2", "00"]) assert.equal(parseBoolean(text), undefined, text);
});

test("start positions", () => {
  assert.equal(parseFrom("earliest"), "earliest");
  assert.equal(parseFrom("beginning"), "earliest");
  assert.equal(parseFrom("latest"), "latest");
  assert.equal(parseFrom("42"), 42);
  assert.deepEqual(parseFrom("-10"), { last: 10 });
  assert.deepEqual(parseFrom("@1767225600000"), { timestamp: 1_767_225_600_000 });
  assert.deepEqual(parseFrom("@2026-01-01T00:00:00Z"), { timestamp: 1_767_225_600_000 });
  for (const text of ["", "newest", "@", "@tomorrow", "1.5", "--1", "9007199254740993", "@-5"])
    assert.throws(() => parseFrom(text), /Give|A time/, text);
});

test("headers and configs are collected", () => {
  assert.deepEqual(collectHeader("a=b=c", [["x", null]]), [
    ["x", null],
    ["a", "b=c"],
  ]);
  assert.deepEqual(collectHeader("only", []), [["only", null]]);
  assert.deepEqual(collectHeader("empty=", []), [["empty", ""]]);
  assert.throws(() => collectHeader("=b", []), /name=value/);
  assert.deepEqual(collectConfig("retention.ms=", { "a.b": "1" }), { "a.b": "1", "retention.ms": null });
  assert.deepEqual(collectConfig("retention.ms=5", {}), { "retention.ms": "5" });
  assert.throws(() => collectConfig("retention.ms", {}), /name=value/);
});

test("urls", () => {
  assert.equal(parseUrl("http://127.0.0.1:8080/"), "http://127.0.0.1:8080");
  assert.equal(parseUrl("https://example.org/base/"), "https://example.org/base");
  for (const text of ["127.0.0.1:8080", "ftp://x", "", "localhost"])
    assert.throws(() => parseUrl(text), /Give a URL/, text);
});

test("escapes", () => {
  assert.equal(unescape("a\\tb\\n\\x41\\\\n\\q"), "a\tb\nA\\n\\q");
});
