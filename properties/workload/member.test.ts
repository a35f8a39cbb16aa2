// A member when the work has ended: it waits instead of asking again and again, and ends as soon as it may.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogAdapter, LogError, type Place, type ReadAnswer, supportsNothing } from "../adapter/contract.ts";
import { draw } from "../random.ts";
import type { Stage } from "./clients.ts";
import { Member } from "./member.ts";
import { Recorder } from "./recorder.ts";

const place: Place = { topic: "t", partition: 0 };
const name = "t-0";
const sessionMs = 1000;

/** A log of so many records, of which so many are committed, and how often it was asked for what. */
class Counted {
  reads = 0;
  heartbeats = 0;
  committed: number;
  leaves: number[] = [];
  joins: number[] = [];
  refusedLeaves = 0;
  readonly #records: number;

  constructor(records: number, committed: number) {
    this.#records = records;
    this.committed = committed;
  }

  get adapter(): LogAdapter {
    return {
      name: "counted",
      supports: { ...supportsNothing, groups: "consumer" },
      createTopic: async () => {},
      append: async () => ({}),
      close: async () => {},
      offsets: async () => ({ logStartOffset: 0, highWatermark: this.#records }),
      committed: async () => this.committed,
      read: async (_, { offset }) => this.#read(offset),
      joinGroup: async (_group, _topics, listener) => ({
        heartbeat: async () => {
          this.heartbeats += 1;
          if (this.heartbeats === 1) listener.assigned({ member: "m", generation: 1, partitions: [place] });
          this.joins.push(performance.now());
        },
        commit: async (_place, offset) => void (this.committed = offset),
        leave: async () => {
          this.leaves.push(performance.now());
          if (this.leaves.length <= this.refusedLeaves) throw new LogError("ECONNRESET", "unknown");
        },
      }),
    };
  }

  #read(offset: number): ReadAnswer {
    this.reads += 1;
    const bounds = { logStartOffset: 0, highWatermark: this.#records };
    if (offset >= this.#records) return { records: [], nextOffset: offset, ...bounds };
    return { records: [{ offset, timestamp: 1, value: `p0.${offset}|` }], nextOffset: offset + 1, ...bounds };
  }

  member({ goodbyeMs = 30_000 }: { readonly goodbyeMs?: number } = {}): Member {
    const recorder = new Recorder({ operationTimeoutMs: 1000, maxRecords: 1000 });
    const logs = [{ place, name, compacted: false }];
    // As `stage.sleep` is when the work has ended: it does not wait.
    const stage: Stage = {
      adapter: this.adapter,
      recorder,
      logs,
      topics: new Set(),
      working: () => false,
      sleep: async () => {},
    };
    return new Member(stage, "g", "m0", draw(1, "m", 0), goodbyeMs);
  }
}

/** Lets it finish for so long, in milliseconds. */
async function finishFor(member: Member, end: number, ms: number): Promise<void> {
  const done = new AbortController();
  const ended = member.finish(new Map([[name, end]]), done.signal, () => {});
  await new Promise((resolve) => setTimeout(resolve, ms));
  done.abort();
  await ended;
}

/** Lets it finish until something has come about, or half a minute has gone. */
async function finishUntil(member: Member, hasCome: () => boolean): Promise<void> {
  const done = new AbortController();
  const given = setTimeout(() => done.abort(), 30_000);
  await member.finish(new Map([[name, 5]]), done.signal, () => {
    if (hasCome()) done.abort();
  });
  clearTimeout(given);
}

test("one that has come to the end only lives on", async () => {
  const log = new Counted(5, 5);
  await finishFor(log.member(), 5, sessionMs);
  assert.equal(log.reads, 0);
  assert.ok(log.heartbeats >= 2 && log.heartbeats <= 5, `${log.heartbeats} heartbeats`);
});

test("one that is behind, and is given nothing, asks now and then", async () => {
  const log = new Counted(5, 5);
  await finishFor(log.member(), 6, sessionMs);
  assert.ok(log.reads >= 2 && log.reads <= 12, `${log.reads} reads`);
});

test("one that is behind reads and commits page after page", async () => {
  const log = new Counted(500, 0);
  const member = log.member();
  const done = new AbortController();
  const ends = new Map([[name, 500]]);
  await member.finish(ends, done.signal, () => {
    if (member.partitions === 1 && member.hasReached(ends)) done.abort();
  });
  assert.equal(log.committed, 500);
  assert.equal(log.reads, 500);
});

test("one that left without an answer says so again before it joins", async () => {
  const log = new Counted(5, 5);
  log.refusedLeaves = 2;
  const member = log.member();
  await finishFor(member, 5, 10);
  assert.equal(log.joins.length, 1);
  await member.leave();
  assert.equal(log.leaves.length, 1);
  const before = log.joins.length;
  await finishUntil(member, () => log.joins.length > before);
  assert.equal(log.leaves.length, 3, "two were not answered");
  assert.ok(log.joins.length > before, "it has joined again");
  const joined = log.joins[before] as number;
  assert.ok(joined >= (log.leaves[2] as number), "it joined when it had been heard");
});

test("one whose leaving is never answered joins again when it has said so long enough", async () => {
  const log = new Counted(5, 5);
  log.refusedLeaves = Number.POSITIVE_INFINITY;
  const member = log.member({ goodbyeMs: 400 });
  await finishFor(member, 5, 10);
  await member.leave();
  const before = log.joins.length;
  await finishUntil(member, () => log.joins.length > before);
  const [first, last, joined] = [log.leaves[0] as number, log.leaves.at(-1) as number, log.joins[before] as number];
  assert.ok(log.leaves.length >= 2 && last - first >= 300, `${log.leaves.length} times, in ${last - first} ms`);
  assert.ok(joined >= last);
});
