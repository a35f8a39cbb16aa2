import assert from "node:assert/strict";
import test from "node:test";
import { ProducerState } from "../producer-state.ts";
import { BatchHeader } from "../record-batch.ts";
import { type Finding, Findings } from "./finding.ts";
import { ProducerCheck } from "./producer-check.ts";
import { encoded, startMs } from "./written.test.support.ts";

interface Written {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly baseSequence: number;
  readonly baseOffset: number;
}

/** Two records each; producer 7 three times, producer 8 once. */
const log: readonly Written[] = [
  { producerId: 7, producerEpoch: 0, baseSequence: 0, baseOffset: 0 },
  { producerId: 8, producerEpoch: 3, baseSequence: 0, baseOffset: 2 },
  { producerId: 7, producerEpoch: 0, baseSequence: 2, baseOffset: 4 },
  { producerId: 7, producerEpoch: 0, baseSequence: 4, baseOffset: 6 },
];

/** What a snapshot says after these batches. */
function stateOf(batches: readonly Written[]): ProducerState {
  const state = new ProducerState();
  for (const batch of batches) {
    state.update({ ...batch, recordCount: 2, lastOffset: batch.baseOffset + 1, timestamp: startMs });
  }
  return state;
}

function check(state: ProducerState, offset: number, batches: readonly Written[] = log, doubt = false): Finding[] {
  const findings = new Findings();
  const checked = new ProducerCheck(findings);
  checked.expect([{ path: "snapshot", offset, state }]);
  for (const { baseOffset, ...producer } of batches) {
    if (doubt) checked.doubt();
    checked.batch(new BatchHeader(encoded({ records: 2, timestamp: startMs, producer }, baseOffset)));
  }
  checked.reach(8);
  return findings.take();
}

test("a snapshot that says what the log says, of any offset, is right", () => {
  for (const count of [1, 2, 3, 4]) assert.deepEqual(check(stateOf(log.slice(0, count)), count * 2), [], `${count}`);
});

test("a producer that expired is missing from a snapshot, and that is right", () => {
  assert.deepEqual(check(stateOf(log.filter(({ producerId }) => producerId === 7)), 8), []);
});

for (const [what, change] of [
  ["offset", { baseOffset: 5 }],
  ["sequence", { baseSequence: 3 }],
  ["epoch", { producerEpoch: 1 }],
  ["producer", { producerId: 9 }],
] as const) {
  test(`a snapshot whose ${what} alone is not that of the log is stale`, () => {
    const said = log.slice(0, 3).map((batch, at) => (at === 2 ? { ...batch, ...change } : batch));
    const found = check(stateOf(said), 6);
    assert.deepEqual(
      found.map(({ severity, kind, file, offset }) => [severity, kind, file, offset]),
      [["warning", "snapshot-stale", "snapshot", 6]],
    );
  });
}

test("nothing is said of batches before the log's first one, or behind a bad one", () => {
  const before = stateOf([{ producerId: 9, producerEpoch: 0, baseSequence: 0, baseOffset: 0 }]);
  assert.deepEqual(check(before, 6, log.slice(2)), []);
  assert.equal(check(before, 6, log).length, 1);
  assert.deepEqual(check(before, 6, log, true), []);
});
