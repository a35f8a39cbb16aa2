import assert from "node:assert/strict";
import test from "node:test";
import { MoldauError } from "../errors.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { maxRunBytes, maxWaiters } from "../limits.ts";
import { BatchHeader } from "../log/record-batch.ts";
import type { Storage } from "../port/storage.ts";
import { memoryStorage } from "../storage/memory.ts";
import { zeroCounters } from "./counters.ts";
import { Fetcher } from "./fetch.ts";
import { FetchPool } from "./fetch-pool.ts";
import { openBroker } from "./open.ts";
import { Timers } from "./timers.ts";
import type { Broker, FetchedPartition, FetchOptions } from "./types.ts";
import { drain, ManualClock, testWorld } from "./world.test.support.ts";

const kernel = createTwinKernel();

function batchOf(valueBytes: number): Uint8Array {
  return kernel
    .encodeBatch([{ key: null, value: new Uint8Array(valueBytes), headers: [], timestamp: 1_700_000_000_000 }])
    .slice();
}

async function append(broker: Broker, partition: number, valueBytes: number): Promise<number> {
  const batch = batchOf(valueBytes);
  await broker.appendBatches("t", partition, batch);
  return batch.length;
}

function batchesIn({ bytes }: FetchedPartition): number {
  const header = new BatchHeader(bytes);
  let count = 0;
  for (let at = 0; at < bytes.length; at += header.sizeBytes) {
    assert.ok(header.at(at), "whole batches only");
    count += 1;
  }
  return count;
}

async function opened(
  partitions = 1,
  clock: ManualClock = new ManualClock(),
  storage: Storage = memoryStorage(),
): Promise<{ broker: Broker; clock: ManualClock }> {
  const broker = await openBroker(testWorld(storage, clock));
  await broker.createTopic("t", { partitions });
  return { broker, clock };
}

function fetchAll(broker: Broker, offsets: readonly number[], options: FetchOptions = {}): Promise<FetchedPartition[]> {
  return broker.fetchBatches(
    offsets.map((offset, partition) => ({ topic: "t", partition, offset })),
    options,
  );
}

/** A promise, and whether it has settled. */
function watch<Value>(promise: Promise<Value>): { readonly promise: Promise<Value>; settled: boolean } {
  const watched = { promise, settled: false };
  const note = (): void => {
    watched.settled = true;
  };
  promise.then(note, note);
  return watched;
}

test("maxBytes bounds all partitions together, and each its own; the first with data gives a whole batch all the same", async () => {
  const { broker } = await opened(3);
  let size = 0;
  for (const partition of [1, 2]) for (let at = 0; at < 5; at += 1) size = await append(broker, partition, 1000);
  const counts = async (maxBytes: number): Promise<number[]> =>
    (await fetchAll(broker, [0, 0, 0], { maxBytes })).map(batchesIn);
  assert.deepEqual(await counts(0), [0, 1, 0]);
  assert.deepEqual(await counts(size - 1), [0, 1, 0]);
  assert.deepEqual(await counts(size * 2), [0, 2, 0]);
  assert.deepEqual(await counts(size * 7), [0, 5, 2]);
  const own = await broker.fetchBatches([
    { topic: "t", partition: 1, offset: 0, maxBytes: size * 3 },
    { topic: "t", partition: 2, offset: 0, maxBytes: 1 },
  ]);
  assert.deepEqual(own.map(batchesIn), [3, 0]);
  await broker.close();
});

test("minBytes is waited for over all partitions, and not a byte longer", async () => {
  const { broker, clock } = await opened(2);
  const size = await append(broker, 0, 100);
  const waiting = watch(fetchAll(broker, [0, 0], { minBytes: size * 3, maxWaitMs: 5000 }));
  await append(broker, 1, 100);
  await drain();
  assert.equal(waiting.settled, false);
  await append(broker, 0, 100);
  await drain();
  assert.deepEqual((await waiting.promise).map(batchesIn), [2, 1]);
  const inVain = watch(fetchAll(broker, [2, 1], { minBytes: 1, maxWaitMs: 5000 }));
  await clock.advance(4999);
  assert.equal(inVain.settled, false);
  await clock.advance(1);
  assert.deepEqual((await inVain.promise).map(batchesIn), [0, 0]);
  await broker.close();
});

test("a fetch that cannot hold more does not wait for more", async () => {
  const { broker } = await opened();
  const size = await append(broker, 0, 1000);
  for (let at = 0; at < 3; at += 1) await append(broker, 0, 1000);
  const limit = Math.floor(size * 1.5);
  const full = watch(fetchAll(broker, [0], { minBytes: limit, maxBytes: limit, maxWaitMs: 60_000 }));
  await drain();
  assert.ok(full.settled);
  const capped = watch(
    broker.fetchBatches([{ topic: "t", partition: 0, offset: 0, maxBytes: size }], {
      minBytes: size * 2,
      maxWaitMs: 60_000,
    }),
  );
  await drain();
  assert.ok(capped.settled);
  const greedy = watch(fetchAll(broker, [3], { minBytes: size * 100, maxBytes: size + 1, maxWaitMs: 60_000 }));
  await append(broker, 0, 1000);
  await drain();
  assert.ok(greedy.settled, "minBytes beyond maxBytes means maxBytes");
  await Promise.all([full.promise, capped.promise, greedy.promise]);
  await broker.close();
});

test("an error of one partition is answered at once, beside what the others have", async () => {
  const { broker } = await opened(2);
  await append(broker, 0, 10);
  const fetched = await broker.fetchBatches(
    [
      { topic: "t", partition: 0, offset: 0 },
      { topic: "t", partition: 1, offset: 99 },
      { topic: "none", partition: 0, offset: 0 },
      { topic: "t", partition: 7, offset: 0 },
    ],
    { minBytes: 1_000_000, maxWaitMs: 60_000 },
  );
  assert.deepEqual(
    fetched.map(({ error }) => error?.code),
    [undefined, "OFFSET_OUT_OF_RANGE", "UNKNOWN_TOPIC_OR_PARTITION", "UNKNOWN_TOPIC_OR_PARTITION"],
  );
  assert.equal(batchesIn(fetched[0] as FetchedPartition), 1);
  await broker.close();
});

test("a client that goes frees its wait, whenever it goes", async () => {
  const { broker } = await opened();
  for (const moment of ["before", "during the read", "while waiting"]) {
    const controller = new AbortController();
    const gone = new Error("gone");
    if (moment === "before") controller.abort(gone);
    const waiting = watch(fetchAll(broker, [0], { maxWaitMs: 60_000, signal: controller.signal }));
    if (moment === "while waiting") await drain();
    controller.abort(gone);
    await drain();
    assert.ok(waiting.settled, moment);
    await assert.rejects(waiting.promise, (error: unknown) => error === gone);
    assert.equal(broker.metrics().waitingFetches, 0, moment);
  }
  await broker.close();
});

test("a topic that is deleted while another partition is read is that topic's error, not the fetch's", async () => {
  const broker = await openBroker({ ...testWorld(memoryStorage()), tailCacheBytes: 0 });
  await broker.createTopic("t");
  await broker.createTopic("gone");
  await append(broker, 0, 10);
  const fetched = broker.fetchBatches(
    [
      { topic: "gone", partition: 0, offset: 0 },
      { topic: "t", partition: 0, offset: 0 },
    ],
    { minBytes: 1_000_000, maxWaitMs: 60_000 },
  );
  await broker.deleteTopic("gone");
  const [first, second] = (await fetched) as [FetchedPartition, FetchedPartition];
  assert.equal(first.error?.code, "UNKNOWN_TOPIC_OR_PARTITION");
  assert.equal(batchesIn(second), 1);
  await broker.close();
});

test("many who wait are woken over several turns, each once however often the high watermark moves", async () => {
  const clock = new ManualClock();
  const { broker } = await opened(1, clock);
  let turns = 0;
  const schedule = clock.schedule.bind(clock);
  clock.schedule = (delayMs, run) => {
    if (delayMs === 0) turns += 1;
    return schedule(delayMs, run);
  };
  const waiting = Array.from({ length: 1000 }, () => watch(fetchAll(broker, [0], { maxWaitMs: 60_000 })));
  await drain();
  assert.equal(broker.metrics().waitingFetches, 1000);
  for (let at = 0; at < 10; at += 1) await append(broker, 0, 10);
  await drain();
  const soon = waiting.filter(({ settled }) => settled).length;
  assert.ok(soon > 0 && soon < 1000, `${soon} in the first turn`);
  await clock.advance(0);
  assert.equal(waiting.filter(({ settled }) => settled).length, 1000);
  assert.equal(broker.metrics().waitingFetches, 0);
  assert.ok(turns <= 1000 / 64 + 2, `${turns} turns`);
  await broker.close();
});

test("more waits than there may be are refused with a retriable error", async () => {
  const clock = new ManualClock();
  const counters = { ...zeroCounters(), waitingFetches: maxWaiters };
  const find = (): never => assert.fail("nothing is asked for");
  const pool = new FetchPool(maxRunBytes, () => assert.fail("nothing is lent"));
  const fetcher = new Fetcher({ find, timers: new Timers(clock), clock, counters, pool });
  await assert.rejects(fetcher.fetch([], { maxWaitMs: 1000 }), (error: unknown) => {
    return error instanceof MoldauError && error.code === "THROTTLING_QUOTA_EXCEEDED" && error.retriable;
  });
  counters.waitingFetches -= 1;
  const waiting = watch(fetcher.fetch([], { maxWaitMs: 1000 }));
  await drain();
  assert.equal(counters.waitingFetches, maxWaiters);
  await clock.advance(1000);
  assert.deepEqual(await waiting.promise, []);
});

/** One partition of twenty batches of a mebibyte, and a pool in which they do not all fit. */
async function openedForLoans(storage: Storage = memoryStorage()): Promise<Broker> {
  const broker = await openBroker({ ...testWorld(storage), fetchPoolBytes: 16 * mebibyte });
  await broker.createTopic("t", { partitions: 2 });
  for (let at = 0; at < 20; at += 1) await append(broker, 0, mebibyte - 200);
  return broker;
}

const mebibyte = 1024 * 1024;

test("answers that nobody takes hold no more than the pool; each given back serves the next in turn", async () => {
  const broker = await openedForLoans();
  const [whole] = await fetchAll(broker, [0], { maxBytes: 4 * mebibyte });
  const controller = new AbortController();
  const { signal } = controller;
  const asked = Array.from({ length: 60 }, () =>
    watch(fetchAll(broker, [0], { maxBytes: 16 * mebibyte, pooled: true, signal })),
  );
  await drain();
  const answered = (): number => asked.filter(({ settled }) => settled).length;
  // All ask at once, when an eighth of what is free is an eighth of all.
  const first = 8;
  assert.equal(answered(), first);
  assert.ok(broker.metrics().lentBytes <= 16 * mebibyte);
  const held = new Set<number>();
  for (const { promise } of asked.slice(0, first)) {
    const [fetched] = (await promise) as [FetchedPartition];
    assert.deepEqual(fetched.bytes, whole?.bytes.subarray(0, fetched.bytes.length));
    held.add(fetched.bytes.byteOffset);
  }
  assert.equal(held.size, first);
  for (let next = first; next < 20; next += 1) {
    const [fetched] = (await (asked[next - first] as (typeof asked)[number]).promise) as [FetchedPartition];
    fetched.release();
    fetched.release();
    await drain();
    assert.equal(answered(), next + 1);
    assert.ok(asked[next]?.settled, "in the order of asking");
  }
  const unpooled = await fetchAll(broker, [0], { maxBytes: 4 * mebibyte });
  assert.equal(unpooled[0]?.bytes.length, whole?.bytes.length, "who wants bytes of his own waits for nobody");
  controller.abort(new Error("gone"));
  for (const { promise } of asked.slice(20)) await assert.rejects(promise, /gone/);
  for (const { promise } of asked.slice(12, 20)) (await promise)[0]?.release();
  assert.equal(broker.metrics().lentBytes, 0);
  await broker.close();
});

test("readers that take nothing leave room for others: an answer is a share of what is free", async () => {
  const broker = await openBroker({ ...testWorld(memoryStorage()), fetchPoolBytes: 16 * mebibyte });
  await broker.createTopic("t", { partitions: 2 });
  for (let at = 0; at < 400; at += 1) await append(broker, 0, 50_000);
  const slow: FetchedPartition[] = [];
  for (let reader = 0; reader < 24; reader += 1) {
    const watched = watch(fetchAll(broker, [0], { maxBytes: 16 * mebibyte, pooled: true }));
    await drain();
    assert.ok(watched.settled, `reader ${reader} waits for those before it`);
    slow.push(...((await watched.promise) as FetchedPartition[]));
  }
  assert.ok((slow[0] as FetchedPartition).bytes.length > mebibyte, "who comes first is not stinted");
  for (const { release } of slow) release();
  assert.equal(broker.metrics().lentBytes, 0);
  await broker.close();
});

test("lent bytes stay as they are until they are given back, whatever is appended and fetched meanwhile", async () => {
  for (const tailCacheBytes of [0, 64 * mebibyte]) {
    const broker = await openBroker({ ...testWorld(memoryStorage()), tailCacheBytes, fetchPoolBytes: 16 * mebibyte });
    await broker.createTopic("t", { partitions: 1 });
    const held: { readonly fetched: FetchedPartition; readonly expected: Uint8Array }[] = [];
    for (let round = 0; round < 30; round += 1) {
      await append(broker, 0, 1000 * (round + 1));
      const offset = Math.max(0, round - 3);
      const [fetched] = (await fetchAll(broker, [offset], { pooled: true })) as [FetchedPartition];
      held.push({ fetched, expected: fetched.bytes.slice() });
      assert.equal(batchesIn(fetched), round - offset + 1);
      if (round % 3 === 2) held.splice(0, 1)[0]?.fetched.release();
      for (const { fetched: one, expected } of held) assert.deepEqual(one.bytes, expected);
    }
    for (const { fetched } of held) fetched.release();
    assert.equal(broker.metrics().lentBytes, 0);
    await broker.close();
  }
});

test("a batch larger than one answer's share comes whole all the same", async () => {
  const broker = await openBroker({ ...testWorld(memoryStorage()), tailCacheBytes: 0, fetchPoolBytes: 16 * mebibyte });
  await broker.createTopic("t", { partitions: 2, configs: { "max.message.bytes": 12 * mebibyte } });
  const size = await append(broker, 0, 5 * mebibyte);
  await append(broker, 1, 10);
  const fetched = await fetchAll(broker, [0, 0], { pooled: true });
  assert.deepEqual(fetched.map(batchesIn), [1, 0]);
  assert.equal(fetched[0]?.bytes.length, size);
  for (const part of fetched) part.release();
  assert.equal(broker.metrics().lentBytes, 0);
  await broker.close();
});

test("a fetch holds nothing while it waits for more, nor when its client goes in between", async () => {
  const broker = await openedForLoans();
  const waiting = watch(fetchAll(broker, [19], { pooled: true, minBytes: 1.5 * mebibyte, maxWaitMs: 60_000 }));
  await drain();
  assert.deepEqual([waiting.settled, broker.metrics().lentBytes], [false, 0]);
  await append(broker, 0, mebibyte - 200);
  await drain();
  assert.ok(waiting.settled);
  assert.ok(broker.metrics().lentBytes > 0);
  (await waiting.promise)[0]?.release();
  const controller = new AbortController();
  const gone = fetchAll(broker, [0], { pooled: true, signal: controller.signal });
  controller.abort(new Error("gone"));
  await assert.rejects(gone, /gone/);
  assert.equal(broker.metrics().lentBytes, 0);
  await broker.close();
});

test("fetches of several partitions do not wait for each other in a circle", async () => {
  const broker = await openedForLoans();
  for (let at = 0; at < 4; at += 1) await append(broker, 1, mebibyte - 200);
  const both = [0, 1].map((first) => ({ topic: "t", partition: first, offset: 0, maxBytes: mebibyte }));
  const asked = Array.from({ length: 40 }, (_, at) =>
    watch(broker.fetchBatches(at % 2 === 0 ? both : [...both].reverse(), { pooled: true })),
  );
  let served = 0;
  while (served < asked.length) {
    await drain();
    const ready = asked.slice(served).filter(({ settled }) => settled);
    assert.ok(ready.length > 0, `only ${served} of ${asked.length} were served`);
    for (const { promise } of ready) {
      const parts = await promise;
      assert.ok(batchesIn(parts[0] as FetchedPartition) > 0, "the first partition has data, always");
      for (const part of parts) part.release();
    }
    served += ready.length;
  }
  assert.equal(broker.metrics().lentBytes, 0);
  await broker.close();
});

test("a fetch that waits for room is told when the broker stops, and not kept", async () => {
  const broker = await openedForLoans();
  const held = await Promise.all(Array.from({ length: 8 }, () => fetchAll(broker, [0], { pooled: true })));
  const waiting = fetchAll(broker, [0], { pooled: true });
  await drain();
  await broker.close();
  assert.equal((await waiting)[0]?.error?.code, "BROKER_CLOSED");
  for (const parts of held) for (const part of parts) part.release();
});
