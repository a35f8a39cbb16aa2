// What was written to the partition, at which offset, and what each producer sent last.
//
// Owns: the model that readers are held against. Never: asks a broker, or knows of compaction (tombstones.ts).

export interface Written {
  readonly key: string;
  /** null is a tombstone. */
  readonly value: string | null;
  readonly timestamp: number;
}

export interface Producer {
  readonly id: number;
  nextSequence: number;
  last: { readonly bytes: Uint8Array; readonly baseOffset: number; readonly lastOffset: number } | null;
}

interface Sent {
  readonly records: readonly Written[];
  readonly producer: Producer | null;
  readonly bytes: Uint8Array;
}

export const sequences: number = 2 ** 31;

export class Ledger {
  /** By offset. */
  readonly written: Written[] = [];
  readonly producers: Producer[] = [];
  /** Offsets that compaction was seen to have taken. */
  readonly gone: Set<number> = new Set();
  /** The log start offset. */
  start = 0;
  /** Sent, and nobody was told what became of it. */
  #unknown: Sent | null = null;

  get end(): number {
    return this.written.length;
  }

  send(sent: Sent): void {
    this.#unknown = sent;
  }

  refused(): void {
    this.#unknown = null;
  }

  /** What was sent last has been stored. */
  adopt(lastOffset: number): void {
    const unknown = this.#unknown;
    if (unknown === null) return;
    this.#unknown = null;
    const baseOffset = this.end;
    this.written.push(...unknown.records);
    const { producer, bytes } = unknown;
    if (producer === null) return;
    producer.last = { bytes, baseOffset, lastOffset };
    producer.nextSequence = (producer.nextSequence + unknown.records.length) % sequences;
  }

  /** Where the log ends tells what became of what was sent last. */
  learnEnd(end: number): void {
    const unknown = this.#unknown;
    if (unknown === null) return;
    if (end === this.end + unknown.records.length) this.adopt(end - 1);
    else this.#unknown = null;
  }
}
