// SipHash-2-4 with 128 bits of output: a hash under a secret of 16 bytes, which nobody can choose
// colliding keys for without knowing it. Source: Aumasson and Bernstein, "SipHash", 2012, and the
// authors' reference for the longer output.
//
// Owns: the hash, of 64-bit words in halves of 32. Never: what is hashed.

export class SipHash {
  readonly #secret: Int32Array;
  #low0 = 0;
  #high0 = 0;
  #low1 = 0;
  #high1 = 0;
  #low2 = 0;
  #high2 = 0;
  #low3 = 0;
  #high3 = 0;

  /** `secret` has 16 bytes. */
  constructor(secret: Uint8Array) {
    this.#secret = Int32Array.of(...[0, 4, 8, 12].map((at) => wordAt(secret, at)));
  }

  /** The hash of `bytes` from `start` to `end`, as four 32-bit words in the order of its bytes. */
  hash(bytes: Uint8Array, start: number, end: number, into: Int32Array): void {
    const [secret0, secret1, secret2, secret3] = this.#secret as unknown as [number, number, number, number];
    this.#low0 = 0x70736575 ^ secret0;
    this.#high0 = 0x736f6d65 ^ secret1;
    this.#low1 = 0x6e646f6d ^ secret2 ^ 0xee;
    this.#high1 = 0x646f7261 ^ secret3;
    this.#low2 = 0x6e657261 ^ secret0;
    this.#high2 = 0x6c796765 ^ secret1;
    this.#low3 = 0x79746573 ^ secret2;
    this.#high3 = 0x74656462 ^ secret3;
    const tail = end - ((end - start) & 7);
    for (let at = start; at < tail; at += 8) this.#absorb(wordAt(bytes, at), wordAt(bytes, at + 4));
    let low = 0;
    let high = (end - start) << 24;
    for (let at = tail; at < end; at++) {
      if (at - tail < 4) low |= bytes[at]! << ((at - tail) * 8);
      else high |= bytes[at]! << ((at - tail - 4) * 8);
    }
    this.#absorb(low, high);
    this.#low2 ^= 0xee;
    for (let round = 0; round < 4; round++) this.#round();
    into[0] = this.#low0 ^ this.#low1 ^ this.#low2 ^ this.#low3;
    into[1] = this.#high0 ^ this.#high1 ^ this.#high2 ^ this.#high3;
    this.#low1 ^= 0xdd;
    for (let round = 0; round < 4; round++) this.#round();
    into[2] = this.#low0 ^ this.#low1 ^ this.#low2 ^ this.#low3;
    into[3] = this.#high0 ^ this.#high1 ^ this.#high2 ^ this.#high3;
  }

  #absorb(low: number, high: number): void {
    this.#low3 ^= low;
    this.#high3 ^= high;
    this.#round();
    this.#round();
    this.#low0 ^= low;
    this.#high0 ^= high;
  }

  #round(): void {
    let low0 = (this.#low0 + this.#low1) | 0;
    let high0 = (this.#high0 + this.#high1 + carry(low0, this.#low1)) | 0;
    let low2 = (this.#low2 + this.#low3) | 0;
    let high2 = (this.#high2 + this.#high3 + carry(low2, this.#low3)) | 0;
    const low1 = ((this.#low1 << 13) | (this.#high1 >>> 19)) ^ low0;
    const high1 = ((this.#high1 << 13) | (this.#low1 >>> 19)) ^ high0;
    const low3 = ((this.#low3 << 16) | (this.#high3 >>> 16)) ^ low2;
    const high3 = ((this.#high3 << 16) | (this.#low3 >>> 16)) ^ high2;
    // Turned by 32 bits: the halves change places.
    [low0, high0] = [high0, low0];
    low2 = (low2 + low1) | 0;
    high2 = (high2 + high1 + carry(low2, low1)) | 0;
    low0 = (low0 + low3) | 0;
    high0 = (high0 + high3 + carry(low0, low3)) | 0;
    this.#low1 = ((low1 << 17) | (high1 >>> 15)) ^ low2;
    this.#high1 = ((high1 << 17) | (low1 >>> 15)) ^ high2;
    this.#low3 = ((low3 << 21) | (high3 >>> 11)) ^ low0;
    this.#high3 = ((high3 << 21) | (low3 >>> 11)) ^ high0;
    this.#low0 = low0;
    this.#high0 = high0;
    this.#low2 = high2;
    this.#high2 = low2;
  }
}

/** What a sum of 32-bit halves carries over: it is below each of them then. */
function carry(sum: number, addend: number): number {
  return sum >>> 0 < addend >>> 0 ? 1 : 0;
}

function wordAt(bytes: Uint8Array, at: number): number {
  return bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
}
