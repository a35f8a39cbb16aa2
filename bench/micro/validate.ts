// The checks that a batch passes before it enters a log, against the same checks in JavaScript.
//
// Owns: the peer, which checks and stamps what the kernel does (engine/kernel/batch-layout.ts says
//   where the fields lie) with the fastest native CRC-32C for Node: sizes, magic, checksum, attributes,
//   timestamps, producer, counts, and every record's lengths and offset delta.

import { at, codecMask, definedAttributes, lastCodec, logOverheadBytes } from "../../engine/kernel/batch-layout.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import type { Benchmark } from "../harness/benchmark.ts";
import { comparison } from "../harness/comparison.ts";
import { batchOfSize, repeat } from "../harness/data.ts";
import { Peers } from "../harness/peers.ts";

const runBytes = 1 << 20;
const batchBytes = 64 * 1024;
const stampedWith = { baseOffset: 42, leaderEpoch: 7 };

export const validateBenchmarks: readonly Benchmark[] = (
  [
    ["100 B", 100],
    ["1 KiB", 1024],
  ] as const
).map(([size, valueBytes]) =>
  comparison(
    {
      group: "validate",
      name: `validate 1 MiB, records of ${size}`,
      timed: `checking and stamping a run of 16 batches of 64 KiB, with the copy into the kernel's memory; the peer does the same checks in JavaScript, in place, with @node-rs/crc32`,
    },
    async ({ root }) => {
      const kernel = await loadWasmKernel();
      const peers = new Peers(root);
      const native = peers.crc32();
      const run = repeat(batchOfSize(kernel.encodeBatch, batchBytes, valueBytes), runBytes / batchBytes);
      const options = { ...stampedWith, maxBatchBytes: 1 << 24, appendTimeMs: -1 };
      const prepared = kernel.prepareRun(run, options);
      if (!prepared.ok) throw new Error(`refused: ${prepared.fault}`);
      const own = Buffer.from(run);
      const inJavaScript = native === null ? null : javaScriptValidator(own, native.crc32c);
      return {
        quantity: { records: prepared.recordCount },
        subject: {
          name: "moldau",
          work: () => kernel.prepareRun(run, options),
          output: () => bytesOfRun(kernel.prepareRun(run, options)),
        },
        peers:
          inJavaScript === null
            ? []
            : [
                {
                  name: "JavaScript with @node-rs/crc32",
                  work: inJavaScript,
                  output() {
                    inJavaScript();
                    return own;
                  },
                },
              ],
        missing: peers.missing,
      };
    },
  ),
);

function bytesOfRun(prepared: { readonly ok: boolean; readonly bytes?: Uint8Array }): Uint8Array {
  if (prepared.bytes === undefined) throw new Error("refused");
  return prepared.bytes;
}

/** The count of records when all is well; throws the fault's name otherwise. */
export function javaScriptValidator(bytes: Buffer, crc32c: (bytes: Uint8Array) => number): () => number {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const { baseOffset, leaderEpoch } = stampedWith;
  return () => {
    let records = 0;
    for (let position = 0; position < bytes.length; ) {
      if (bytes.length - position < at.records) throw new Error("truncated");
      const end = position + logOverheadBytes + view.getInt32(position + at.batchLength);
      if (end < position + at.records) throw new Error("length");
      if (end > bytes.length) throw new Error("truncated");
      if (view.getInt8(position + at.magic) !== 2) throw new Error("magic");
      if (crc32c(bytes.subarray(position + at.attributes, end)) !== view.getUint32(position + at.checksum))
        throw new Error("checksum");
      const attributes = view.getInt16(position + at.attributes);
      if ((attributes & ~definedAttributes) !== 0 || (attributes & codecMask) > lastCodec)
        throw new Error("attributes");
      const count = view.getInt32(position + at.recordCount);
      if (count < 1 || count - 1 !== view.getInt32(position + at.lastOffsetDelta)) throw new Error("count");
      const baseTimestamp = int64(view, position + at.baseTimestamp);
      const maxTimestamp = int64(view, position + at.maxTimestamp);
      if (!Number.isSafeInteger(baseTimestamp) || !Number.isSafeInteger(maxTimestamp)) throw new Error("timestamp");
      const producerId = int64(view, position + at.producerId);
      if (producerId < -1 || !Number.isSafeInteger(producerId)) throw new Error("producer");
      if (baseTimestamp + greatestDelta(bytes, position + at.records, end, count) !== maxTimestamp)
        throw new Error("timestamp");
      view.setInt32(position + at.baseOffset, 0);
      view.setInt32(position + at.baseOffset + 4, baseOffset + records);
      view.setInt32(position + at.leaderEpoch, leaderEpoch);
      records += count;
      position = end;
    }
    return records;
  };
}

function int64(view: DataView, position: number): number {
  return view.getInt32(position) * 4294967296 + view.getUint32(position + 4);
}

/** Walks the records. Where a varint ended stands in `next`: a pair would be an allocation. */
let next = 0;

function greatestDelta(bytes: Uint8Array, start: number, end: number, count: number): number {
  let greatest = Number.NEGATIVE_INFINITY;
  let position = start;
  for (let record = 0; record < count; record++) {
    const length = varint(bytes, position, end);
    const recordEnd = next + length;
    if (length < 1 || recordEnd > end) throw new Error("record");
    const timestampDelta = varint(bytes, next + 1, recordEnd);
    if (timestampDelta > greatest) greatest = timestampDelta;
    if (varint(bytes, next, recordEnd) !== record) throw new Error("record");
    skipPiece(bytes, recordEnd);
    skipPiece(bytes, recordEnd);
    const headers = varint(bytes, next, recordEnd);
    if (headers < 0) throw new Error("record");
    for (let piece = 0; piece < headers * 2; piece++) skipPiece(bytes, recordEnd);
    if (next !== recordEnd) throw new Error("record");
    position = recordEnd;
  }
  if (position !== end) throw new Error("count");
  return greatest;
}

function skipPiece(bytes: Uint8Array, end: number): void {
  const length = varint(bytes, next, end);
  if (length < -1 || next + length > end) throw new Error("record");
  if (length > 0) next += length;
}

function varint(bytes: Uint8Array, position: number, end: number): number {
  let value = 0;
  for (let at = position, shift = 0; at < end && shift < 35; shift += 7) {
    const byte = bytes[at++] as number;
    value |= (byte & 127) << shift;
    if (byte < 128) {
      next = at;
      return (value >>> 1) ^ -(value & 1);
    }
  }
  throw new Error("record");
}
