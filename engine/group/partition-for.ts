// Which partition of __consumer_offsets is a group's.
//
// Owns: Kafka's rule: Java's String.hashCode of the id, its absolute value (0 for -2^31), modulo.
// Never: more than that.

export function partitionForGroup(groupId: string, partitions: number): number {
  const hash = javaHashCode(groupId);
  return (hash === -(2 ** 31) ? 0 : Math.abs(hash)) % partitions;
}

/** Over UTF-16 units, as an int32. */
export function javaHashCode(text: string): number {
  let hash = 0;
  for (let at = 0; at < text.length; at += 1) hash = (Math.imul(31, hash) + text.charCodeAt(at)) | 0;
  return hash;
}
