// What every adapter must do: the contract as tests, which read its manifest.
//
// Owns: the cases. A case that the manifest excludes is not registered, so nothing is skipped in silence.
// Never: knows which log is behind it.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogAdapter, type Membership, outcomeOf, type Place, type RecordToAppend } from "./contract.ts";

export interface SuiteOptions {
  readonly name: string;
  readonly open: () => Promise<{ readonly adapter: LogAdapter; readonly close: () => Promise<void> }>;
  /** As the adapter has it; the suite holds it to that. */
  readonly supports: LogAdapter["supports"];
}

const now = 1_767_225_600_000;
/** Two adapters may be of one log. */
let topics = 0;

/** Registers the cases for one adapter. Each opens the log anew, so that each stands alone. */
export function adapterContract({ name, open, supports }: SuiteOptions): void {
  const contract = (words: string, run: (adapter: LogAdapter, topic: string) => Promise<void>): void => {
    test(`${name}: ${words}`, async () => {
      const { adapter, close } = await open();
      try {
        const topic = `contract-${topics++}`;
        await adapter.createTopic(topic, { partitions: 2 });
        await run(adapter, topic);
      } finally {
        await close();
      }
    });
  };
  const records = (...values: string[]): RecordToAppend[] =>
    values.map((value, index) => ({ value, timestamp: now + index }));
  const refused = async (promise: Promise<unknown>, code: RegExp): Promise<void> => {
    const error = await promise.then(
      () => assert.fail(`it was not refused with ${code}`),
      (one: unknown) => one,
    );
    const outcome = outcomeOf(error);
    assert.equal(outcome.outcome, "fail", `${code}: ${error}`);
    assert.match(outcome.code, code);
  };

  contract("supports what it says", async (adapter) => {
    assert.deepEqual(adapter.supports, supports);
    assert.ok(adapter.name.length > 0);
    assert.ok(supports.acks.length > 0);
    for (const [feature, method] of [
      [supports.idempotence, adapter.allocateProducer],
      [supports.deleteRecords, adapter.deleteRecords],
      [supports.lookUpByTime, adapter.lookUp],
      [supports.groups !== "none", adapter.joinGroup],
      [supports.groups !== "none", adapter.committed],
    ] as const)
      assert.ok(!feature || method !== undefined);
  });

  contract("appends and reads back", async (adapter, topic) => {
    const place = { topic, partition: 1 };
    const [acks] = supports.acks;
    assert.ok(acks !== undefined);
    const first = await adapter.append(place, records("a", "b"), { acks });
    assert.deepEqual(first.offsets, [0, 1]);
    const keyed = { value: null, key: "k", timestamp: now + 5 };
    assert.deepEqual((await adapter.append(place, [keyed], { acks })).offsets, [2]);
    assert.deepEqual(await readAll(adapter, place), [
      { offset: 0, timestamp: now, value: "a" },
      { offset: 1, timestamp: now + 1, value: "b" },
      { offset: 2, ...keyed },
    ]);
    const bounds = await adapter.offsets(place);
    assert.equal(bounds.logStartOffset, 0);
    assert.equal(bounds.highWatermark, 3);
    assert.equal(bounds.logEndOffset, supports.logEnd ? 3 : undefined);
    const other = await adapter.read({ topic, partition: 0 }, { offset: 0, maxWaitMs: 0 });
    assert.deepEqual(other.records, []);
    assert.equal(other.nextOffset, 0);
  });

  contract("begins a read in the middle of a batch", async (adapter, topic) => {
    const place = { topic, partition: 0 };
    await adapter.append(place, records("a", "b", "c"), { acks: "all" });
    const { records: read, nextOffset, logStartOffset } = await adapter.read(place, { offset: 1, maxWaitMs: 0 });
    assert.deepEqual([read[0]?.offset, read[0]?.value], [1, "b"]);
    assert.ok(nextOffset > 1);
    assert.equal(logStartOffset, 0);
  });

  contract("waits for what is to come", async (adapter, topic) => {
    const place = { topic, partition: 0 };
    const reading = adapter.read(place, { offset: 0, maxWaitMs: 5000 });
    await adapter.append(place, records("late"), { acks: "all" });
    const { records: read } = await reading;
    assert.deepEqual(
      read.map(({ value }) => value),
      ["late"],
    );
  });

  contract("tells a reader who is out of range", async (adapter, topic) => {
    await refused(adapter.read({ topic, partition: 0 }, { offset: 7, maxWaitMs: 0 }), /^OFFSET_OUT_OF_RANGE$/);
  });

  contract("refuses what is not there, with effect none", async (adapter, topic) => {
    const nowhere = { topic: `${topic}-not-there`, partition: 0 };
    await refused(adapter.append(nowhere, records("a"), { acks: "all" }), /UNKNOWN_TOPIC_OR_PARTITION/);
    await refused(adapter.read(nowhere, { offset: 0, maxWaitMs: 0 }), /UNKNOWN_TOPIC_OR_PARTITION/);
  });

  for (const acks of supports.acks) {
    contract(`keeps what is sent with acks=${acks}`, async (adapter, topic) => {
      const place = { topic, partition: 0 };
      const { offsets } = await adapter.append(place, records("a"), { acks });
      assert.deepEqual(offsets, acks === "none" ? undefined : [0]);
      for (let tries = 0; (await readAll(adapter, place)).length === 0; tries++) {
        assert.ok(tries < 100, "it never came");
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    });
  }

  if (supports.idempotence) {
    contract("stores a producer's batch once, however often it is sent", async (adapter, topic) => {
      const place = { topic, partition: 0 };
      const producer = await adapter.allocateProducer?.();
      assert.ok(producer !== undefined);
      const other = await adapter.allocateProducer?.();
      assert.notEqual(other?.id, producer.id);
      const send = (sequence: number, ...values: string[]): ReturnType<LogAdapter["append"]> =>
        adapter.append(place, records(...values), { acks: "all", producer: { ...producer, sequence } });
      assert.deepEqual((await send(0, "a", "b")).offsets, [0, 1]);
      assert.deepEqual((await send(2, "c")).offsets, [2]);
      const again = await send(0, "a", "b");
      assert.deepEqual(again.offsets, [0, 1]);
      assert.notEqual(again.duplicate, false);
      await refused(send(4, "e"), /OUT_OF_ORDER_SEQUENCE_NUMBER/);
      assert.equal((await readAll(adapter, place)).length, 3);
    });
  }

  if (supports.conditionalAppends) {
    contract("appends only where it is expected to", async (adapter, topic) => {
      const place = { topic, partition: 0 };
      await adapter.append(place, records("a"), { acks: "all", expectedEndOffset: 0 });
      await refused(adapter.append(place, records("b"), { acks: "all", expectedEndOffset: 0 }), /^OFFSET_MISMATCH$/);
      await adapter.append(place, records("c"), { acks: "all", expectedEndOffset: 1 });
      assert.equal((await readAll(adapter, place)).length, 2);
    });
  }

  if (supports.deleteRecords) {
    contract("deletes records, and starts there", async (adapter, topic) => {
      const place = { topic, partition: 0 };
      await adapter.append(place, records("a", "b", "c"), { acks: "all" });
      assert.equal(await adapter.deleteRecords?.(place, 2), 2);
      assert.equal((await adapter.offsets(place)).logStartOffset, 2);
      assert.equal((await adapter.read(place, { offset: 2, maxWaitMs: 0 })).logStartOffset, 2);
      await refused(adapter.read(place, { offset: 0, maxWaitMs: 0 }), /^OFFSET_OUT_OF_RANGE$/);
    });
  }

  if (supports.lookUpByTime) {
    contract("looks offsets up by time", async (adapter, topic) => {
      const place = { topic, partition: 0 };
      const unordered = [now, now + 20, now + 10].map((timestamp, at) => ({ value: `${at}`, timestamp }));
      await adapter.append(place, unordered, { acks: "all" });
      assert.deepEqual(await adapter.lookUp?.(place, now + 5), { offset: 1, timestamp: now + 20 });
      assert.deepEqual(await adapter.lookUp?.(place, now), { offset: 0, timestamp: now });
      assert.equal(await adapter.lookUp?.(place, now + 21), null);
    });
  }

  if (supports.groups !== "none") {
    contract(
      "shares partitions out among the members of a group, and keeps what they commit",
      async (adapter, topic) => {
        const [one, two] = [new Watched(), new Watched()];
        const group = `group-${topic}`;
        assert.equal(await adapter.committed?.(group, { topic, partition: 0 }), null);
        await one.join(adapter, group, topic);
        await until(() => one.share.length === 2);
        const before = one.membership;
        await two.join(adapter, group, topic);
        await until(() => one.share.length === 1 && two.share.length === 1);
        assert.notEqual(one.share[0]?.partition, two.share[0]?.partition);
        assert.ok(one.revoked.length > 0, "it was told that it has to give one up");
        const place = one.share[0] as Place;
        await one.member?.commit(place, 1, one.membership as Membership);
        assert.equal(await adapter.committed?.(group, place), 1);
        await refused(
          one.member?.commit(place, 0, before as Membership) ?? Promise.resolve(),
          /STALE_MEMBER_EPOCH|ILLEGAL_GENERATION/,
        );
        await one.leave();
        assert.deepEqual(one.share, []);
        await until(() => two.share.length === 2);
        assert.equal(await adapter.committed?.(group, place), 1);
        await two.leave();
      },
    );
  }
}

async function readAll(adapter: LogAdapter, place: Place): Promise<unknown[]> {
  const all: unknown[] = [];
  let offset = 0;
  for (;;) {
    const { records, nextOffset, highWatermark } = await adapter.read(place, { offset, maxWaitMs: 0 });
    all.push(...records.map(({ key, ...record }) => (key === undefined || key === null ? record : { ...record, key })));
    if (nextOffset >= highWatermark || nextOffset <= offset) return all;
    offset = nextOffset;
  }
}

/** A member, and what it was told. */
class Watched {
  share: readonly Place[] = [];
  membership: Membership | null = null;
  readonly revoked: Place[] = [];
  failure: unknown = null;
  #lives = true;
  #living: Promise<void> = Promise.resolve();
  member: Awaited<ReturnType<NonNullable<LogAdapter["joinGroup"]>>> | undefined;

  async join(adapter: LogAdapter, group: string, topic: string): Promise<void> {
    this.member = await adapter.joinGroup?.(group, [topic], {
      revoked: (_, partitions) => {
        this.revoked.push(...partitions);
        this.share = this.share.filter((place) => !partitions.some(({ partition }) => partition === place.partition));
      },
      assigned: (membership) => {
        this.membership = membership;
        this.share = membership.partitions;
      },
    });
    this.#living = this.#live();
  }

  /** Each on its own: a member that joins waits until the others have heard of it. */
  async #live(): Promise<void> {
    while (this.#lives) {
      // It may be refused while the group is in between.
      await this.member?.heartbeat().catch((error: unknown) => {
        if (outcomeOf(error).outcome !== "fail") this.failure = error;
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  async leave(): Promise<void> {
    this.#lives = false;
    await this.#living;
    await this.member?.leave();
    assert.equal(this.failure, null);
  }
}

async function until(isTrue: () => boolean): Promise<void> {
  const deadline = Date.now() + 30_000;
  while (!isTrue()) {
    assert.ok(Date.now() < deadline, "it did not come about");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}
