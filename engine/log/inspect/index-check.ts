// Checks an index against the batches that go by: each entry on its own, so that a bad one does not
// make those behind it look bad.
//
// Owns: the merge of an index's entries with a walk over the batches, both sorted by position
//   (.index) or by offset (.timeindex), called the place of an entry here.
// Never: reads the .log; holds more entries than lie in one piece of it; goes on for longer than a
//   page of entries without a turn for whoever waits (a signal may end the walk there).

import { FaultRuns } from "./fault-runs.ts";
import type { Findings, Severity } from "./finding.ts";
import type { IndexEntries, IndexEntry } from "./index-entries.ts";

/** Entries that wait for their batch; an index of garbage may claim any number for one piece. */
const maxWaiting = 65_536;

export interface IndexCheckOptions {
  readonly entries: IndexEntries;
  readonly severity: Severity;
  readonly findings: Findings;
  /** An entry's place is its value and this: 0 for an .index, the base offset for a .timeindex. */
  readonly placeBase: number;
  /** An entry that leads to no batch. */
  missed(entry: IndexEntry): string;
}

type Fault = "index-order" | "index-entry" | "index-range" | "timeindex-time";

export class IndexCheck {
  readonly #options: IndexCheckOptions;
  readonly #runs: FaultRuns;
  /** Read, not judged yet, in rising order of their places; those before `#first` have been. */
  #waiting: IndexEntry[] = [];
  #first = 0;
  /** The number of the entry to be read next. */
  #next = 0;
  #lastPlace = -1;
  /** Places below which an entry is accepted unseen: a bad batch lies there. */
  #blindBelow = -1;
  /** Entries that don't rise, or lead to no batch. */
  faults = 0;
  /** The last entry that was taken for good. */
  last: IndexEntry | null = null;

  constructor(options: IndexCheckOptions) {
    this.#options = options;
    const { entries, findings, severity } = options;
    const { entrySizeBytes, file } = entries;
    this.#runs = new FaultRuns({ findings, severity, file: file.path, entrySizeBytes });
  }

  /** Reads on until an entry lies at or beyond `place`, before the batches up to there go by. Yields between two pages. */
  async *fill(place: number): AsyncGenerator<void, void> {
    const { entries } = this.#options;
    this.#waiting.splice(0, this.#first);
    this.#first = 0;
    while (this.#lastPlace < place && this.#waiting.length < maxWaiting && this.#next < entries.count) {
      if (this.#isJudgeable(this.#next)) {
        this.#readOne();
        continue;
      }
      await entries.load(this.#next);
      yield;
    }
  }

  /** By an entry and the two behind it, as far as there are any: they have to be in memory. */
  #isJudgeable(entry: number): boolean {
    const { loadedTo, count } = this.#options.entries;
    return entry + 2 < loadedTo || (loadedTo === count && entry < count);
  }

  /**
   * Takes the next entry in when its place rises, else says it. One that leaps past the two behind
   * it, which rise, is the wrong one; they are not.
   */
  #readOne(): void {
    const { entries } = this.#options;
    const entry = this.#next;
    this.#next += 1;
    const place = this.#placeAt(entry);
    if (place > this.#lastPlace && !this.#isOutlier(entry, place)) {
      const position = entry * entries.entrySizeBytes;
      this.#waiting.push({ key: entries.keyAt(entry), value: entries.valueAt(entry), position });
      this.#lastPlace = place;
      return;
    }
    this.#say("index-order", entry * entries.entrySizeBytes, () => {
      return `its entry leads to ${place}, which does not rise from entry to entry`;
    });
  }

  #placeAt(entry: number): number {
    return this.#options.entries.valueAt(entry) + this.#options.placeBase;
  }

  #isOutlier(entry: number, place: number): boolean {
    if (entry + 2 >= this.#options.entries.count) return false;
    const next = this.#placeAt(entry + 1);
    const afterNext = this.#placeAt(entry + 2);
    return next > this.#lastPlace && afterNext > next && afterNext <= place;
  }

  /** The entry that lies at `place`, if there is one; those before it have missed their batch. */
  at(place: number): IndexEntry | null {
    this.#missBelow(place);
    const first = this.#waiting[this.#first];
    if (first === undefined || first.value + this.#options.placeBase !== place) return null;
    this.#first += 1;
    this.last = first;
    return first;
  }

  #missBelow(place: number): void {
    for (; this.#first < this.#waiting.length; this.#first += 1) {
      const first = this.#waiting[this.#first] as IndexEntry;
      const firstPlace = first.value + this.#options.placeBase;
      if (firstPlace >= place) return;
      if (firstPlace >= this.#blindBelow) this.#miss(first, "index-entry");
    }
  }

  /** A bad batch lies up to `place`: nobody knows whether entries that lead below are right. */
  blind(place: number): void {
    this.#blindBelow = place;
  }

  /** An entry that leads to a batch and says something else of it. */
  wrong(kind: "index-entry" | "timeindex-time", entry: IndexEntry, describe: () => string): void {
    this.#runs.add(kind, entry.position, describe);
  }

  /** The batches are over, at `place`: what is left leads nowhere. Yields between two pages. */
  async *finish(place: number): AsyncGenerator<void, void> {
    const { entries, findings, severity } = this.#options;
    do {
      yield* this.fill(Number.POSITIVE_INFINITY);
      this.#missBelow(place);
      for (; this.#first < this.#waiting.length; this.#first += 1) {
        this.#miss(this.#waiting[this.#first] as IndexEntry, "index-range");
      }
    } while (this.#next < entries.count);
    this.flush();
    const { trailingBytes, file } = entries;
    if (trailingBytes === 0) return;
    findings.add(severity, "index-size", file.path, `${trailingBytes} bytes behind the last whole entry`, {
      position: file.sizeBytes - trailingBytes,
    });
  }

  /** Says what was found so far; `finish` does it at the end. */
  flush(): void {
    this.#runs.flush();
  }

  #miss(entry: IndexEntry, kind: "index-entry" | "index-range"): void {
    this.#say(kind, entry.position, () => this.#options.missed(entry));
  }

  #say(kind: Fault, position: number, describe: () => string): void {
    this.faults += 1;
    this.#runs.add(kind, position, describe);
  }
}
