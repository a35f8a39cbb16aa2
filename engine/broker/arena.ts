// Which parts of one piece of memory are free.
//
// Owns: the holes between what is taken, by position: the lowest that fits is taken first, so that
//   memory high up stays untouched until it is needed.
// Never: the memory, or who waits for some (fetch-pool.ts).
//
// Invariants: holes rise, do not touch each other, and cover exactly what is not taken; every
//   border lies on a multiple of `alignmentBytes`.

export const alignmentBytes: number = 64;

/** The room that a piece of `sizeBytes` takes. Bytes. */
export function roomFor(sizeBytes: number): number {
  return Math.ceil(sizeBytes / alignmentBytes) * alignmentBytes;
}

export class Arena {
  readonly totalBytes: number;
  readonly #starts: number[];
  readonly #ends: number[];
  #freeBytes: number;

  /** Of `totalBytes`, rounded down to the alignment. */
  constructor(totalBytes: number) {
    this.totalBytes = Math.floor(totalBytes / alignmentBytes) * alignmentBytes;
    this.#starts = [0];
    this.#ends = [this.totalBytes];
    this.#freeBytes = this.totalBytes;
  }

  get usedBytes(): number {
    return this.totalBytes - this.#freeBytes;
  }

  /** Takes `roomBytes` in one piece: its position, or -1 when no hole is large enough. */
  take(roomBytes: number): number {
    const starts = this.#starts;
    const ends = this.#ends;
    for (let hole = 0; hole < starts.length; hole += 1) {
      const start = starts[hole] as number;
      const end = ends[hole] as number;
      if (end - start < roomBytes) continue;
      if (end - start === roomBytes) {
        starts.splice(hole, 1);
        ends.splice(hole, 1);
      } else starts[hole] = start + roomBytes;
      this.#freeBytes -= roomBytes;
      return start;
    }
    return -1;
  }

  /** Gives back what was taken, or its end. */
  give(start: number, roomBytes: number): void {
    if (roomBytes === 0) return;
    const starts = this.#starts;
    const ends = this.#ends;
    const end = start + roomBytes;
    let after = 0;
    for (let high = starts.length; after < high; ) {
      const middle = (after + high) >>> 1;
      if ((starts[middle] as number) < start) after = middle + 1;
      else high = middle;
    }
    const joinsBefore = after > 0 && ends[after - 1] === start;
    const joinsAfter = starts[after] === end;
    if (joinsBefore && joinsAfter) {
      ends[after - 1] = ends[after] as number;
      starts.splice(after, 1);
      ends.splice(after, 1);
    } else if (joinsBefore) ends[after - 1] = end;
    else if (joinsAfter) starts[after] = start;
    else {
      starts.splice(after, 0, start);
      ends.splice(after, 0, end);
    }
    this.#freeBytes += roomBytes;
  }
}
