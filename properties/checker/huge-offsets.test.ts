// A verdict does not depend on where a log's offsets begin.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { History, HistoryEvent } from "../history.ts";
import { draw } from "../random.ts";
import { Slots } from "../slots.ts";
import { corruptions } from "./corrupt.test-support.ts";
import { invariants, judge, type Verdict } from "./index.ts";
import { trueHistory } from "./true-history.ts";

const shifts = [2 ** 40, 2 ** 52] as const;
/** What a verdict is held against: as high as an array bears. */
const low = 1000;

/** Every offset of an event that much higher. What is none (-1, null) stays. */
function shiftedEvent(event: HistoryEvent, by: number): HistoryEvent {
  const shift = (value: unknown): unknown => (typeof value === "number" && value >= 0 ? value + by : value);
  const changed: Record<string, unknown> = { ...event };
  const names =
    "from nextOffset logStartOffset highWatermark lastStableOffset logEndOffset expectedEndOffset before below";
  for (const name of [...names.split(" "), "offset"]) if (name in event) changed[name] = shift(changed[name]);
  if (event.kind === "produce" && event.offsets !== undefined) changed["offsets"] = event.offsets.map(shift);
  if (event.kind === "read")
    changed["records"] = event.records.map((record) => ({ ...record, offset: record.offset + by }));
  return changed as unknown as HistoryEvent;
}

/** A log that begins there has had what lay before deleted. */
function shifted(history: History, by: number): History {
  const logs = [...new Set(history.flatMap((event) => ("log" in event && event.log !== undefined ? [event.log] : [])))];
  const deleted = logs.map(
    (log): HistoryEvent => ({
      ...{ kind: "delete records", log, before: by, outcome: "ok", logStartOffset: by },
      ...{ atMs: 0, incarnation: 1, invokedAt: 0 },
    }),
  );
  const events = history.map((event) => shiftedEvent({ ...event, invokedAt: event.invokedAt + logs.length }, by));
  return [...deleted, ...events];
}

/** What of a verdict has no offset in it. */
function gist({ holds, violations, checked, notApplicable }: Verdict): unknown {
  const found = violations.map(({ invariant, log, events }) => ({ invariant, log, events }));
  return { holds, found, checked, notApplicable };
}

for (const by of shifts)
  test(`a true history, ${Math.log2(by)} bits higher, has the same verdict`, () => {
    for (const seed of [1, 2, 3]) {
      const history = trueHistory({ seed, operations: 1500, crashEvery: 150 });
      const verdict = judge(shifted(history, by));
      assert.deepEqual(verdict.violations, []);
      assert.deepEqual(gist(verdict), gist(judge(shifted(history, low))));
    }
  });

for (const by of shifts)
  test(`what is corrupted is found ${Math.log2(by)} bits higher, in the same events`, () => {
    let found = 0;
    for (const seed of [1, 2, 3]) {
      const history = trueHistory({ seed, operations: 900, crashEvery: 150 });
      for (const { what, breaks, corrupt } of corruptions) {
        const corrupted = corrupt(history, draw(seed, what));
        if (corrupted === null) continue;
        const wanted = invariants.filter(({ name }) => breaks.test(name));
        const verdict = judge(shifted(corrupted, by), wanted);
        assert.equal(verdict.holds, false, what);
        assert.deepEqual(gist(verdict), gist(judge(shifted(corrupted, low), wanted)), what);
        found += 1;
      }
    }
    assert.ok(found > 2 * corruptions.length, `${found} corruptions`);
  });

test("slots of offsets side by side lie side by side, and each offset has its own", () => {
  const slots = new Slots();
  for (let offset = 0; offset < 100; offset++) assert.equal(slots.of(offset), offset);
  const high = new Slots();
  for (let offset = 0; offset < 100; offset++) assert.equal(high.of(2 ** 52 + offset), offset);
  const far = [2 ** 40, 2 ** 40 + 15, 2 ** 40 + 16, 2 ** 52 + 3, 5000, 17];
  const given = far.map((offset) => slots.of(offset));
  assert.equal(new Set(given).size, far.length);
  assert.deepEqual(
    far.map((offset) => slots.find(offset)),
    given,
  );
  assert.equal(slots.find(2 ** 45), -1);
  const holds = (slot: number): boolean => given.includes(slot);
  assert.equal(slots.first(18, 2 ** 53, holds), 5000);
  assert.equal(slots.first(5001, 2 ** 53, holds), 2 ** 40);
  assert.equal(slots.first(2 ** 40 + 1, 2 ** 40 + 17, holds), 2 ** 40 + 15);
  assert.equal(slots.first(2 ** 40 + 17, 2 ** 52 + 3, holds), null);
  assert.equal(slots.first(2 ** 40 + 17, 2 ** 52 + 4, holds), 2 ** 52 + 3);
});

test("the first offset that holds is found near and far, in logs with gaps and without", () => {
  const random = draw(5, "slots");
  for (const widest of [1, 20, 3000, 100_000]) {
    const slots = new Slots();
    const offsets: number[] = [];
    for (let offset = random.below(widest), left = 300; left > 0; left--, offset += 1 + random.below(widest))
      offsets.push(offset);
    const slotOf = new Map(offsets.map((offset) => [offset, slots.of(offset)]));
    const last = offsets.at(-1) as number;
    for (let tried = 0; tried < 300; tried++) {
      const from = random.below(last + 2);
      const end = from + random.below(last + 2);
      const rarely = random.chance(0.5);
      const wanted = offsets.filter((offset) => offset >= from && (!rarely || offset % 97 === 0));
      const held = new Set(wanted.map((offset) => slotOf.get(offset)));
      const [first] = wanted.filter((offset) => offset < end);
      assert.equal(
        slots.first(from, end, (slot) => held.has(slot)),
        first ?? null,
        `${from} to ${end} of ${widest}`,
      );
    }
  }
});

test("none is passed over where the look near by ends", () => {
  for (let far = 16_000; far < 17_000; far++) {
    const slots = new Slots();
    for (const offset of [0, far, 2 ** 40]) slots.of(offset);
    const wanted = slots.find(far);
    assert.equal(
      slots.first(1, 2 ** 41, (slot) => slot >= wanted),
      far,
    );
  }
});

test("offsets far apart take a few slots each, so that columns stay columns", () => {
  const slots = new Slots();
  let highest = 0;
  for (let at = 0; at < 10_000; at++) highest = Math.max(highest, slots.of(at * 2 ** 36 + (at % 7)));
  assert.ok(highest < 4 * 10_000, `${highest}`);
});
