// What a list of topics must show, and what it may, by the times at which everything was sent and answered.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { HistoryEvent, Outcome } from "../history.ts";
import { judge } from "./index.ts";
import { topicsOutlive } from "./topics.ts";

/** An event, and how many there were when it was sent; as many as there are when nothing is said. */
type Step = readonly [event: Record<string, unknown>, invokedAt?: number];

const created: Step = [{ kind: "create topic", topic: "t", id: "a", outcome: "ok" }];
const deleted = (outcome: Outcome, invokedAt?: number): Step => [
  { kind: "delete topic", topic: "t", id: "a", outcome },
  invokedAt,
];
const listed = (ids: readonly string[], invokedAt?: number): Step => [{ kind: "topics", ids }, invokedAt];

const cases: readonly (readonly [name: string, steps: readonly Step[], finding: RegExp | null])[] = [
  ["created and listed", [created, listed(["a"])], null],
  ["created and lost", [created, listed([])], /is not listed/],
  ["a list from before the creation was acknowledged", [created, listed([], 0)], null],
  ["deleted", [created, deleted("ok"), listed([])], null],
  ["deleted, and listed again", [created, deleted("ok"), listed(["a"])], /was deleted .* is listed again/],
  ["a list that was asked for before the deletion was answered", [created, deleted("ok"), listed(["a"], 1)], null],
  ["and does not have it any more", [created, deleted("ok"), listed([], 1)], null],
  [
    "a list that was answered while the deletion was under way, without it",
    [created, listed([]), deleted("ok", 1)],
    null,
  ],
  ["and with it", [created, listed(["a"]), deleted("ok", 1)], null],
  ["missing before the deletion was sent", [created, listed([]), deleted("ok", 2)], /is not listed/],
  [
    "missing while the deletion is under way, and there after that",
    [created, listed([]), listed(["a"]), deleted("ok", 1)],
    /found deleted .* is listed again/,
  ],
  ["two lists at once, of which one has it", [created, listed([]), listed(["a"], 1), deleted("ok", 1)], null],
  ["a deletion without an answer that has had no effect", [created, deleted("info"), listed(["a"])], null],
  ["one that has", [created, deleted("info"), listed([])], null],
  ["one that has it late", [created, deleted("info"), listed(["a"]), listed([])], null],
  ["one that is taken back", [created, deleted("info"), listed([]), listed(["a"])], /found deleted .* is listed again/],
  ["one whose answer never came, written down later", [created, listed([]), listed([]), deleted("info", 1)], null],
  ["one that was refused", [created, deleted("fail"), listed([])], /is not listed/],
  ["one life after the other", [created, deleted("ok"), [{ ...created[0], id: "b" }], listed(["b"])], null],
  ["the first life again", [created, deleted("ok"), [{ ...created[0], id: "b" }], listed(["a", "b"])], /listed again/],
  [
    "the second life lost",
    [created, deleted("ok"), [{ ...created[0], id: "b" }], listed([])],
    /id b\) and is not listed/,
  ],
];

for (const [name, steps, finding] of cases)
  test(name, () => {
    const history = steps.map(
      ([event, invokedAt], index) =>
        ({ ...event, atMs: index, incarnation: 1, invokedAt: invokedAt ?? index }) as unknown as HistoryEvent,
    );
    const { violations } = judge(history, [topicsOutlive]);
    if (finding === null) assert.deepEqual(violations, []);
    else {
      assert.equal(violations.length, 1);
      assert.match(violations[0]?.message ?? "", finding);
    }
  });
