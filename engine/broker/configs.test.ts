import assert from "node:assert/strict";
import { test } from "node:test";
import { MoldauError } from "../errors.ts";
import { maxRunBytes } from "../limits.ts";
import { isCompacted, isDeleted } from "../log/cleanup-policy.ts";
import {
  checkTogether,
  configNames,
  describeConfigs,
  parseConfigs,
  resolveConfig,
  validateConfigName,
} from "./configs.ts";
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
    deleteRetentionMs: 86_400_000,
    fileDeleteDelayMs: 60_000,
    flushMessages: Number.MAX_SAFE_INTEGER,
    flushMs: Number.MAX_SAFE_INTEGER,
    indexIntervalBytes: 4096,
    maxCompactionLagMs: Number.MAX_SAFE_INTEGER,
    maxMessageBytes: 1_048_588,
    minCleanableDirtyRatio: 0.5,
    minCompactionLagMs: 0,
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
  assert.match(refusal({ "compression.type": "zstd" }), /not supported yet/);
  assert.match(refusal({ "compression.type": "brotli" }), /allowed is producer/);
  assert.match(refusal({ "segment.jitter.ms": 5 }), /not supported yet/);
  assert.equal(parseConfigs({ "cleanup.policy": "delete", "compression.type": "producer" }).size, 2);
});

test("a cleanup policy is one of three, however its list is written", () => {
  for (const [given, kept] of [
    ["delete", "delete"],
    [" compact ", "compact"],
    ["compact,delete", "compact,delete"],
    ["delete , compact", "compact,delete"],
  ] as const) {
    const texts = parseConfigs({ "cleanup.policy": given });
    assert.equal(texts.get("cleanup.policy"), kept);
    const config = resolveConfig(texts);
    assert.equal(isCompacted(config), kept.includes("compact"));
    assert.equal(isDeleted(config), kept.includes("delete"));
  }
  for (const bad of ["", "Compact", "compact,compact", "compact;delete", "c ompact", true]) {
    assert.match(refusal({ "cleanup.policy": bad }), /allowed is delete or compact or compact,delete/);
  }
});

test("a ratio is a decimal fraction from 0 to 1", () => {
  for (const [given, kept] of [
    [0, "0"],
    ["1", "1"],
    [" 0.50 ", "0.5"],
    [".25", "0.25"],
    [1, "1"],
    ["1.", "1"],
    ["0.0000001", "0"],
    [1 / 3, "0.3333333333333333"],
  ] as const) {
    const texts = parseConfigs({ "min.cleanable.dirty.ratio": given });
    assert.equal(texts.get("min.cleanable.dirty.ratio"), kept);
    assert.equal(resolveConfig(texts).minCleanableDirtyRatio, Number(kept));
    assert.deepEqual(parseConfigs(Object.fromEntries(texts)), texts);
  }
  for (const bad of ["", ".", "1.01", -0.1, "0x1", "1e-1", "NaN", Number.NaN, true, "0,5", `0.${"3".repeat(40)}`]) {
    assert.match(refusal({ "min.cleanable.dirty.ratio": bad }), /from 0 to 1/);
  }
});

test("the lags of compaction fit each other, and a compacted segment ends in time", () => {
  const texts = parseConfigs({ "min.compaction.lag.ms": 11, "max.compaction.lag.ms": 10 });
  assert.throws(() => checkTogether(texts), /'min.compaction.lag.ms' \(11\) cannot be more than/);
  checkTogether(parseConfigs({ "min.compaction.lag.ms": 10, "max.compaction.lag.ms": 10 }));
  assert.match(refusal({ "max.compaction.lag.ms": 0 }), /from 1 to/);
  const lags = { "segment.ms": 500, "max.compaction.lag.ms": 100 };
  assert.equal(resolveConfig(parseConfigs(lags)).segmentMs, 500);
  assert.equal(resolveConfig(parseConfigs({ ...lags, "cleanup.policy": "compact" })).segmentMs, 100);
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
