import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type EpochEntry, LeaderEpochs } from "./leader-epochs.ts";

const entry = (epoch: number, startOffset: number): EpochEntry => ({ epoch, startOffset });

test("a later entry that a new epoch contradicts goes (KAFKA-10706)", () => {
  const epochs = new LeaderEpochs([entry(1, 0), entry(2, 10), entry(3, 20)]);
  assert.equal(epochs.assign(4, 15), true);
  assert.deepEqual(epochs.entries, [entry(1, 0), entry(2, 10), entry(4, 15)]);
  assert.equal(epochs.assign(4, 15), false);
  assert.equal(epochs.assign(4, 18), false, "an epoch that goes on is no news");
  assert.equal(epochs.assign(4, 12), true, "an epoch that began earlier than known is");
  assert.deepEqual(epochs.latest, entry(4, 12));
});

test("an older epoch at a later offset wins over a younger one, as in Kafka", () => {
  const epochs = new LeaderEpochs([entry(1, 0), entry(3, 10)]);
  assert.equal(epochs.assign(2, 20), true);
  assert.deepEqual(epochs.entries, [entry(1, 0), entry(2, 20)]);
});

test("an epoch without records gives way to the next one at its offset", () => {
  const epochs = new LeaderEpochs([entry(0, 0)]);
  assert.equal(epochs.assign(1, 5), true);
  assert.equal(epochs.assign(2, 5), true);
  assert.deepEqual(epochs.entries, [entry(0, 0), entry(2, 5)]);
});

test("epoch 0 counts (KAFKA-10432), what has no epoch does not", () => {
  const epochs = new LeaderEpochs();
  assert.equal(epochs.latest, null);
  assert.equal(epochs.assign(-1, 0), false);
  assert.equal(epochs.assign(0, 0), true);
  assert.deepEqual(epochs.latest, entry(0, 0));
  assert.deepEqual(epochs.endOffsetFor(0, 7), { epoch: 0, endOffset: 7 });
});

test("where an epoch ended, as Kafka answers", () => {
  const epochs = new LeaderEpochs([entry(2, 10), entry(5, 20), entry(6, 30)]);
  assert.deepEqual(epochs.endOffsetFor(6, 44), { epoch: 6, endOffset: 44 });
  assert.deepEqual(epochs.endOffsetFor(5, 44), { epoch: 5, endOffset: 30 });
  assert.deepEqual(epochs.endOffsetFor(4, 44), { epoch: 2, endOffset: 20 });
  assert.deepEqual(epochs.endOffsetFor(1, 44), { epoch: 1, endOffset: 10 });
  assert.deepEqual(epochs.endOffsetFor(7, 44), { epoch: -1, endOffset: -1 });
  assert.deepEqual(epochs.endOffsetFor(-1, 44), { epoch: -1, endOffset: -1 });
});

// The model is the log itself: the epoch of every offset, -1 where it is not known any more.
interface Model {
  epochs: number[];
  logStartOffset: number;
  /** Assigned at the log's end, without a record yet. */
  assigned: number | null;
}

function expectedEntries({ epochs, logStartOffset, assigned }: Model): EpochEntry[] {
  const entries: EpochEntry[] = [];
  const see = (epoch: number, startOffset: number): void => {
    if (epoch === -1 || entries.at(-1)?.epoch === epoch) return;
    if (entries.at(-1)?.startOffset === startOffset) entries.pop();
    entries.push(entry(epoch, startOffset));
  };
  for (let offset = 0; offset < epochs.length; offset += 1) see(epochs[offset]!, Math.max(offset, logStartOffset));
  if (assigned !== null) see(assigned, epochs.length);
  return entries;
}

test("entries and answers follow from the log", () => {
  const command = fc.oneof(
    fc.record({ kind: fc.constant("lead" as const), by: fc.integer({ min: 1, max: 3 }) }),
    fc.record({ kind: fc.constant("append" as const), by: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ kind: fc.constant("truncateFromEnd" as const), by: fc.nat(6) }),
    fc.record({ kind: fc.constant("truncateFromStart" as const), by: fc.nat(6) }),
  );
  fc.assert(
    fc.property(fc.array(command, { maxLength: 40, size: "max" }), (commands) => {
      const model: Model = { epochs: [], logStartOffset: 0, assigned: null };
      const epochs = new LeaderEpochs();
      let current = -1;
      for (const { kind, by } of commands) {
        const before = [...epochs.entries];
        let changed: boolean | null = null;
        if (kind === "lead") {
          current += by;
          model.assigned = current;
          changed = epochs.assign(current, model.epochs.length);
        } else if (kind === "append") {
          if (model.assigned === null) continue;
          for (let count = 0; count < by; count += 1) {
            epochs.assign(model.assigned, model.epochs.length);
            model.epochs.push(model.assigned);
          }
        } else if (kind === "truncateFromEnd") {
          const end = Math.max(model.logStartOffset, model.epochs.length - by);
          model.epochs.length = end;
          model.assigned = null;
          if (end === model.logStartOffset) model.epochs.fill(-1);
          changed = epochs.truncateFromEnd(end);
        } else {
          model.logStartOffset = Math.min(model.epochs.length, model.logStartOffset + by);
          changed = epochs.truncateFromStart(model.logStartOffset);
        }
        const expected = expectedEntries(model);
        assert.deepEqual(epochs.entries, expected);
        if (changed !== null) assert.equal(changed, JSON.stringify(before) !== JSON.stringify(expected), kind);
        assert.deepEqual(new LeaderEpochs(epochs.entries).entries, epochs.entries);
        for (let offset = model.logStartOffset; offset < model.epochs.length; offset += 1) {
          if (expected.length > 0 && offset >= expected[0]!.startOffset)
            assert.equal(epochs.epochAt(offset), model.epochs[offset]);
        }
        if (expected.length > 0) assert.equal(epochs.epochAt(expected[0]!.startOffset - 1), -1);
        for (let epoch = 0; epoch <= current; epoch += 1) {
          const { endOffset } = epochs.endOffsetFor(epoch, model.epochs.length);
          if (expected.length === 0 || epoch > expected.at(-1)!.epoch) assert.equal(endOffset, -1);
          else {
            const next = model.epochs.findIndex((known, offset) => known > epoch && offset >= model.logStartOffset);
            const firstStart = epoch < expected[0]!.epoch ? expected[0]!.startOffset : null;
            assert.equal(endOffset, firstStart ?? (next === -1 ? model.epochs.length : next));
          }
        }
      }
    }),
  );
});
