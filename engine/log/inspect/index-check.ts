// Checks an index against the batches that go by: each entry on its own, so that one bad entry is
// one finding, at its own place.
//
// Owns: the merge of an index's entries with a walk over the batches, both sorted by position
//   (.index) or by offset (.timeindex), called the place of an entry here.
// Never: reads the .log; holds more entries than lie in one piece of it.

import type { Findings, Severity } from "./finding.ts";
import type { IndexEntries, IndexEntry } from "./index-entries.ts";

/** Entries that wait for their batch; an index of garbage may claim any number for one piece. */
const maxWaiting = 65_536;

export interface IndexCheckOptions {
  readonly entries: IndexEntries;
  readonly severity: Severity;
  readonly findings: Findings;
  /** By what the entries are merged: the value of an .index is a position, of a .timeindex an offset. */
  placeOf(entry: IndexEntry): number;
  /** An entry that leads to no batch. */
  missed(entry: IndexEntry): string;
}

export class IndexCheck {
  readonly #options: IndexCheckOptions;
  /** Read, not judged yet, in rising order of their places. */
  #waiting: IndexEntry[] = [];
  #ahead: IndexEntry[] = [];
  #lastPlace = -1;
  /** Places below which an entry is accepted unseen: a bad batch lies there. */
  #blindBelow = -1;
  /** Entries that were said to be wrong here. */
  faults = 0;
  /** The last entry that was taken for good. */
  last: IndexEntry | null = null;

  constructor(options: IndexCheckOptions) {
    this.#options = options;
  }

  /** Reads on until an entry lies at or beyond `place`: call it before the batches up to there go by. */
  async fill(place: number): Promise<void> {
    while (this.#lastPlace < place && this.#waiting.length < maxWaiting) {
      const entry = await this.#nextRising();
      if (entry === null) return;
      this.#waiting.push(entry);
      this.#lastPlace = this.#options.placeOf(entry);
    }
  }

  /** The entry that lies at `place`, if there is one; those before it have missed their batch. */
  at(place: number): IndexEntry | null {
    this.#missBelow(place);
    const first = this.#waiting[0];
    if (first === undefined || this.#options.placeOf(first) !== place) return null;
    this.#waiting.shift();
    this.last = first;
    return first;
  }

  #missBelow(place: number): void {
    for (let first = this.#waiting[0]; first !== undefined; first = this.#waiting[0]) {
      const firstPlace = this.#options.placeOf(first);
      if (firstPlace >= place) return;
      this.#waiting.shift();
      if (firstPlace >= this.#blindBelow) this.#say(first, "index-entry", this.#options.missed(first));
    }
  }

  /** A bad batch lies up to `place`: nobody knows whether entries that lead below are right. */
  blind(place: number): void {
    this.#blindBelow = place;
  }

  /** The batches are over, at `place`: what is left leads nowhere. */
  async finish(place: number): Promise<void> {
    await this.fill(place);
    this.#missBelow(place);
    for (;;) {
      for (const entry of this.#waiting) this.#say(entry, "index-range", this.#options.missed(entry));
      this.#waiting = [];
      const entry = await this.#nextRising();
      if (entry === null) break;
      this.#waiting = [entry];
    }
    const { entries, findings, severity } = this.#options;
    const { trailingBytes, file } = entries;
    if (trailingBytes === 0) return;
    findings.add(severity, "index-size", file.path, `${trailingBytes} bytes behind the last whole entry`, {
      position: file.sizeBytes - trailingBytes,
    });
  }

  /**
   * The next entry whose place rises; those that don't are said. One that leaps past the two behind
   * it, which rise, is the wrong one; they are not.
   */
  async #nextRising(): Promise<IndexEntry | null> {
    const { placeOf } = this.#options;
    for (;;) {
      while (this.#ahead.length < 3) {
        const read = await this.#options.entries.next();
        if (read === null) break;
        this.#ahead.push(read);
      }
      const entry = this.#ahead.shift();
      if (entry === undefined) return null;
      const [next, afterNext] = this.#ahead;
      const place = placeOf(entry);
      const isOutlier =
        next !== undefined &&
        afterNext !== undefined &&
        placeOf(next) > this.#lastPlace &&
        placeOf(afterNext) > placeOf(next) &&
        placeOf(afterNext) <= place;
      if (place > this.#lastPlace && !isOutlier) return entry;
      this.#say(entry, "index-order", `its entry leads to ${place}, which does not rise from entry to entry`);
    }
  }

  #say(entry: IndexEntry, kind: "index-order" | "index-entry" | "index-range", message: string): void {
    const { findings, severity, entries } = this.#options;
    this.faults += 1;
    findings.add(severity, kind, entries.file.path, message, { position: entry.position });
  }
}
