// Which leader wrote which part of a partition: the first offset of every leader epoch.
//
// Owns: the entries and the answer to "where did this epoch end?" (KIP-101, KIP-279).
// Never: files (checkpoint-file.ts gives the bytes, log.ts writes and syncs them), or batches.
//
// Invariant: epochs and start offsets both rise strictly from entry to entry.

export interface EpochEntry {
  readonly epoch: number;
  readonly startOffset: number;
}

export interface EpochEnd {
  /** The greatest epoch at or below the one asked for; -1 when unknown. */
  readonly epoch: number;
  /** One past its last offset; -1 when unknown. */
  readonly endOffset: number;
}

const unknownEnd: EpochEnd = { epoch: -1, endOffset: -1 };

export class LeaderEpochs {
  #entries: EpochEntry[] = [];

  /** Entries that contradict the invariant are settled as `assign` would, the later one winning. */
  constructor(entries: readonly EpochEntry[] = []) {
    for (const entry of entries) this.assign(entry.epoch, entry.startOffset);
  }

  get entries(): readonly EpochEntry[] {
    return this.#entries;
  }

  get latest(): EpochEntry | null {
    return this.#entries.at(-1) ?? null;
  }

  /**
   * Says that `epoch` begins at `startOffset`; true when that was news. What contradicts it goes:
   * an entry that began at or after this offset never wrote a record that is still there, and
   * keeping it would end the older epoch in the wrong place (KAFKA-10706).
   */
  assign(epoch: number, startOffset: number): boolean {
    if (epoch < 0 || startOffset < 0) return false;
    const latest = this.latest;
    if (latest !== null && epoch === latest.epoch && startOffset >= latest.startOffset) return false;
    let keep = this.#entries.length;
    while (keep > 0) {
      const entry = this.#entries[keep - 1]!;
      if (entry.epoch < epoch && entry.startOffset < startOffset) break;
      keep -= 1;
    }
    this.#entries.length = keep;
    this.#entries.push({ epoch, startOffset });
    return true;
  }

  /** Of the record at `offset`, or of the next one; -1 when it lies before all that is known. */
  epochAt(offset: number): number {
    return this.#entries.findLast(({ startOffset }) => startOffset <= offset)?.epoch ?? -1;
  }

  /** Where the greatest epoch at or below `epoch` ended; the latest one ends where the log does. */
  endOffsetFor(epoch: number, logEndOffset: number): EpochEnd {
    const latest = this.latest;
    if (epoch < 0 || latest === null || epoch > latest.epoch) return unknownEnd;
    if (epoch === latest.epoch) return { epoch, endOffset: logEndOffset };
    // Not found is impossible: the latest epoch is greater than the one asked for.
    const next = this.#entries.findIndex((entry) => entry.epoch > epoch);
    const endOffset = this.#entries[next]!.startOffset;
    // Before the first known epoch nothing is known but that it ended no later than that one began.
    return next === 0 ? { epoch, endOffset } : { epoch: this.#entries[next - 1]!.epoch, endOffset };
  }

  /** The log now ends at `endOffset`: epochs that began there or later have no records. True when one went. */
  truncateFromEnd(endOffset: number): boolean {
    let keep = this.#entries.length;
    while (keep > 0 && this.#entries[keep - 1]!.startOffset >= endOffset) keep -= 1;
    const changed = keep < this.#entries.length;
    this.#entries.length = keep;
    return changed;
  }

  /** The log now starts at `startOffset`: of the epochs that began before it, the last one is what is left. True when something changed. */
  truncateFromStart(startOffset: number): boolean {
    const firstAfter = this.#entries.findIndex((entry) => entry.startOffset > startOffset);
    const before = firstAfter === -1 ? this.#entries.length : firstAfter;
    const current = this.#entries[before - 1];
    if (current === undefined || (before === 1 && current.startOffset === startOffset)) return false;
    this.#entries.splice(0, before, { epoch: current.epoch, startOffset });
    return true;
  }
}
