import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MoldauError } from "../errors.ts";
import {
  deletedFolder,
  isDeletedFolder,
  parsePartitionFolder,
  partitionFolder,
  validateTopicName,
} from "./topic-name.ts";

const topicName = fc
  .stringMatching(/^[a-zA-Z0-9._-]{1,249}$/, { size: "max" })
  .filter((name) => name !== "." && name !== "..");
const partition = fc.oneof(fc.nat(20), fc.nat(2 ** 31 - 1));

test("Kafka's alphabet, 249 characters, never . or ..", () => {
  for (const name of ["a", "...", "-", "_", "A.b_c-9", "__proto__", "x".repeat(249), "0"]) validateTopicName(name);
  const refused: [string, RegExp][] = [
    ["", /empty/],
    [".", /name folders/],
    ["..", /name folders/],
    ["x".repeat(250), /250 characters, at most 249/],
    ["a b", /" " is not among/],
    ["a/b", /"\/" is not among/],
    ["../a", /"\/" is not among/],
    ["a\n", /"\\n" is not among/],
    ["ä", /"ä" is not among/],
    ["a😀", /"😀" is not among/],
    ["a\u0000", /is not among/],
  ];
  for (const [name, rule] of refused) {
    assert.throws(
      () => validateTopicName(name),
      (error) => error instanceof MoldauError && error.code === "INVALID_TOPIC_EXCEPTION" && rule.test(error.message),
      JSON.stringify(name),
    );
  }
});

test("a partition's folder names it, and is never a deleted one", () => {
  assert.equal(partitionFolder("my-events-2", 11), "my-events-2-11");
  fc.assert(
    fc.property(topicName, partition, (topic, number) => {
      const folder = partitionFolder(topic, number);
      assert.deepEqual(parsePartitionFolder(folder), { topic, partition: number });
      assert.equal(isDeletedFolder(folder), false);
    }),
  );
  for (const name of [
    "events",
    "events-",
    "-0",
    "events-01",
    "events-x",
    "metadata",
    "e e-0",
    "..-0",
    "a-2147483648",
    "a-00",
    "a-0 ",
  ]) {
    assert.equal(parsePartitionFolder(name), null, name);
  }
});

test("a deleted folder fits a file system and is no partition's", () => {
  const hex = "0123456789abcdef0123456789abcdef";
  assert.equal(deletedFolder("events", 3, hex), `events-3.${hex}-delete`);
  fc.assert(
    fc.property(topicName, partition, (topic, number) => {
      const folder = deletedFolder(topic, number, hex);
      assert.ok(folder.length <= 255);
      assert.ok(isDeletedFolder(folder));
      assert.equal(parsePartitionFolder(folder), null);
    }),
  );
});
