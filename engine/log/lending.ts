// Where the bytes of a read go: memory that is lent, and given back when they have been used.
//
// Owns: the contract between a reader and whoever has memory, and the lender that has no bounds.
// Never: the memory itself (broker/fetch-pool.ts).
//
// Invariants: a lending's bytes are nobody else's until it is released; releasing it again does
//   nothing.

export interface Lending {
  /** As many as were asked for, or as were kept; of any content. */
  readonly bytes: Uint8Array;
  /** Needs no more than the first `sizeBytes`: the rest is given back where that is worth while. */
  keep(sizeBytes: number): void;
  release(): void;
}

export interface Lender {
  /** A promise when there is no room yet; null when there is none and nothing may wait. */
  lend(sizeBytes: number): Lending | Promise<Lending> | null;
}

class OwnMemory implements Lending {
  bytes: Uint8Array;

  constructor(sizeBytes: number) {
    this.bytes = new Uint8Array(sizeBytes);
  }

  keep(sizeBytes: number): void {
    this.bytes = this.bytes.subarray(0, sizeBytes);
  }

  release(): void {}
}

/** Memory for keeps: what it lends is the reader's own. */
export const ownMemory: Lender = { lend: (sizeBytes) => new OwnMemory(sizeBytes) };
