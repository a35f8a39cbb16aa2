// What is no history is told as such: which event, which field, what is there, and what has to be.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { History, HistoryEvent } from "../history.ts";
import { HistoryShapeError, judge } from "./index.ts";
import { trueHistory } from "./true-history.ts";

const whole = trueHistory({ seed: 3, operations: 400, logs: 2, crashEvery: 100 });

/** As whoever reads a history from JSON has it: nothing is known of its types. */
type Loose = Record<string, unknown>;

function copy(): Loose[] {
  return JSON.parse(JSON.stringify(whole));
}

function first(history: Loose[], kind: HistoryEvent["kind"]): number {
  const index = history.findIndex((event) => event["kind"] === kind);
  assert.ok(index >= 0, kind);
  return index;
}

function told(history: unknown): HistoryShapeError {
  try {
    judge(history as History);
  } catch (error) {
    assert.ok(error instanceof HistoryShapeError, `${(error as Error).stack}`);
    return error;
  }
  return assert.fail("it was judged");
}

/** A change to the first event of a kind, the field that is told, what is there, what has to be. */
const changes: readonly (readonly [HistoryEvent["kind"], (event: Loose) => void, string, string, string])[] = [
  ["produce", (event) => delete event["process"], "process", "undefined", "a string"],
  ["produce", (event) => (event["acks"] = "most"), "acks", '"most"', '"all", "leader" or "none"'],
  ["produce", (event) => (event["records"] = { 0: 1 }), "records", '{"0":1}', "an array"],
  ["produce", (event) => (event["records"] = [null]), "records[0]", "null", "an object"],
  ["produce", (event) => (event["records"] = [{ value: 7, timestamp: 1 }]), "records[0].value", "7", "a string"],
  ["produce", (event) => (event["offsets"] = ["5"]), "offsets[0]", '"5"', "a whole number"],
  ["produce", (event) => (event["outcome"] = "done"), "outcome", '"done"', '"ok", "fail" or "info"'],
  ["produce", (event) => (event["producer"] = { id: 1, epoch: 0 }), "producer.sequence", "undefined", "a whole number"],
  ["read", (event) => delete event["records"], "records", "undefined", "an array"],
  ["read", (event) => (event["highWatermark"] = null), "highWatermark", "null", "a whole number"],
  ["read", (event) => (event["nextOffset"] = 0.5), "nextOffset", "0.5", "a whole number"],
  ["read", (event) => (event["manner"] = "poll"), "manner", '"poll"', '"audit", "cursor", "fetch", "raw" or "group"'],
  ["read", (event) => (event["atMs"] = "soon"), "atMs", '"soon"', "a number"],
  ["describe", (event) => (event["quiet"] = 1), "quiet", "1", "true or false"],
  ["crash", (event) => delete event["detail"], "detail", "undefined", "a string"],
  ["commit", (event) => (event["generation"] = "3"), "generation", '"3"', "a whole number"],
  ["assign", (event) => (event["partitions"] = "events-0"), "partitions", '"events-0"', "an array"],
];

for (const [kind, change, field, found, expected] of changes)
  test(`a ${kind} with ${field} of ${found}`, () => {
    const history = copy();
    const index = first(history, kind);
    change(history[index] as Loose);
    const error = told(history);
    assert.deepEqual(
      { index: error.index, field: error.field, found: error.found, expected: error.expected },
      { index, field, found, expected },
    );
    assert.ok(error instanceof TypeError);
    assert.match(error.message, new RegExp(`^event ${index} of the history: `));
    assert.ok(error.message.includes(`${field} is ${found}, and has to be ${expected}`), error.message);
  });

test("a record that was read, in the midst of others", () => {
  for (const [name, bad] of [
    ["offset", "3"],
    ["timestamp", null],
    ["value", undefined],
    ["key", 5],
    ["tombstone", "yes"],
  ] as const) {
    const history = copy();
    const index = history.findIndex((event) => event["kind"] === "read" && (event["records"] as Loose[]).length > 2);
    ((history[index] as Loose)["records"] as Loose[])[2] = { offset: 0, timestamp: 1, value: "p0.1", [name]: bad };
    const error = told(history);
    assert.equal(error.index, index);
    assert.equal(error.field, `records[2].${name}`);
  }
});

test("what is no history at all, and an event that is none or of no kind", () => {
  for (const none of [undefined, null, {}, "[]", 5]) {
    const error = told(none);
    assert.equal(error.index, -1);
    assert.match(error.message, /^the history is .*, and has to be an array of events/);
  }
  for (const [event, field] of [
    [null, ""],
    [undefined, ""],
    ["produce", ""],
    [{}, "kind"],
    [{ ...whole[0], kind: "prodcue" }, "kind"],
  ] as const) {
    const error = told([whole[0], event]);
    assert.equal(error.index, 1);
    assert.equal(error.field, field);
  }
});

test("an event that was sent after it had come, as in the shortened history of a report", () => {
  const history = copy();
  const error = told(history.slice(10));
  assert.equal(error.field, "invokedAt");
  assert.match(error.message, /from 0 to \d+: it is how many events there were when it was sent/);
});

test("a history that comes from JSON is judged as it was", () => {
  assert.deepEqual(judge(copy() as unknown as History), judge(whole));
  assert.equal(judge(whole).holds, true);
});
