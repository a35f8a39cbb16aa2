// Murmur2 as Kafka's default partitioner computes it over a key (org.apache.kafka.common.utils.Utils):
// 32 bits, seed 0x9747b28c, little-endian words.
//
// Owns: the hash. Never: the modulo.

const seed = 0x9747b28c;
const multiplier = 0x5bd1e995;

export function murmur2Of(bytes: Uint8Array): number {
  const length = bytes.length;
  let hash = seed ^ length;
  let at = 0;
  for (; at + 4 <= length; at += 4) {
    let word = bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24);
    word = Math.imul(word, multiplier);
    word = Math.imul(word ^ (word >>> 24), multiplier);
    hash = Math.imul(hash, multiplier) ^ word;
  }
  if (at < length) {
    for (let index = length - 1; index >= at; index--) hash ^= bytes[index]! << (8 * (index - at));
    hash = Math.imul(hash, multiplier);
  }
  hash = Math.imul(hash ^ (hash >>> 13), multiplier);
  return hash ^ (hash >>> 15);
}
