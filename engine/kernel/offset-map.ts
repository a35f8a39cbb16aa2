// An offset map as its user holds it: a key to the kernel's one piece of memory for it.
//
// Owns: that a map which was closed is not used any more, where another one may be by then.
// Never: the map's inside (twin/offset-map.ts, assembly/offset-map.ts).

import type { OffsetMap, RecordIndex } from "./kernel.ts";

export interface OffsetMapRegion {
  isOpen(): boolean;
  keys(): number;
  note(bytes: Uint8Array, index: RecordIndex, baseOffset: number): number;
  superseded(bytes: Uint8Array, index: RecordIndex, baseOffset: number): Uint8Array;
  close(): void;
}

export function offsetMapOver(region: OffsetMapRegion): OffsetMap {
  const demandOpen = (): void => {
    if (!region.isOpen()) throw new RangeError("the offset map is closed");
  };
  return {
    get keys() {
      demandOpen();
      return region.keys();
    },
    note(bytes, index, baseOffset) {
      demandOpen();
      return region.note(bytes, index, baseOffset);
    },
    superseded(bytes, index, baseOffset) {
      demandOpen();
      return region.superseded(bytes, index, baseOffset);
    },
    close() {
      if (region.isOpen()) region.close();
    },
  };
}
