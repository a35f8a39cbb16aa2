// Where a decompressor writes: grows as bytes really come, and never past its limit.
//
// Owns: the limit. A size that hostile input claims is never allocated on its word.
// Never: knows a format.

const firstBytes = 64 * 1024;

export class GrowingOutput {
  bytes: Uint8Array;
  length: number;
  readonly maxBytes: number;

  /** `expectedBytes` is a hint from our side, e.g. a multiple of the input. */
  constructor(maxBytes: number, expectedBytes: number = firstBytes) {
    this.maxBytes = maxBytes;
    this.bytes = new Uint8Array(Math.min(maxBytes, Math.max(firstBytes, expectedBytes)));
    this.length = 0;
  }

  /** Makes room for `count` more. */
  reserve(count: number): void {
    const needed = this.length + count;
    if (needed > this.maxBytes) throw new Error(`decompressed data is larger than ${this.maxBytes} bytes`);
    if (needed <= this.bytes.length) return;
    const larger = new Uint8Array(Math.min(this.maxBytes, Math.max(needed, this.bytes.length * 2)));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
  }

  append(chunk: Uint8Array): void {
    this.reserve(chunk.length);
    this.bytes.set(chunk, this.length);
    this.length += chunk.length;
  }

  /** Copies `count` bytes that begin `distance` back; they may overlap what they write. */
  repeat(distance: number, count: number): void {
    this.reserve(count);
    const { bytes } = this;
    const from = this.length - distance;
    if (distance >= count) bytes.copyWithin(this.length, from, from + count);
    else if (distance === 1) bytes.fill(bytes[from] as number, this.length, this.length + count);
    else for (let i = 0; i < count; i++) bytes[this.length + i] = bytes[from + i] as number;
    this.length += count;
  }

  finish(): Uint8Array {
    return this.bytes.subarray(0, this.length);
  }
}
