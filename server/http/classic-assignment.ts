// What a member of a classic group was assigned, out of its leader's bytes.
//
//   ConsumerProtocolAssignment: | version 2 | n 4 | n times: size 2, topic, m 4, m times: partition 4 | user data |
//
// Owns: these bytes. Never: believes a count before its bytes are there.

import type { Assigned } from "./group-session.ts";

const utf8 = new TextDecoder();

/** null when they are something else: other protocols may put anything there. None for no bytes. */
export function classicAssignment(bytes: Uint8Array): Assigned[] | null {
  if (bytes.length === 0) return [];
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 2;
  const count = (leastBytes: number): number => {
    const found = view.getInt32(at);
    at += 4;
    if (found < 0 || found * leastBytes > bytes.length - at) throw new RangeError("a count beyond its bytes");
    return found;
  };
  try {
    if (view.getInt16(0) < 0) return null;
    return Array.from({ length: count(6) }, () => {
      const sizeBytes = view.getInt16(at);
      at += 2;
      if (sizeBytes < 0 || sizeBytes > bytes.length - at) throw new RangeError("a name beyond its bytes");
      const topic = utf8.decode(bytes.subarray(at, at + sizeBytes));
      at += sizeBytes;
      const partitions = Array.from({ length: count(4) }, (_, index) => view.getInt32(at + 4 * index));
      at += 4 * partitions.length;
      return { topic, partitions };
    });
  } catch (thrown) {
    if (thrown instanceof RangeError) return null;
    throw thrown;
  }
}
