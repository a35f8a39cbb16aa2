// Batches as this suite writes and reads them, apart from the engine's own reading.
//
// Owns: a reader of uncompressed record batches v2 that owes nothing to the engine, and what
//   segments a partition's folder shows.
// Never: checks a CRC: the engine must, and a wrong byte shows as a wrong value.

import type { ReadRecord, SegmentSeen } from "./history.ts";
import { kernel, type LogRecord, type Storage } from "./subject.ts";

const text = new TextDecoder();
const encoder = new TextEncoder();

const nameHeader = encoder.encode("name");

/** A record of a fetch as histories have it. */
export function readRecord({ offset, timestamp, key, value, headers }: LogRecord): ReadRecord {
  const name = value === null ? headers.find(({ key: header }) => header === "name")?.value : undefined;
  return {
    ...{ offset, timestamp, value: name === undefined || name === null ? valueName(value) : text.decode(name) },
    ...(key === null ? {} : { key: text.decode(key) }),
    ...(value === null ? { tombstone: true } : {}),
  };
}

const bar = 0x7c;
const padding = 0x2e;

/** `name` padded to about `sizeBytes`; the name comes back by `valueName`. Names are ASCII. */
export function valueBytes(name: string, sizeBytes: number): Uint8Array {
  const { length } = name;
  const bytes = new Uint8Array(Math.max(length + 1, sizeBytes));
  for (let at = 0; at < length; at++) bytes[at] = name.charCodeAt(at);
  bytes[length] = bar;
  bytes.fill(padding, length + 1);
  return bytes;
}

export function valueName(bytes: Uint8Array | null): string {
  if (bytes === null) return "null";
  const end = bytes.indexOf(bar);
  let isWhole = end >= 0;
  // Padding that isn't ours is damage, and must not pass for the value; so is a name that is no text.
  for (let at = 0; isWhole && at < bytes.length; at++) {
    isWhole = at <= end ? (bytes[at] as number) < 0x80 : bytes[at] === padding;
  }
  if (!isWhole) return `damaged ${JSON.stringify(text.decode(bytes).slice(0, 40))}`;
  return String.fromCharCode.apply(null, bytes.subarray(0, end) as unknown as number[]);
}

export interface RecordToSend {
  readonly value: string;
  readonly sizeBytes: number;
  readonly timestamp: number;
  readonly key?: string;
  /** Its own value is null; a header says its name. */
  readonly tombstone?: boolean;
}

export interface Stamp {
  readonly id: number;
  readonly epoch: number;
  readonly sequence: number;
}

export function encodeBatch(records: readonly RecordToSend[], stamp?: Stamp): Uint8Array {
  const bytes = kernel.encodeBatch(
    records.map(({ value, sizeBytes, timestamp, key, tombstone }) => ({
      key: key === undefined ? null : encoder.encode(key),
      value: tombstone === true ? null : valueBytes(value, sizeBytes),
      headers: tombstone === true ? [[nameHeader, encoder.encode(value)] as const] : [],
      timestamp,
    })),
    stamp === undefined ? {} : { producerId: stamp.id, producerEpoch: stamp.epoch, baseSequence: stamp.sequence },
  );
  return bytes.slice();
}

export function concatenate(pieces: readonly Uint8Array[]): Uint8Array {
  const bytes = new Uint8Array(pieces.reduce((sum, piece) => sum + piece.length, 0));
  let at = 0;
  for (const piece of pieces) {
    bytes.set(piece, at);
    at += piece.length;
  }
  return bytes;
}

/** A batch by its header. */
export interface BatchSeen {
  readonly baseOffset: number;
  readonly recordCount: number;
  readonly leaderEpoch: number;
  readonly maxTimestamp: number;
  readonly position: number;
  readonly sizeBytes: number;
}

/** The whole batches from the beginning of some bytes. */
export function batchesOf(bytes: Uint8Array): BatchSeen[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const batches: BatchSeen[] = [];
  let position = 0;
  while (position + 61 <= bytes.length) {
    const sizeBytes = view.getInt32(position + 8) + 12;
    if (sizeBytes < 61 || position + sizeBytes > bytes.length) break;
    batches.push({
      baseOffset: Number(view.getBigInt64(position)),
      recordCount: view.getInt32(position + 57),
      leaderEpoch: view.getInt32(position + 12),
      maxTimestamp: Number(view.getBigInt64(position + 35)),
      position,
      sizeBytes,
    });
    position += sizeBytes;
  }
  return batches;
}

/** Every record of a run of whole, uncompressed batches. */
export function recordsOf(bytes: Uint8Array): ReadRecord[] {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const records: ReadRecord[] = [];
  for (const batch of batchesOf(bytes)) {
    const appendTime = (view.getInt16(batch.position + 21) & 8) !== 0;
    const baseTimestamp = Number(view.getBigInt64(batch.position + 27));
    let at = batch.position + 61;
    const varint = (): number => {
      let zigzag = 0n;
      for (let shift = 0n; ; shift += 7n) {
        const byte = view.getUint8(at++);
        zigzag |= BigInt(byte & 0x7f) << shift;
        if (byte < 0x80) break;
      }
      return Number((zigzag >> 1n) ^ -(zigzag & 1n));
    };
    for (let count = 0; count < batch.recordCount; count++) {
      const length = varint();
      const end = at + length;
      at++; // attributes
      const timestampDelta = varint();
      const offsetDelta = varint();
      const keyLength = varint();
      at += Math.max(0, keyLength);
      const valueLength = varint();
      const value = valueLength < 0 ? null : bytes.subarray(at, at + valueLength);
      records.push({
        offset: batch.baseOffset + offsetDelta,
        timestamp: appendTime ? batch.maxTimestamp : baseTimestamp + timestampDelta,
        value: valueName(value),
      });
      at = end;
    }
  }
  return records;
}

export async function readWhole(storage: Storage, path: string): Promise<Uint8Array> {
  const file = await storage.open(path);
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

/** Replaces a file's content: damage, as an outsider does it. */
export async function overwrite(storage: Storage, path: string, bytes: Uint8Array): Promise<void> {
  const file = await storage.open(path);
  await file.truncate(0);
  file.append(bytes);
  await storage.sync([file]);
  await file.close();
}

/** A partition's segments, oldest first, as its folder shows them. */
export async function segmentsOf(storage: Storage, folder: string): Promise<SegmentSeen[]> {
  const segments: SegmentSeen[] = [];
  const entries = await storage.list(folder);
  for (const { name } of entries.sort((a, b) => (a.name < b.name ? -1 : 1))) {
    if (!/^\d{20}\.log$/.test(name)) continue;
    const bytes = await readWhole(storage, `${folder}/${name}`);
    const baseOffset = Number.parseInt(name, 10);
    const batches = batchesOf(bytes);
    const last = batches.at(-1);
    segments.push({
      baseOffset,
      nextOffset: last === undefined ? baseOffset : last.baseOffset + last.recordCount,
      sizeBytes: bytes.length,
      maxTimestamp: batches.reduce((most, batch) => Math.max(most, batch.maxTimestamp), -1),
    });
  }
  return segments;
}
