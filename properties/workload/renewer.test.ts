// What a renewer does with a log that refuses: it makes no topic in place of another, and gives up.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogAdapter, LogError, supportsNothing } from "../adapter/contract.ts";
import { draw } from "../random.ts";
import type { Stage } from "./clients.ts";
import { Recorder } from "./recorder.ts";
import { renewer } from "./renewer.ts";

/** The last: it had its effect, and a repeat of it is answered. */
type Effect = "none" | "unknown" | "done";

/** Takes creations and deletions, unless it is told how the next ones fail; says how long it was left alone before each. */
class Refusing {
  readonly there: Map<string, string> = new Map();
  readonly topics: Set<string> = new Set();
  readonly created: string[] = [];
  readonly deleted: string[] = [];
  readonly pausesMs: number[] = [];
  readonly recorder: Recorder = new Recorder({ operationTimeoutMs: 10_000, maxRecords: 1000 });
  creations: Effect[] = [];
  deletions: Effect[] = [];
  /** The work ends when so many topics were asked for. */
  lives = 100;
  #ids = 0;

  get #adapter(): LogAdapter {
    const empty = { logStartOffset: 0, highWatermark: 0 };
    return {
      name: "refusing",
      supports: { ...supportsNothing, listTopics: true },
      createTopic: async (topic) => {
        this.created.push(topic);
        const effect = this.creations.shift();
        if (effect === undefined || effect === "done") {
          this.#ids += 1;
          this.there.set(topic, `id ${this.#ids}`);
        }
        fail(effect, "TOPIC_ALREADY_EXISTS");
      },
      deleteTopic: async (topic) => {
        this.deleted.push(topic);
        const effect = this.deletions.shift();
        if (effect === undefined || effect === "done") this.there.delete(topic);
        fail(effect, "UNKNOWN_TOPIC_OR_PARTITION");
      },
      listTopics: async () => [...this.there].map(([topic, id]) => ({ topic, id })),
      append: async () => ({}),
      read: async () => ({ records: [], nextOffset: 0, ...empty }),
      offsets: async () => empty,
      close: async () => {},
    };
  }

  async renew(): Promise<void> {
    const stage: Stage = {
      ...{ adapter: this.#adapter, recorder: this.recorder, logs: [], topics: this.topics },
      working: () => this.created.length < this.lives,
      sleep: async (ms) => void this.pausesMs.push(ms),
    };
    await renewer(stage, "t0", draw(1, "t", 0), { name: "t", configs: {}, longerMs: 10_000 });
  }
}

function fail(effect: Effect | undefined, done: string): void {
  if (effect === "done") throw new LogError(done, "none");
  if (effect !== undefined) throw new LogError(effect === "none" ? "POLICY_VIOLATION" : "ECONNRESET", effect);
}

const many = (effect: Effect): Effect[] => Array.from({ length: 1000 }, () => effect);
const rising = [100, 200, 400, 800, 1600, 3200, 5000, 5000, 5000];

test("a creation that is refused is tried again under its name, less and less often, and given up", async () => {
  const log = new Refusing();
  log.creations = many("none");
  await log.renew();
  assert.deepEqual(log.pausesMs, rising);
  assert.deepEqual([...new Set(log.created)], ["t"]);
  assert.equal(log.topics.size, 0, "nothing is there to be cleared up");
});

test("a creation that is not answered is tried again under another name, less and less often, and given up", async () => {
  const log = new Refusing();
  log.creations = many("unknown");
  await log.renew();
  assert.deepEqual(log.pausesMs, rising);
  assert.equal(new Set(log.created).size, 10);
  assert.deepEqual([...log.topics], log.created, "all of them may be there");
});

test("a creation that was refused now and then ends nothing", async () => {
  const log = new Refusing();
  log.creations = many("none").slice(0, 9);
  log.lives = 12;
  await log.renew();
  assert.deepEqual([log.created.length, new Set(log.created).size], [12, 1]);
  assert.equal(log.deleted.length, 2);
});

test("where deletions are refused one topic is left", async () => {
  const log = new Refusing();
  log.deletions = many("none");
  await log.renew();
  assert.deepEqual([log.created, [...log.there.keys()]], [["t"], ["t"]]);
  assert.deepEqual(
    log.deleted,
    Array.from({ length: 10 }, () => "t"),
  );
  assert.deepEqual(log.pausesMs.slice(1), rising);
});

test("a deletion that was refused once is made up for, under the same name", async () => {
  const log = new Refusing();
  log.deletions = ["none"];
  log.lives = 3;
  await log.renew();
  assert.deepEqual(log.created, ["t", "t", "t"]);
  assert.equal(log.deleted.length, 3);
});

test("an answer that it was done already says nothing of when: another name follows", async () => {
  const log = new Refusing();
  log.creations = ["done"];
  log.deletions = ["done"];
  log.lives = 4;
  await log.renew();
  assert.deepEqual(log.created, ["t", "t-1", "t-2", "t-2"]);
  assert.ok(log.topics.has("t"), "it is cleared up");
  const { history } = log.recorder;
  const outcomes = (kind: string): unknown[] =>
    history.flatMap((event) => (event.kind === kind && "outcome" in event ? [event.outcome] : []));
  assert.deepEqual(outcomes("create topic").slice(0, 2), ["info", "ok"]);
  assert.deepEqual(outcomes("delete topic"), ["info", "ok"]);
});
