// The kernel in plain TypeScript: what runs where WebAssembly does not, and what wasm.ts is
// tested against.
//
// Owns: one scratch that grows to the largest run seen, so that a returned view dies with the
//   next call here exactly as it does in the WebAssembly kernel.
// Never: mutates an argument, unless it is a view of that scratch.

import { scratchBytes } from "../limits.ts";
import { type Kernel, sizeOfRun } from "./kernel.ts";
import { encodedSizeBytes, encodeInto } from "./twin/batch-encode.ts";
import { measureValidPrefix, prepareInPlace } from "./twin/batch-validate.ts";
import { crc32cOf } from "./twin/crc32c.ts";
import { murmur2Of } from "./twin/murmur2.ts";
import { indexRecordsOf } from "./twin/records.ts";
import { greatestAtOrBelow } from "./twin/search.ts";

const smallestScratchBytes = 4096;

export function createTwinKernel(): Kernel {
  let scratch = new Uint8Array(0);

  /** A scratch of at least `sizeBytes` that shares nothing with `apartFrom`. */
  const reserve = (sizeBytes: number, apartFrom?: (scratch: ArrayBufferLike) => boolean): Uint8Array => {
    if (scratch.length < sizeBytes || apartFrom?.(scratch.buffer)) {
      let capacity = smallestScratchBytes;
      while (capacity < sizeBytes) capacity *= 2;
      scratch = new Uint8Array(capacity);
    }
    return scratch.subarray(0, sizeBytes);
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
    indexRecords(bytes, count) {
      return indexRecordsOf(withinScratch(bytes), count);
    },
    encodeBatch(records, options = {}) {
      const sizeBytes = encodedSizeBytes(records);
      if (sizeBytes > scratchBytes) throw new RangeError(`a batch of ${sizeBytes} bytes is over ${scratchBytes}`);
      const batch = reserve(sizeBytes, (buffer) =>
        records.some(
          ({ key, value, headers }) =>
            key?.buffer === buffer ||
            value?.buffer === buffer ||
            headers.some(([name, content]) => name.buffer === buffer || content?.buffer === buffer),
        ),
      );
      encodeInto(batch, records, options);
      return batch;
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
