import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MoldauError } from "../errors.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { batchesPerProducer, maxProducersPerPartition } from "../limits.ts";
import {
  type AppendedProducerBatch,
  ProducerState,
  parseProducerSnapshot,
  type SequenceVerdict,
} from "./producer-state.ts";

const kernel = createTwinKernel();
const crc32c = (bytes: Uint8Array): number => kernel.crc32c(bytes);
const maxSequence = 2 ** 31 - 1;

function batchOf(
  baseSequence: number,
  recordCount: number,
  baseOffset: number,
  more: Partial<AppendedProducerBatch> = {},
): AppendedProducerBatch {
  const lastOffset = baseOffset + recordCount - 1;
  return {
    producerId: 7,
    producerEpoch: 0,
    baseSequence,
    recordCount,
    baseOffset,
    lastOffset,
    timestamp: 1000 + baseOffset,
    ...more,
  };
}

function outcome(judge: () => SequenceVerdict): string {
  try {
    return judge().kind;
  } catch (error) {
    assert.ok(error instanceof MoldauError);
    return error.code;
  }
}

function reread(state: ProducerState): ProducerState {
  const again = parseProducerSnapshot(state.serialize(crc32c), crc32c);
  assert.ok(again !== null);
  return again;
}

test("an unknown producer begins anywhere, a new epoch at 0, an old epoch is fenced", () => {
  const state = new ProducerState();
  assert.equal(
    outcome(() => state.check(batchOf(40, 2, 0))),
    "new",
  );
  state.update(batchOf(40, 2, 0));
  assert.equal(
    outcome(() => state.check(batchOf(42, 1, 2))),
    "new",
  );
  assert.equal(
    outcome(() => state.check(batchOf(3, 1, 2, { producerEpoch: 1 }))),
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
  );
  assert.equal(
    outcome(() => state.check(batchOf(0, 1, 2, { producerEpoch: 1 }))),
    "new",
  );
  state.update(batchOf(0, 1, 2, { producerEpoch: 1 }));
  assert.equal(
    outcome(() => state.check(batchOf(40, 2, 0))),
    "INVALID_PRODUCER_EPOCH",
  );
  assert.equal(
    outcome(() => state.check(batchOf(42, 1, 0))),
    "INVALID_PRODUCER_EPOCH",
  );
});

test("a producer bumps its own epoch and is deduplicated in the new one (redpanda#3039)", () => {
  const state = new ProducerState();
  state.update(batchOf(0, 1, 0));
  state.update(batchOf(0, 3, 1, { producerEpoch: 1 }));
  assert.deepEqual(state.check(batchOf(0, 3, 9, { producerEpoch: 1 })), {
    kind: "duplicate",
    baseOffset: 1,
    lastOffset: 3,
    timestamp: 1001,
  });
});

test("what began in the middle is never called a duplicate of what nobody saw", () => {
  const state = new ProducerState();
  for (let index = 0; index < 8; index += 1) state.update(batchOf(100 + index, 1, index));
  assert.equal(
    outcome(() => state.check(batchOf(101, 1, 8))),
    "DUPLICATE_SEQUENCE_NUMBER",
  );
  assert.equal(
    outcome(() => state.check(batchOf(99, 1, 8))),
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
  );
  assert.equal(
    outcome(() => state.check(batchOf(99, 3, 8))),
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
  );
});

test("a batch that is not cut as the first time is no duplicate", () => {
  const state = new ProducerState();
  state.update(batchOf(0, 4, 0));
  state.update(batchOf(4, 4, 4));
  assert.equal(
    outcome(() => state.check(batchOf(0, 3, 8))),
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
  );
  assert.equal(
    outcome(() => state.check(batchOf(0, 8, 8))),
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
  );
  assert.equal(
    outcome(() => state.check(batchOf(0, 4, 8))),
    "duplicate",
  );
});

test("sequences wrap to 0, within a batch too (KAFKA-7692)", () => {
  const state = new ProducerState();
  state.update(batchOf(maxSequence - 1, 4, 0)); // max-1, max, 0, 1
  assert.equal(
    outcome(() => state.check(batchOf(2, 1, 4))),
    "new",
  );
  assert.equal(
    outcome(() => state.check(batchOf(1, 1, 4))),
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
  );
  assert.deepEqual(reread(state).check(batchOf(maxSequence - 1, 4, 4)), {
    kind: "duplicate",
    baseOffset: 0,
    lastOffset: 3,
    timestamp: 1000,
  });
  const atEnd = new ProducerState();
  atEnd.update(batchOf(maxSequence, 1, 0));
  assert.equal(
    outcome(() => atEnd.check(batchOf(0, 1, 1))),
    "new",
  );
});

// The model is the log: every batch that was appended, in order, one producer.
const action = fc.oneof(
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("next" as const), count: fc.integer({ min: 1, max: 5 }) }) },
  { weight: 4, arbitrary: fc.record({ kind: fc.constant("again" as const), count: fc.nat(9) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("gap" as const), count: fc.integer({ min: 1, max: 1000 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("bump" as const), count: fc.integer({ min: 1, max: 3 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("restart" as const), count: fc.nat(100) }) },
);

test("nothing is appended twice or after a gap, across restarts and the wrap", () => {
  const seen = { duplicate: 0, old: 0, gap: 0, restart: 0, wrapped: 0 };
  fc.assert(
    fc.property(
      fc.array(action, { maxLength: 60, size: "max" }),
      fc.constantFrom(0, 1, maxSequence - 12, maxSequence),
      (actions, start) => {
        const log: AppendedProducerBatch[] = [];
        let state = new ProducerState();
        let epoch = 0;
        let sequence = start;
        let offset = 0;
        for (const { kind, count } of actions) {
          if (kind === "next" || kind === "bump") {
            if (kind === "bump") {
              epoch += 1;
              sequence = 0;
            }
            const batch = batchOf(sequence, count, offset, { producerEpoch: epoch });
            assert.equal(
              outcome(() => state.check(batch)),
              "new",
            );
            state.update(batch);
            log.push(batch);
            if (sequence + count > maxSequence) seen.wrapped += 1;
            sequence = (sequence + count) % 2 ** 31;
            offset += count;
          } else if (kind === "again") {
            const back = log.filter((batch) => batch.producerEpoch === epoch).reverse();
            const retried = back[count];
            if (retried === undefined) continue;
            const { producerId, producerEpoch, baseSequence, recordCount, baseOffset, lastOffset, timestamp } = retried;
            const retry = { producerId, producerEpoch, baseSequence, recordCount };
            if (count < batchesPerProducer) {
              assert.deepEqual(state.check(retry), { kind: "duplicate", baseOffset, lastOffset, timestamp });
              seen.duplicate += 1;
            } else {
              assert.equal(
                outcome(() => state.check(retry)),
                "DUPLICATE_SEQUENCE_NUMBER",
              );
              seen.old += 1;
            }
          } else if (kind === "gap") {
            if (log.length === 0) continue;
            const batch = batchOf((sequence + count) % 2 ** 31, 1, offset, { producerEpoch: epoch });
            assert.equal(
              outcome(() => state.check(batch)),
              "OUT_OF_ORDER_SEQUENCE_NUMBER",
            );
            seen.gap += 1;
          } else {
            // The newest snapshot and the log after it give what the whole log gives.
            const cut = log.length === 0 ? 0 : count % (log.length + 1);
            const atSnapshot = new ProducerState();
            for (const batch of log.slice(0, cut)) atSnapshot.update(batch);
            const recovered = reread(atSnapshot);
            assert.ok(recovered.equals(atSnapshot));
            for (const batch of log.slice(cut)) recovered.update(batch);
            assert.ok(recovered.equals(state));
            assert.deepEqual(recovered.serialize(crc32c), state.serialize(crc32c));
            state = recovered;
            seen.restart += 1;
          }
        }
      },
    ),
    { numRuns: 300 },
  );
  for (const [what, times] of Object.entries(seen)) assert.ok(times >= 20, `${what} was tried ${times} times`);
});

test("a snapshot is Kafka's version 1, with ours behind it", () => {
  const state = new ProducerState();
  state.update(batchOf(0, 2, 0x1_0000_0000, { producerId: 0x2_0000_0001, producerEpoch: 3, timestamp: -1 }));
  state.update(batchOf(2, 1, 0x1_0000_0002, { producerId: 0x2_0000_0001, producerEpoch: 3, timestamp: 5 }));
  const bytes = state.serialize(crc32c);
  const view = new DataView(bytes.buffer);
  assert.equal(view.getInt16(0), 1);
  assert.equal(view.getUint32(2), kernel.crc32c(bytes.slice(6)), "Kafka's checksum covers all that follows it");
  assert.equal(view.getInt32(6), 1);
  assert.equal(view.getBigInt64(10), 0x2_0000_0001n);
  assert.equal(view.getInt16(18), 3);
  assert.equal(view.getInt32(20), 2);
  assert.equal(view.getBigInt64(24), 0x1_0000_0002n);
  assert.equal(view.getInt32(32), 0);
  assert.equal(view.getBigInt64(36), 5n);
  assert.equal(view.getInt32(44), -1);
  assert.equal(view.getBigInt64(48), -1n);
  assert.equal(String.fromCharCode(...bytes.subarray(56, 60)), "MOLD");
  assert.equal(bytes.length, 56 + 6 + 5 + 24);
});

test("Kafka's own snapshot is read, with the one batch it remembers", () => {
  const bytes = new Uint8Array(10 + 46 * 2);
  const view = new DataView(bytes.buffer);
  view.setInt16(0, 1);
  view.setInt32(6, 2);
  const put = (at: number, id: bigint, epoch: number, sequence: number, offset: bigint, delta: number): void => {
    view.setBigInt64(at, id);
    view.setInt16(at + 8, epoch);
    view.setInt32(at + 10, sequence);
    view.setBigInt64(at + 14, offset);
    view.setInt32(at + 22, delta);
    view.setBigInt64(at + 26, 77n);
    view.setInt32(at + 34, -1);
    view.setBigInt64(at + 38, -1n);
  };
  put(10, 9n, 2, 11, 500n, 1);
  put(56, 10n, 0, -1, -1n, 0); // only ended a transaction
  view.setUint32(2, kernel.crc32c(bytes.slice(6)));
  const state = parseProducerSnapshot(bytes, crc32c);
  assert.ok(state !== null);
  assert.equal(state.size, 1);
  const batch = { producerId: 9, producerEpoch: 2, baseSequence: 10, recordCount: 2 };
  assert.deepEqual(state.check(batch), { kind: "duplicate", baseOffset: 499, lastOffset: 500, timestamp: 77 });
  assert.equal(
    outcome(() => state.check({ ...batch, baseSequence: 9, recordCount: 1 })),
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
  );
});

test("a broken snapshot is null: any flipped bit, any cut", () => {
  const state = new ProducerState();
  for (let index = 0; index < 3; index += 1) state.update(batchOf(index, 1, index));
  state.update(batchOf(0, 1, 3, { producerId: 8 }));
  const whole = state.serialize(crc32c);
  for (let at = 0; at < whole.length; at += 1) {
    const broken = whole.slice();
    broken[at] = broken[at]! ^ (1 << (at % 8));
    assert.equal(parseProducerSnapshot(broken, crc32c), null, `byte ${at}`);
    assert.equal(parseProducerSnapshot(whole.slice(0, at), crc32c), null, `cut at ${at}`);
  }
  // Well summed and yet wrong: a length that leaves the file.
  const lying = whole.slice();
  new DataView(lying.buffer).setInt32(6, 1000);
  new DataView(lying.buffer).setUint32(2, kernel.crc32c(lying.slice(6)));
  assert.equal(parseProducerSnapshot(lying, crc32c), null);
});

test("beyond the cap the longest silent producer is forgotten", () => {
  const state = new ProducerState();
  for (let id = 0; id < maxProducersPerPartition; id += 1) state.update(batchOf(0, 1, id, { producerId: id }));
  state.update(batchOf(1, 1, maxProducersPerPartition, { producerId: 0 }));
  state.update(batchOf(0, 1, maxProducersPerPartition + 1, { producerId: maxProducersPerPartition }));
  assert.equal(state.size, maxProducersPerPartition);
  assert.equal(
    outcome(() => state.check(batchOf(0, 1, 0, { producerId: 0 }))),
    "duplicate",
  );
  assert.equal(
    outcome(() => state.check(batchOf(0, 1, 0, { producerId: 1 }))),
    "new",
  );
  assert.equal(
    outcome(() => state.check(batchOf(0, 1, 0, { producerId: 2 }))),
    "duplicate",
  );
});

test("silent producers expire by the timestamp of their last batch", () => {
  const state = new ProducerState();
  state.update(batchOf(0, 1, 0, { producerId: 1, timestamp: 1000 }));
  state.update(batchOf(0, 1, 1, { producerId: 2, timestamp: 1001 }));
  assert.equal(state.expire(1999, 1000), 0);
  assert.equal(state.expire(2000, 1000), 1);
  assert.equal(
    outcome(() => state.check(batchOf(0, 1, 2, { producerId: 1 }))),
    "new",
  );
  assert.equal(
    outcome(() => state.check(batchOf(0, 1, 2, { producerId: 2 }))),
    "duplicate",
  );
  state.clear();
  assert.equal(state.size, 0);
});

test("a gap in the log is where the producer had been forgotten", () => {
  const replayed = new ProducerState();
  for (let index = 0; index < 3; index += 1) replayed.update(batchOf(index, 1, index));
  replayed.update(batchOf(50, 1, 3));
  const live = new ProducerState();
  live.update(batchOf(50, 1, 3));
  assert.ok(replayed.equals(live));
  assert.ok(!replayed.equals(new ProducerState()));
});
