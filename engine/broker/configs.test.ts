import assert from "node:assert/strict";
import { test } from "node:test";
import { MoldauError } from "../errors.ts";
import { maxRunBytes } from "../limits.ts";
import { configNames, describeConfigs, parseConfigs, resolveConfig, validateConfigName } from "./configs.ts";
import type { ConfigInput } from "./types.ts";

function refusal(input: ConfigInput): string {
  try {
    parseConfigs(input);
  } catch (error) {
    assert.ok(error instanceof MoldauError && error.code === "INVALID_CONFIG", String(error));
    return error.message;
  }
  return assert.fail(`${JSON.stringify(input)} was accepted`);
}

test("the defaults are Kafka's", () => {
  assert.deepEqual(resolveConfig(new Map()), {
    cleanupPolicy: "delete",
    compressionType: "producer",
    fileDeleteDelayMs: 60_000,
    flushMessages: Number.MAX_SAFE_INTEGER,
    flushMs: Number.MAX_SAFE_INTEGER,
    indexIntervalBytes: 4096,
    maxMessageBytes: 1_048_588,
    minInsyncReplicas: 1,
    producerIdExpirationMs: 86_400_000,
    retentionBytes: -1,
    retentionMs: 604_800_000,
    segmentBytes: 1_073_741_824,
    segmentIndexBytes: 10_485_760,
    segmentMs: 604_800_000,
    timestampAfterMaxMs: 3_600_000,
    timestampBeforeMaxMs: Number.MAX_SAFE_INTEGER,
    timestampType: "CreateTime",
  });
});

test("values are kept as text, normalised, and mean numbers", () => {
  const texts = parseConfigs({
    "retention.ms": 604_800_000,
    "segment.bytes": " 0014 ",
    "retention.bytes": "-1",
    "segment.ms": "+5",
  });
  assert.deepEqual(
    texts,
    new Map([
      ["retention.ms", "604800000"],
      ["segment.bytes", "14"],
      ["retention.bytes", "-1"],
      ["segment.ms", "5"],
    ]),
  );
  const config = resolveConfig(texts);
  assert.equal(config.segmentBytes, 14);
  assert.equal(config.retentionBytes, -1);
  assert.equal(config.segmentMs, 5);
  assert.deepEqual(parseConfigs(Object.fromEntries(texts)), texts);
});

test("int64 saturates and keeps its text, as a number in JSON too", () => {
  for (const value of ["9223372036854775807", 9223372036854775807]) {
    const texts = parseConfigs({ "retention.ms": value });
    assert.equal(texts.get("retention.ms"), "9223372036854775807");
    assert.equal(resolveConfig(texts).retentionMs, Number.MAX_SAFE_INTEGER);
  }
  assert.match(
    refusal({ "retention.ms": "9223372036854775808" }),
    /'retention.ms' cannot be '9223372036854775808': allowed is/,
  );
  assert.match(refusal({ "retention.ms": 2 ** 60 }), /give it as a string/);
});

test("a bad value is refused with its name, itself, and what is allowed", () => {
  for (const value of [
    "-2",
    "1.5",
    "",
    "7d",
    "0x10",
    "1e3",
    true,
    Number.NaN,
    Number.POSITIVE_INFINITY,
    1.5,
    "--1",
    "99999999999999999999",
  ]) {
    const message = refusal({ "retention.ms": value });
    assert.match(message, /'retention.ms' cannot be/);
    assert.match(message, /from -1 to 9223372036854775807 \(-1 is unlimited\)/);
  }
  assert.match(refusal({ "segment.bytes": 13 }), /from 14 to 2147483647/);
  assert.match(refusal({ "segment.bytes": 2147483648 }), /from 14 to 2147483647/);
  assert.match(refusal({ "max.message.bytes": maxRunBytes + 1 }), /held in memory/);
  assert.equal(parseConfigs({ "max.message.bytes": maxRunBytes }).size, 1);
  assert.match(refusal({ "min.insync.replicas": 2 }), /one broker/);
  assert.match(refusal({ "message.timestamp.type": "createtime" }), /allowed is CreateTime or LogAppendTime/);
  assert.equal(
    resolveConfig(parseConfigs({ "message.timestamp.type": "LogAppendTime" })).timestampType,
    "LogAppendTime",
  );
});

test("what Kafka has and Moldau not yet says so", () => {
  assert.match(refusal({ "cleanup.policy": "compact" }), /'compact': not supported yet/);
  assert.match(refusal({ "cleanup.policy": "compact, delete" }), /not supported yet/);
  assert.match(refusal({ "compression.type": "zstd" }), /not supported yet/);
  assert.match(refusal({ "compression.type": "brotli" }), /allowed is producer/);
  assert.match(refusal({ "delete.retention.ms": 5 }), /not supported yet/);
  assert.equal(parseConfigs({ "cleanup.policy": "delete", "compression.type": "producer" }).size, 2);
});

test("an unknown name is refused, with the nearest one for a typo", () => {
  assert.match(refusal({ "retention.msec": 1 }), /no config 'retention.msec'; did you mean 'retention.ms'\?/);
  assert.match(refusal({ retentionMs: 1 }), /did you mean 'retention.ms'/);
  assert.match(refusal({ "segmnt.bytes": 1 }), /did you mean 'segment.bytes'/);
  assert.match(refusal({ colour: "red" }), /known are cleanup.policy, /);
  assert.match(refusal({ constructor: "x" }), /no config/);
  assert.throws(() => validateConfigName("nope"), /no config 'nope'/);
  for (const name of configNames) validateConfigName(name);
});

test("describe tells every config, its value and where it comes from", () => {
  const described = describeConfigs(new Map([["retention.ms", "5"]]));
  assert.deepEqual(Object.keys(described), [...configNames]);
  assert.deepEqual(described["retention.ms"], { value: "5", source: "topic" });
  assert.deepEqual(described["flush.ms"], { value: "9223372036854775807", source: "default" });
  // Every default is a value that a user may set.
  const values = Object.fromEntries(
    Object.entries(describeConfigs(new Map())).map(([name, { value }]) => [name, value]),
  );
  assert.deepEqual(resolveConfig(parseConfigs(values)), resolveConfig(new Map()));
});
