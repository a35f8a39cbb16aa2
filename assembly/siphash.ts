// SipHash-2-4 with 128 bits of output: a hash under a secret of 16 bytes, which nobody can choose
// colliding keys for without knowing it. Source: Aumasson and Bernstein, "SipHash", 2012, and the
// authors' reference for the longer output.

import { results } from "./memory";

let secretLow: u64 = 0;
let secretHigh: u64 = 0;

/** What sipHash found. */
export let hashLow: u64 = 0;
export let hashHigh: u64 = 0;

let v0: u64 = 0;
let v1: u64 = 0;
let v2: u64 = 0;
let v3: u64 = 0;

/** Sixteen bytes lie at `position`. */
export function setSecret(position: usize): void {
  secretLow = load<u64>(position);
  secretHigh = load<u64>(position, 8);
}

// @ts-ignore: decorator
@inline
function round(): void {
  v0 += v1;
  v2 += v3;
  v1 = rotl<u64>(v1, 13) ^ v0;
  v3 = rotl<u64>(v3, 16) ^ v2;
  v0 = rotl<u64>(v0, 32);
  v2 += v1;
  v0 += v3;
  v1 = rotl<u64>(v1, 17) ^ v2;
  v3 = rotl<u64>(v3, 21) ^ v0;
  v2 = rotl<u64>(v2, 32);
}

// @ts-ignore: decorator
@inline
function absorb(word: u64): void {
  v3 ^= word;
  round();
  round();
  v0 ^= word;
}

/** Into hashLow and hashHigh. Reads up to seven bytes behind the last and does not care what is there. */
export function sipHash(position: usize, sizeBytes: i32): void {
  v0 = 0x736f6d6570736575 ^ secretLow;
  v1 = 0x646f72616e646f6d ^ secretHigh ^ 0xee;
  v2 = 0x6c7967656e657261 ^ secretLow;
  v3 = 0x7465646279746573 ^ secretHigh;
  const tail = position + (sizeBytes & ~7);
  for (; position < tail; position += 8) absorb(load<u64>(position));
  const rest = <u64>1 << (<u64>(sizeBytes & 7) << 3);
  absorb((load<u64>(tail) & (rest - 1)) | (<u64>sizeBytes << 56));
  v2 ^= 0xee;
  round();
  round();
  round();
  round();
  hashLow = v0 ^ v1 ^ v2 ^ v3;
  v1 ^= 0xdd;
  round();
  round();
  round();
  round();
  hashHigh = v0 ^ v1 ^ v2 ^ v3;
}

/** For a test: the hash of what lies at `position`, under the secret of the sixteen bytes at `secret`, into `results`. */
export function hashInto(secret: usize, position: usize, sizeBytes: i32): void {
  setSecret(secret);
  sipHash(position, sizeBytes);
  store<u64>(results, hashLow);
  store<u64>(results, hashHigh, 8);
}
