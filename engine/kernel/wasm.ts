// The kernel in WebAssembly: assembly/*.ts compiled, and what JavaScript must do around it.
//
// Owns: the staging of arguments, and the views that go out. int64 cross the boundary as
//   doubles, never as BigInt, which is slow.
// Never: decides anything; where the fixed memory is too small for a legal call, the twin answers.
//
// Invariants: memory never grows, so a view is never detached. Arguments are copied to
//   `staging`, which no view of a result covers, or used where they lie when that is already
//   this memory. Only `batches`, the columns and the verdicts go out; `staging` too, to be filled
//   with columns.

import { maxRunBytes, scratchBytes } from "../limits.ts";
import { fillColumns } from "./batch-columns.ts";
import { IndexCache, type IndexCopy } from "./index-cache.ts";
import {
  type BatchColumns,
  type BatchFault,
  type EncodeOptions,
  type IndexTable,
  type Kernel,
  type RecordIndex,
  type RunBytes,
  recordStride,
  sizeOfRun,
  type ValidPrefix,
} from "./kernel.ts";
import { offsetMapOver } from "./offset-map.ts";
import { badLength, badTimestamp, noRecords } from "./twin/batch-encode.ts";
import { createTwinKernel } from "./twin.ts";
import { engineWasmBase64 } from "./wasm.generated.ts";

/** A compiled module, for runtimes that hand one out and compile nothing at run time. */
export type WebAssemblyModule = object & { readonly __webAssemblyModule?: never };

interface ModuleExports {
  readonly memory: { readonly buffer: ArrayBuffer };
  readonly results: { readonly value: number };
  readonly columns: { readonly value: number };
  readonly columnsBytes: { readonly value: number };
  readonly doubles: { readonly value: number };
  readonly doublesBytes: { readonly value: number };
  readonly staging: { readonly value: number };
  readonly stagingBytes: { readonly value: number };
  readonly batches: { readonly value: number };
  readonly batchesBytes: { readonly value: number };
  readonly indexCache: { readonly value: number };
  readonly indexCacheBytes: { readonly value: number };
  readonly verdicts: { readonly value: number };
  crc32c(position: number, sizeBytes: number, seed: number): number;
  murmur2(position: number, sizeBytes: number): number;
  prepareRun(
    position: number,
    sizeBytes: number,
    baseOffset: number,
    leaderEpoch: number,
    maxBatchBytes: number,
    appendTimeMs: number,
  ): number;
  validPrefix(position: number, sizeBytes: number, baseOffset: number, maxBatchBytes: number): number;
  indexBatch(position: number, sizeBytes: number): number;
  indexRecords(position: number, sizeBytes: number, count: number): number;
  encodeColumns(recordCount: number, producerId: number, producerEpoch: number, baseSequence: number): number;
  clearOffsetMap(secret: number, baseOffset: number): void;
  offsetMapKeys(): number;
  noteOffsets(origin: number, count: number, baseOffset: number): number;
  findSuperseded(origin: number, count: number, baseOffset: number): void;
  copySizeBytes(keyRoom: number, keySizeBytes: number): number;
  beginCopy(copy: number, keyRoom: number, keySizeBytes: number): void;
  appendToCopy(copy: number, source: number, count: number): void;
  searchCopy(copy: number, target: number): number;
}

// The part of the standard that is used here; not every runtime's types declare it.
declare const WebAssembly: {
  readonly Module: new (bytes: Uint8Array) => WebAssemblyModule;
  compile(bytes: Uint8Array): Promise<WebAssemblyModule>;
  instantiate(module: WebAssemblyModule): Promise<{ readonly exports: unknown }>;
  readonly Memory: new (pages: {
    readonly initial: number;
    readonly maximum: number;
  }) => { readonly buffer: ArrayBuffer };
};

const pageBytes = 64 * 1024;

/** In the order of assembly/faults.ts; 0 is none. */
const faults: readonly BatchFault[] = [
  "truncated",
  "length",
  "magic",
  "checksum",
  "count",
  "record",
  "attributes",
  "timestamp",
  "producer",
  "too-large",
];
/** In the order of assembly/batch-validate.ts. */
const stops: readonly ValidPrefix["stop"][] = ["end", "partial", "checksum", "order", "header"];

const secretBytes = 16;

/** Below this a copy costs more than it saves. */
const fewestKeysToCopy = 16;
/** Below this a loop copies faster than `set` of a subarray. Bytes. */
const fewEntriesBytes = 48;

/** Up to here hashing a key in JavaScript is over before it would have been copied. */
const longestShortKeyBytes = 64;

export async function loadWasmKernel(code?: Uint8Array | WebAssemblyModule): Promise<Kernel> {
  const module =
    code instanceof WebAssembly.Module
      ? code
      : await WebAssembly.compile(code === undefined ? decodedEngine() : (code as Uint8Array));
  const { exports } = await WebAssembly.instantiate(module);
  return bind(exports as ModuleExports);
}

function decodedEngine(): Uint8Array {
  return Uint8Array.from(atob(engineWasmBase64), (character) => character.charCodeAt(0));
}

function bind(wasm: ModuleExports): Kernel {
  const { buffer } = wasm.memory;
  const memory = new Uint8Array(buffer);
  const staging = wasm.staging.value;
  const batches = wasm.batches.value;
  const countResult = new Int32Array(buffer, wasm.results.value, 2);
  const offsetResult = new Float64Array(buffer, wasm.results.value + 8, 1);
  const columns = new Int32Array(buffer, wasm.columns.value, wasm.columnsBytes.value / 4);
  const doubles = new Float64Array(buffer, wasm.doubles.value, wasm.doublesBytes.value / 8);
  const mostRecords = Math.min(columns.length / recordStride, doubles.length);
  const indexCache = new IndexCache({
    position: wasm.indexCache.value,
    sizeBytes: wasm.indexCacheBytes.value,
    copySizeBytes: (keyRoom, keySizeBytes) => wasm.copySizeBytes(keyRoom, keySizeBytes),
  });
  const batchColumns: BatchColumns = {
    bytes: memory.subarray(staging, staging + wasm.stagingBytes.value),
    lengths: columns,
    timestamps: doubles,
  };
  const verdicts = wasm.verdicts.value;
  const twin = createTwinKernel();
  let openMap: object | null = null;

  /** Where the bytes lie: where they are, or copied to `region`. */
  const stage = (bytes: Uint8Array, region: number): number => {
    if (bytes.length > scratchBytes)
      throw new RangeError(`${bytes.length} bytes are over the kernel's ${scratchBytes}`);
    if (bytes.buffer === buffer) return bytes.byteOffset;
    memory.set(bytes, region);
    return region;
  };

  /** As `stage`, for what may come in chunks and goes out as a view of `batches`. */
  const stageRun = (run: RunBytes, sizeBytes: number): number => {
    if (run instanceof Uint8Array) return stage(run, batches);
    if (sizeBytes > scratchBytes) throw new RangeError(`${sizeBytes} bytes are over the kernel's ${scratchBytes}`);
    // A chunk that lies in this memory could be overwritten by the one before it.
    const chunks = run.some((chunk) => chunk.buffer === buffer) ? run.map((chunk) => chunk.slice()) : run;
    let position = batches;
    for (let at = 0; at < chunks.length; at++) {
      const chunk = chunks[at]!;
      memory.set(chunk, position);
      position += chunk.length;
    }
    return batches;
  };

  /** Puts what of an index is not in the columns there, as much as they hold; how many records that are. */
  const stageColumns = ({ fields, count }: RecordIndex, from: number): number => {
    if (fields.buffer === buffer) return count;
    const taken = Math.min(count - from, mostRecords);
    columns.set(fields.subarray(from * recordStride, (from + taken) * recordStride));
    return taken;
  };

  const indexOf = (count: number): RecordIndex => ({
    ok: true,
    count,
    fields: columns.subarray(0, count * recordStride),
    timestampDeltas: doubles.subarray(0, count),
  });

  const encodeColumns = (recordCount: number, options: EncodeOptions = {}): Uint8Array => {
    if (recordCount < 1) throw new RangeError(noRecords);
    if (recordCount > doubles.length) throw new RangeError(`the columns hold ${doubles.length} records at most`);
    const { producerId = -1, producerEpoch = -1, baseSequence = -1 } = options;
    const sizeBytes = wasm.encodeColumns(recordCount, producerId, producerEpoch, baseSequence);
    if (sizeBytes > 0) return memory.subarray(batches, batches + sizeBytes);
    throw new RangeError(
      sizeBytes === -1 ? badLength : sizeBytes === -2 ? badTimestamp : `a batch is at most ${scratchBytes} bytes`,
    );
  };

  return {
    name: "wasm",

    crc32c(bytes, seed = 0) {
      return wasm.crc32c(stage(bytes, staging), bytes.length, seed) >>> 0;
    },

    murmur2(bytes) {
      if (bytes.length <= longestShortKeyBytes) return twin.murmur2(bytes);
      return wasm.murmur2(stage(bytes, staging), bytes.length);
    },

    prepareRun(bytes, { baseOffset, leaderEpoch, maxBatchBytes, appendTimeMs }) {
      const sizeBytes = sizeOfRun(bytes);
      const position = stageRun(bytes, sizeBytes);
      const fault = wasm.prepareRun(position, sizeBytes, baseOffset, leaderEpoch, maxBatchBytes, appendTimeMs);
      if (fault !== 0) return { ok: false, fault: faults[fault - 1]!, position: countResult[1]! };
      return {
        ok: true,
        bytes: memory.subarray(position, position + sizeBytes),
        batchCount: countResult[0]!,
        recordCount: offsetResult[0]!,
      };
    },

    validPrefix(bytes, baseOffset) {
      const stop = wasm.validPrefix(stage(bytes, staging), bytes.length, baseOffset, maxRunBytes);
      return {
        sizeBytes: countResult[1]!,
        nextOffset: offsetResult[0]!,
        batchCount: countResult[0]!,
        stop: stops[stop]!,
      };
    },

    indexBatch(bytes) {
      const fault = wasm.indexBatch(stage(bytes, staging), bytes.length);
      if (fault !== 0) return { ok: false, fault: faults[fault - 1]!, position: 0 };
      const count = countResult[0]!;
      return count > mostRecords ? twin.indexBatch(bytes) : indexOf(count);
    },

    indexRecords(bytes, count) {
      if (count > mostRecords) return twin.indexRecords(bytes, count);
      const fault = wasm.indexRecords(stage(bytes, staging), bytes.length, count);
      return fault === 0 ? indexOf(count) : { ok: false, fault: faults[fault - 1]!, position: 0 };
    },

    columns() {
      return batchColumns;
    },

    encodeColumns,

    encodeBatch(records, options) {
      if (!fillColumns(batchColumns, records)) return twin.encodeBatch(records, options);
      return encodeColumns(records.length, options);
    },

    openOffsetMap(secret, baseOffset) {
      if (openMap !== null) return null;
      const opened = {};
      openMap = opened;
      memory.set(secret.subarray(0, secretBytes), staging);
      wasm.clearOffsetMap(staging, baseOffset);
      return offsetMapOver({
        isOpen: () => openMap === opened,
        keys: () => wasm.offsetMapKeys(),
        note(bytes, index, batchOffset) {
          const origin = stage(bytes, staging);
          for (let done = 0; done < index.count; ) {
            const count = stageColumns(index, done);
            const taken = wasm.noteOffsets(origin, count, batchOffset);
            done += taken;
            if (taken < count) return done;
          }
          return index.count;
        },
        superseded(bytes, index, batchOffset) {
          const origin = stage(bytes, staging);
          const isOne = index.count <= mostRecords;
          const all = isOne ? memory.subarray(verdicts, verdicts + index.count) : new Uint8Array(index.count);
          for (let done = 0; done < index.count; ) {
            const count = stageColumns(index, done);
            wasm.findSuperseded(origin, count, batchOffset);
            if (!isOne) all.set(memory.subarray(verdicts, verdicts + count), done);
            done += count;
          }
          return all;
        },
        close: () => {
          openMap = null;
        },
      });
    },

    searchIndex(table, target) {
      const { count } = table;
      if (count < fewestKeysToCopy) return twin.searchIndex(table, target);
      const copy = indexCache.find(table);
      copy.uses++;
      if (copy.count !== count || copy.version !== table.version) {
        if (indexCache.claim(table, table.entrySizeBytes === 8 ? 4 : 8) === null) {
          return twin.searchIndex(table, target);
        }
        extendCopy(copy, table);
      }
      return wasm.searchCopy(copy.position, target);
    },

    // Large array buffers lie 16 bytes off a page on some platforms; this memory begins on one.
    alignedMemory(sizeBytes) {
      const pages = Math.ceil(sizeBytes / pageBytes);
      return new Uint8Array(new WebAssembly.Memory({ initial: pages, maximum: pages }).buffer, 0, sizeBytes);
    },
  };

  /** Copies what was appended to the table, as many entries at a time as staging holds. */
  function extendCopy(copy: IndexCopy, { bytes, entrySizeBytes, count }: IndexTable): void {
    if (copy.count === 0) wasm.beginCopy(copy.position, copy.keyRoom, entrySizeBytes === 8 ? 4 : 8);
    const most = Math.floor(scratchBytes / entrySizeBytes);
    for (let entry = copy.count; entry < count; entry += most) {
      const entries = Math.min(most, count - entry);
      const from = entry * entrySizeBytes;
      const sizeBytes = entries * entrySizeBytes;
      if (sizeBytes > fewEntriesBytes) memory.set(bytes.subarray(from, from + sizeBytes), staging);
      else for (let index = 0; index < sizeBytes; index++) memory[staging + index] = bytes[from + index]!;
      wasm.appendToCopy(copy.position, staging, entries);
    }
    copy.count = count;
  }
}
