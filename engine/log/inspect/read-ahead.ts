// Reads a file from front to back, the next piece while the last one is worked on.
//
// Owns: two buffers, and the step by which a batch that lies across two pieces becomes whole.
// Never: more memory than the bytes kept and two pieces; reads a byte twice.

import type { StorageFile } from "../../port/storage.ts";

const pieceBytes = 1024 * 1024;
/** In front of a piece: what is kept of the last one is put there. Longer remains take a buffer of their own. */
const frontBytes = 1024 * 1024;

interface Piece {
  readonly buffer: Uint8Array;
  readonly position: number;
  readonly length: Promise<number>;
}

export class ReadAhead {
  readonly #file: StorageFile;
  readonly #to: number;
  readonly #pieceBytes: number;
  readonly #frontBytes: number;
  #free: Uint8Array[] = [];
  #held: Uint8Array | null = null;
  #next: Piece | null = null;
  /** Where the next piece that is not asked for yet begins. */
  #position: number;

  /** `from` and `to` are positions in the file. */
  constructor(file: StorageFile, from: number, to: number) {
    this.#file = file;
    this.#to = to;
    this.#position = from;
    const span = Math.max(0, to - from);
    this.#pieceBytes = Math.min(pieceBytes, span);
    this.#frontBytes = span > pieceBytes ? frontBytes : 0;
  }

  /** `kept`, the end of what the last call gave, and the bytes behind it; just `kept` at the end. The view lives until the next call. */
  async read(kept: Uint8Array): Promise<Uint8Array> {
    const piece = this.#next ?? this.#ask();
    if (piece === null) return kept;
    this.#next = null;
    const length = await piece.length;
    if (length < piece.buffer.length - this.#frontBytes && piece.position + length < this.#to)
      this.#position = this.#to;
    const whole = this.#join(kept, piece.buffer, length);
    // What was kept of it has been copied.
    if (this.#held !== null) this.#free.push(this.#held);
    this.#held = piece.buffer;
    this.#next = this.#ask();
    return whole;
  }

  /** Waits for what was asked for, so that the file can be closed. */
  async settle(): Promise<void> {
    await this.#next?.length.catch(() => 0);
  }

  #ask(): Piece | null {
    const position = this.#position;
    const length = Math.min(this.#pieceBytes, this.#to - position);
    if (length <= 0) return null;
    const buffer = this.#free.pop() ?? new Uint8Array(this.#frontBytes + this.#pieceBytes);
    this.#position += length;
    const reading = this.#file.read(buffer.subarray(this.#frontBytes, this.#frontBytes + length), position);
    // It is awaited by the next call, or by nobody.
    reading.catch(() => {});
    return { buffer, position, length: reading };
  }

  #join(kept: Uint8Array, buffer: Uint8Array, length: number): Uint8Array {
    if (kept.length <= this.#frontBytes) {
      const start = this.#frontBytes - kept.length;
      buffer.set(kept, start);
      return buffer.subarray(start, this.#frontBytes + length);
    }
    const joined = new Uint8Array(kept.length + length);
    joined.set(kept);
    joined.set(buffer.subarray(this.#frontBytes, this.#frontBytes + length), kept.length);
    return joined;
  }
}
