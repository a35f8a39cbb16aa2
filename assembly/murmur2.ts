// Murmur2 as Kafka's default partitioner computes it over a key (org.apache.kafka.common.utils.Utils):
// 32 bits, seed 0x9747b28c, little-endian words.

const seed: u32 = 0x9747b28c;
const multiplier: u32 = 0x5bd1e995;

export function murmur2(position: usize, sizeBytes: u32): i32 {
  let hash: u32 = seed ^ sizeBytes;
  const tail = position + (sizeBytes & ~3);
  for (; position < tail; position += 4) {
    let word = load<u32>(position) * multiplier;
    word = (word ^ (word >>> 24)) * multiplier;
    hash = (hash * multiplier) ^ word;
  }
  const rest = sizeBytes & 3;
  if (rest !== 0) {
    if (rest === 3) hash ^= <u32>load<u8>(tail, 2) << 16;
    if (rest >= 2) hash ^= <u32>load<u8>(tail, 1) << 8;
    hash = (hash ^ load<u8>(tail)) * multiplier;
  }
  hash = (hash ^ (hash >>> 13)) * multiplier;
  return hash ^ (hash >>> 15);
}
