// Maps of keys that hold few, so that passes of compaction end for want of room.
//
// Owns: the map, which does what the kernel's does. Never: outlives the life that it was made for.

import type { field, Kernel, RecordIndex, recordStride } from "./subject.ts";

/** The kernel's own numbers, which its types hold these to. */
const stride: typeof recordStride = 8;
const columns: Pick<typeof field, "offsetDelta" | "keyPosition" | "keyLength"> = {
  ...{ offsetDelta: 0, keyPosition: 1, keyLength: 2 },
};
const decoder = new TextDecoder();

/** For one life: of its maps one is open at a time, as of the kernel's. */
export function smallMaps(mostKeys: number): Kernel["openOffsetMap"] {
  let open: Map<string, number> | null = null;
  return (_, baseOffset) => {
    if (open !== null) return null;
    const offsets = new Map<string, number>();
    open = offsets;
    return {
      get keys() {
        return offsets.size;
      },
      note(bytes, index, batchOffset) {
        for (let at = 0; at < index.count; at++) {
          const key = keyOf(bytes, index, at);
          const offset = batchOffset + valueOf(index, at, "offsetDelta");
          if (key === null || offset < baseOffset) continue;
          if (!offsets.has(key) && offsets.size === mostKeys) return at;
          offsets.set(key, offset);
        }
        return index.count;
      },
      superseded(bytes, index, batchOffset) {
        return Uint8Array.from({ length: index.count }, (_, at) => {
          const key = keyOf(bytes, index, at);
          const own = batchOffset + valueOf(index, at, "offsetDelta");
          return key === null || (offsets.get(key) ?? -1) > own ? 1 : 0;
        });
      },
      close() {
        if (open === offsets) open = null;
      },
    };
  };
}

function keyOf(bytes: Uint8Array, index: RecordIndex, at: number): string | null {
  const position = valueOf(index, at, "keyPosition");
  const length = valueOf(index, at, "keyLength");
  return length < 0 ? null : decoder.decode(bytes.subarray(position, position + length));
}

function valueOf({ fields }: RecordIndex, at: number, column: keyof typeof columns): number {
  return fields[at * stride + columns[column]] as number;
}
