// The kernel in plain TypeScript: what runs where WebAssembly does not, and what wasm.ts is
// tested against.
//
// Owns: one scratch that grows to the largest run seen, so that a returned view dies with the
//   next call here exactly as it does in the WebAssembly kernel; columns and the memory of an offset
//   map, made at their first use.
// Never: mutates an argument, unless it is a view of that scratch.

import { scratchBytes } from "../limits.ts";
import { columnsFor, fillColumns } from "./batch-columns.ts";
import { type BatchColumns, type EncodeOptions, type Kernel, sizeOfRun } from "./kernel.ts";
import { offsetMapOver } from "./offset-map.ts";
import { encodedSizeBytes, encodeInto } from "./twin/batch-encode.ts";
import { indexBatchOf, measureValidPrefix, prepareInPlace } from "./twin/batch-validate.ts";
import { crc32cOf } from "./twin/crc32c.ts";
import { murmur2Of } from "./twin/murmur2.ts";
import { OffsetMapMemory, TwinOffsetMap } from "./twin/offset-map.ts";
import { indexRecordsOf } from "./twin/records.ts";
import { greatestAtOrBelow } from "./twin/search.ts";

const smallestScratchBytes = 4096;
/** As in the WebAssembly kernel's memory. */
const mostLengths = 2 * 1024 * 1024;
const mostRecords = 256 * 1024;

export function createTwinKernel(): Kernel {
  let scratch = new Uint8Array(0);
  let columns: BatchColumns | undefined;
  let openMap: TwinOffsetMap | null = null;
  let mapMemory: OffsetMapMemory | undefined;

  /** A scratch of at least `sizeBytes` that shares nothing with `apartFrom`. */
  const reserve = (sizeBytes: number, apartFrom?: (scratch: ArrayBufferLike) => boolean): Uint8Array => {
    if (scratch.length < sizeBytes || apartFrom?.(scratch.buffer)) {
      let capacity = smallestScratchBytes;
      while (capacity < sizeBytes) capacity *= 2;
      scratch = new Uint8Array(capacity);
    }
    return scratch.subarray(0, sizeBytes);
  };

  const ownColumns = (): BatchColumns => {
    columns ??= {
      bytes: new Uint8Array(scratchBytes),
      lengths: new Int32Array(mostLengths),
      timestamps: new Float64Array(mostRecords),
    };
    return columns;
  };

  const encode = (filled: BatchColumns, recordCount: number, options: EncodeOptions = {}): Uint8Array => {
    const sizeBytes = encodedSizeBytes(filled, recordCount);
    if (sizeBytes > scratchBytes) throw new RangeError(`a batch of ${sizeBytes} bytes is over ${scratchBytes}`);
    const batch = reserve(sizeBytes);
    encodeInto(batch, filled, recordCount, options);
    return batch;
  };

  return {
    name: "twin",
    crc32c(bytes, seed = 0) {
      return crc32cOf(withinScratch(bytes), 0, bytes.length, seed);
    },
    murmur2(bytes) {
      return murmur2Of(withinScratch(bytes));
    },
    prepareRun(bytes, options) {
      const sizeBytes = sizeOfRun(bytes);
      if (sizeBytes > scratchBytes) throw new RangeError(`${sizeBytes} bytes are over the kernel's ${scratchBytes}`);
      const chunks = bytes instanceof Uint8Array ? [bytes] : bytes;
      if (bytes instanceof Uint8Array && bytes.buffer === scratch.buffer) return prepareInPlace(bytes, options);
      const run = reserve(sizeBytes, (buffer) => chunks.some((chunk) => chunk.buffer === buffer));
      let position = 0;
      for (const chunk of chunks) {
        run.set(chunk, position);
        position += chunk.length;
      }
      return prepareInPlace(run, options);
    },
    validPrefix(bytes, baseOffset) {
      return measureValidPrefix(withinScratch(bytes), baseOffset);
    },
    indexBatch(bytes) {
      return indexBatchOf(withinScratch(bytes));
    },
    indexRecords(bytes, count) {
      return indexRecordsOf(withinScratch(bytes), count);
    },
    columns: ownColumns,
    encodeColumns(recordCount, options) {
      const held = ownColumns();
      if (recordCount > held.timestamps.length)
        throw new RangeError(`the columns hold ${held.timestamps.length} records at most`);
      return encode(held, recordCount, options);
    },
    encodeBatch(records, options) {
      let filled = ownColumns();
      if (!fillColumns(filled, records)) {
        filled = columnsFor(records);
        fillColumns(filled, records);
      }
      return encode(filled, records.length, options);
    },
    openOffsetMap(secret, baseOffset) {
      if (openMap !== null) return null;
      mapMemory ??= new OffsetMapMemory();
      const map = new TwinOffsetMap(mapMemory, secret, baseOffset);
      openMap = map;
      return offsetMapOver({
        isOpen: () => openMap === map,
        keys: () => map.keys,
        note: (bytes, index, batchOffset) => map.note(withinScratch(bytes), index, batchOffset),
        superseded: (bytes, index, batchOffset) => map.superseded(withinScratch(bytes), index, batchOffset),
        close: () => {
          openMap = null;
        },
      });
    },
    searchIndex(table, target) {
      return greatestAtOrBelow(table, target);
    },
    alignedMemory(sizeBytes) {
      return new Uint8Array(sizeBytes);
    },
  };
}

function withinScratch(bytes: Uint8Array): Uint8Array {
  if (bytes.length > scratchBytes) throw new RangeError(`${bytes.length} bytes are over the kernel's ${scratchBytes}`);
  return bytes;
}
