// Whoever reads everything there is, and compares it with what was written.
//
// Owns: what must hold at every look: values, offsets, order, and look-ups by time.
//   Source: correctness.md A 9 (KIP-534, KAFKA-4529, KAFKA-6264, KAFKA-8335).
// Never: changes the log.

import { compactionKeepsOrder, latestOfAKeySurvives, tombstonesOutliveTheirTime } from "../checker/compaction.ts";
import { nothingPromisedIsLost, progress } from "../checker/durability.ts";
import { lookUpByTime } from "../checker/look-up.ts";
import { oneOffsetOneValue } from "../checker/offsets.ts";
import { valueName } from "../records.ts";
import { Broken } from "./broken.ts";
import type { Ledger, Written } from "./ledger.ts";
import { type Stage, topic } from "./stage.ts";
import type { Tombstones } from "./tombstones.ts";

export interface Seen extends Written {
  readonly offset: number;
}

const decoder = new TextDecoder();

export class Reader {
  readonly #stage: Stage;
  readonly #ledger: Ledger;
  readonly #tombstones: Tombstones;

  constructor(stage: Stage, ledger: Ledger, tombstones: Tombstones) {
    this.#stage = stage;
    this.#ledger = ledger;
    this.#tombstones = tombstones;
  }

  async readAll(from: number = this.#ledger.start): Promise<Seen[]> {
    const records: Seen[] = [];
    const { broker } = this.#stage;
    const { latest } = broker.offsets(topic, 0);
    for (let offset = from; offset < latest; ) {
      const at = offset;
      const fetched = await this.#stage.answer(() =>
        broker.fetchRecords(topic, 0, { offset: at, maxBytes: 1 + (at % 7) * 100 }),
      );
      for (const { offset: own, timestamp, key, value } of fetched.records) {
        records.push({
          ...{ offset: own, timestamp, key: key === null ? "none" : decoder.decode(key) },
          value: value === null ? null : valueName(value),
        });
      }
      if (fetched.nextOffset <= offset) throw new Broken(progress, `stuck at ${offset} of ${latest}`);
      offset = fetched.nextOffset;
    }
    return records;
  }

  /** Reads everything and compares. Under a pass a record may go between two reads, and none may come. */
  async look(isUnderPass = false): Promise<void> {
    const ledger = this.#ledger;
    const { earliest, latest } = this.#stage.broker.offsets(topic, 0);
    ledger.start = earliest;
    ledger.learnEnd(latest);
    if (latest !== ledger.end) {
      throw new Broken(nothingPromisedIsLost, `the log ends at ${latest}, not at ${ledger.end}`);
    }
    const records = await this.readAll();
    const present = this.#compare(records);
    this.#explain(present);
    // From the middle of nowhere the same comes.
    const from = ledger.start + Math.floor((latest - ledger.start) * 0.4);
    const rest = await this.readAll(from);
    const expected = records.filter(({ offset }) => offset >= from);
    const later = isUnderPass ? await this.readAll(from) : expected;
    if (!holds(expected, rest) || !holds(rest, later)) {
      throw new Broken(oneOffsetOneValue, `from ${from}: ${rest.length}, not ${expected.length} records`);
    }
    await this.#lookUp(records, isUnderPass);
    this.#stage.coverage.add("looks");
  }

  /** What is there is what was written, in its order, and was never gone. */
  #compare(records: readonly Seen[]): ReadonlySet<number> {
    const { written, gone } = this.#ledger;
    const present = new Set<number>();
    let last = -1;
    for (const record of records) {
      const { offset } = record;
      if (offset <= last) throw new Broken(compactionKeepsOrder, `${offset} behind ${last}`);
      last = offset;
      if (!isSame(written[offset], record)) {
        throw new Broken(
          compactionKeepsOrder,
          `offset ${offset} is ${JSON.stringify(record)}, written was ${JSON.stringify(written[offset])}`,
        );
      }
      if (gone.has(offset)) throw new Broken(compactionKeepsOrder, `offset ${offset} is back`);
      present.add(offset);
    }
    return present;
  }

  /** What is not there any more was replaced, or is a tombstone whose time is over. */
  #explain(present: ReadonlySet<number>): void {
    const { written, gone, start } = this.#ledger;
    const latest = new Map(written.map(({ key }, offset) => [key, offset]));
    for (let offset = start; offset < written.length; offset++) {
      const { key, value } = written[offset] as Written;
      const newest = latest.get(key) as number;
      if (present.has(offset)) {
        // An older value without the tombstone that ended it: a reader would take it for good.
        if (newest !== offset && !present.has(newest)) {
          throw new Broken(latestOfAKeySurvives, `${key}: offset ${offset} is there, and the later ${newest} is not`);
        }
        continue;
      }
      gone.add(offset);
      if (newest !== offset) continue;
      if (value !== null) throw new Broken(latestOfAKeySurvives, `${key} at ${offset} is gone`);
      const why = this.#tombstones.whyStill(offset);
      if (why !== null) throw new Broken(tombstonesOutliveTheirTime, `${key} at ${offset} ${why}`);
      this.#stage.coverage.add("tombstones gone");
    }
  }

  /** By time: the first record there is at or after it. */
  async #lookUp(records: readonly Seen[], isUnderPass: boolean): Promise<void> {
    const middle = records[records.length >> 1];
    if (middle === undefined) return;
    for (const timestamp of [middle.timestamp, middle.timestamp + 1]) {
      const found = await this.#stage.answer(() => this.#stage.broker.offsetForTimestamp(topic, 0, timestamp));
      const there = records.filter((record) => record.timestamp >= timestamp).map(({ offset }) => offset);
      const at = found.offset === null ? there.length : there.indexOf(found.offset);
      const passedOver = there.slice(0, Math.max(0, at));
      // What came before it may have gone meanwhile.
      const after = isUnderPass && passedOver.length > 0 ? await this.readAll() : records;
      if (at < 0 || after.some(({ offset }) => passedOver.includes(offset))) {
        const expected = there[0] ?? null;
        throw new Broken(lookUpByTime, `${timestamp}: ${found.offset}, not ${expected}`);
      }
    }
  }
}

function isSame(written: Written | undefined, { key, value, timestamp }: Seen): boolean {
  return written?.key === key && written.value === value && written.timestamp === timestamp;
}

/** Whether what was read later is what was read before, or a part of it in the same order. */
function holds(before: readonly Seen[], later: readonly Seen[]): boolean {
  const known = new Map(before.map((record) => [record.offset, JSON.stringify(record)]));
  return later.every((record, at) => {
    const isBehind = at === 0 || record.offset > (later[at - 1] as Seen).offset;
    return isBehind && known.get(record.offset) === JSON.stringify(record);
  });
}
