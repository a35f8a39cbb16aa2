// Maps of keys that hold few, so that passes of compaction end for want of room.
//
// Owns: the map, which does what the kernel's does. Never: outlives the life that it was made for.

import type { Kernel } from "./subject.ts";

/** For one life: of its maps one is open at a time, as of the kernel's. */
export function smallMaps(mostKeys: number): Kernel["openOffsetMap"] {
  let open: Map<string, number> | null = null;
  return (_, baseOffset) => {
    if (open !== null) return null;
    const offsets = new Map<string, number>();
    open = offsets;
    const keyOf = (bytes: Uint8Array, fields: Int32Array, column: number): string | null => {
      const position = fields[column + 1] as number;
      const length = fields[column + 2] as number;
      return length < 0 ? null : new TextDecoder().decode(bytes.subarray(position, position + length));
    };
    return {
      get keys() {
        return offsets.size;
      },
      note(bytes, { count, fields }, batchOffset) {
        for (let at = 0; at < count; at++) {
          const key = keyOf(bytes, fields, at * 8);
          const offset = batchOffset + (fields[at * 8] as number);
          if (key === null || offset < baseOffset) continue;
          if (!offsets.has(key) && offsets.size === mostKeys) return at;
          offsets.set(key, offset);
        }
        return count;
      },
      superseded(bytes, { count, fields }, batchOffset) {
        return Uint8Array.from({ length: count }, (_, at) => {
          const key = keyOf(bytes, fields, at * 8);
          const own = batchOffset + (fields[at * 8] as number);
          return key === null || (offsets.get(key) ?? -1) > own ? 1 : 0;
        });
      },
      close() {
        if (open === offsets) open = null;
      },
    };
  };
}
