import { deepStrictEqual, ok } from "node:assert/strict";
import { test } from "node:test";
import { fuzzKafka } from "./kafka-fuzz.ts";

test("a Kafka frame with faults in it is refused or read, and nothing else", () => {
  const seed = Math.floor(Math.random() * 2 ** 31);
  const { faults, refused, read, connections } = fuzzKafka({ count: 60_000, seed });
  deepStrictEqual(faults, [], `seed ${seed}`);
  ok(refused > 20_000 && read > 5_000 && connections > 2_000, `${refused}, ${read}, ${connections}`);
});

test("one seed is one run", () => {
  deepStrictEqual(fuzzKafka({ count: 3_000, seed: 5 }), fuzzKafka({ count: 3_000, seed: 5 }));
});
