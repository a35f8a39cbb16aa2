// The bytes of a metadata journal: `metadata/{generation, 20 digits}.journal`.
//
//   | batch     ... | batch   | batch   | ...
//   | snapshot      | changes | changes |        record batches v2, uncompressed, leader epoch 0,
//                                              base offsets dense from 0
//
// A record's value is JSON. The snapshot is {"kind":"snapshot","format":1,"leaderEpoch":..,
// "nextProducerId":..,"topics":N} and N times {"kind":"createTopic",..}; after it come changes.
//
// Owns: the format, and telling a torn tail from corruption.
// Never: files (metadata.ts), or whether a change is legal (metadata-image.ts).
//
// A crash tears only the last batch, because each is synced before the next is written: when a
// whole batch lies behind a bad one, something else broke the file, and it is refused.

import { MoldauError } from "../errors.ts";
import type { Kernel, RecordToEncode } from "../kernel/kernel.ts";
import { field, recordStride } from "../kernel/kernel.ts";
import { maxRunBytes } from "../limits.ts";
import { BatchHeader, headerSizeBytes } from "../log/record-batch.ts";
import { type MetadataChange, MetadataImage } from "./metadata-image.ts";

/** Raised when an older Moldau could not read what this one writes. */
const format = 1;

/** Values of one batch together; a longer list of changes becomes several batches. Bytes. */
export const groupBytes: number = 1024 * 1024;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

export function journalName(generation: number): string {
  return `${String(generation).padStart(20, "0")}.journal`;
}

/** null when the name is no journal's. */
export function parseJournalName(name: string): number | null {
  const digits = /^(\d{20})\.journal$/.exec(name)?.[1];
  const generation = Number(digits ?? Number.NaN);
  return Number.isSafeInteger(generation) ? generation : null;
}

export function encodeChange(change: MetadataChange): Uint8Array {
  switch (change.kind) {
    case "createTopic":
      return toJson({ ...change, topic: { ...change.topic, configs: Object.fromEntries(change.topic.configs) } });
    case "alterTopic":
      return toJson(change.configs === undefined ? change : { ...change, configs: Object.fromEntries(change.configs) });
    default:
      return toJson(change);
  }
}

/** The snapshot's values, for `encodeBatch` in groups. */
export function encodeSnapshot(image: MetadataImage): Uint8Array[] {
  const { leaderEpoch, nextProducerId, topics } = image;
  const head = toJson({ kind: "snapshot", format, leaderEpoch, nextProducerId, topics: topics.size });
  return [head, ...[...topics.values()].map((topic) => encodeChange({ kind: "createTopic", topic }))];
}

/** One batch of these values; a view that lives until the kernel's next call. */
export function encodeBatch(
  values: readonly Uint8Array[],
  baseOffset: number,
  timestamp: number,
  kernel: Kernel,
): Uint8Array {
  const records = values.map((value): RecordToEncode => ({ key: null, value, headers: [], timestamp }));
  const prepared = kernel.prepareRun(kernel.encodeBatch(records), {
    baseOffset,
    leaderEpoch: 0,
    maxBatchBytes: maxRunBytes,
    appendTimeMs: -1,
  });
  if (!prepared.ok)
    throw new MoldauError("UNKNOWN_SERVER_ERROR", `a metadata batch was refused: ${prepared.fault}`, {
      effect: "none",
    });
  return prepared.bytes;
}

export interface JournalContent {
  readonly image: MetadataImage;
  /** Where the next batch goes. */
  readonly nextOffset: number;
  /** Bytes up to the last whole batch; what is behind was torn by a crash. */
  readonly validBytes: number;
  readonly snapshotBytes: number;
}

/** Reads a whole journal. Throws DATA_FOLDER_UNUSABLE with the path and the position where it is not one. */
export function readJournal(bytes: Uint8Array, path: string, kernel: Kernel): JournalContent {
  const header = new BatchHeader(bytes);
  let image: MetadataImage | null = null;
  let topicsLeft = 0;
  let position = 0;
  let nextOffset = 0;
  let snapshotBytes = 0;
  while (wholeBatchAt(header, position, kernel) && header.baseOffset === nextOffset) {
    const { sizeBytes, recordCount } = header;
    for (const value of readValues(
      bytes.subarray(position + headerSizeBytes, position + sizeBytes),
      recordCount,
      kernel,
      path,
      position,
    )) {
      if (image === null) {
        image = readSnapshotHead(value, path);
        topicsLeft = value["topics"] as number;
        continue;
      }
      applyValue(image, value, path, position);
      topicsLeft -= 1;
    }
    position += sizeBytes;
    nextOffset += recordCount;
    if (snapshotBytes === 0 && topicsLeft <= 0) snapshotBytes = position;
  }
  const next = position < bytes.length ? findWholeBatch(header, position, nextOffset, kernel) : null;
  if (next !== null) {
    throw unusable(
      path,
      position,
      `the bytes up to ${next} are no valid batch, but valid ones follow, so no crash did this; restore the file from a backup`,
    );
  }
  // A journal gets its name only when its snapshot is durable: no crash leaves half of one.
  if (image === null || topicsLeft > 0)
    throw unusable(path, position, "its snapshot is not whole; restore the file from a backup");
  return { image, nextOffset, validBytes: position, snapshotBytes };
}

function wholeBatchAt(header: BatchHeader, position: number, kernel: Kernel): boolean {
  if (!header.at(position) || header.magic !== 2 || header.sizeBytes > maxRunBytes) return false;
  const { sizeBytes, baseOffset } = header;
  if (!Number.isSafeInteger(baseOffset) || baseOffset < 0) return false;
  const prefix = kernel.validPrefix(header.bytes.subarray(position, position + sizeBytes), baseOffset);
  return prefix.stop === "end" && prefix.batchCount === 1;
}

function findWholeBatch(header: BatchHeader, from: number, nextOffset: number, kernel: Kernel): number | null {
  for (let position = from; position + headerSizeBytes <= header.bytes.length; position += 1) {
    // The magic byte and the base offset rule out nearly every position before a checksum is computed.
    if (header.bytes[position + 16] !== 2 || !header.at(position)) continue;
    const ahead = header.baseOffset - nextOffset;
    if (ahead >= 0 && ahead < 2 ** 31 && wholeBatchAt(header, position, kernel)) return position;
  }
  return null;
}

type Value = Readonly<Record<string, unknown>>;

function readValues(records: Uint8Array, count: number, kernel: Kernel, path: string, position: number): Value[] {
  const index = kernel.indexRecords(records, count);
  if (!index.ok) throw unusable(path, position, `a batch's records cannot be read (${index.fault})`);
  const values: Value[] = [];
  for (let record = 0; record < index.count; record += 1) {
    const start = index.fields[record * recordStride + field.valuePosition]!;
    const length = index.fields[record * recordStride + field.valueLength]!;
    values.push(parseValue(records.subarray(start, start + Math.max(0, length)), path, position));
  }
  return values;
}

function parseValue(bytes: Uint8Array, path: string, position: number): Value {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw unusable(path, position, "a record is not JSON", error);
  }
  if (typeof value !== "object" || value === null || Array.isArray(value))
    throw unusable(path, position, "a record is no JSON object");
  return value as Value;
}

function readSnapshotHead(value: Value, path: string): MetadataImage {
  if (value["kind"] !== "snapshot") throw unusable(path, 0, "it does not begin with a snapshot");
  const written = value["format"];
  if (written !== format)
    throw unusable(
      path,
      0,
      `it has format ${String(written)}, this Moldau reads ${format}; use the version that wrote it, or a newer one`,
    );
  const { leaderEpoch, nextProducerId, topics } = value;
  if (!isInteger(leaderEpoch, -1) || !isInteger(nextProducerId, 0) || !isInteger(topics, 0))
    throw unusable(path, 0, "its snapshot is malformed");
  return new MetadataImage([], leaderEpoch, nextProducerId);
}

function applyValue(image: MetadataImage, value: Value, path: string, position: number): void {
  const change = decodeChange(value);
  if (change === null)
    throw unusable(
      path,
      position,
      `it has a change that this Moldau does not know: ${JSON.stringify(value).slice(0, 200)}`,
    );
  try {
    image.apply(change);
  } catch (error) {
    throw unusable(
      path,
      position,
      `it has a change that contradicts the ones before it: ${JSON.stringify(value).slice(0, 200)}`,
      error,
    );
  }
}

function decodeChange(value: Value): MetadataChange | null {
  const { kind, name, partitions, leaderEpoch, first, nextFree } = value;
  switch (kind) {
    case "createTopic": {
      const topic = value["topic"] as Value | undefined;
      const configs = decodeConfigs(topic?.["configs"]);
      if (topic === undefined || configs === null) return null;
      const { name: topicName, id, partitions: count } = topic;
      if (typeof topicName !== "string" || typeof id !== "string" || !isInteger(count, 1)) return null;
      return { kind, topic: { name: topicName, id, partitions: count, configs } };
    }
    case "deleteTopic":
      return typeof name === "string" ? { kind, name } : null;
    case "alterTopic": {
      const configs = value["configs"] === undefined ? undefined : decodeConfigs(value["configs"]);
      if (typeof name !== "string" || configs === null || (partitions !== undefined && !isInteger(partitions, 1)))
        return null;
      return {
        kind,
        name,
        ...(partitions === undefined ? {} : { partitions }),
        ...(configs === undefined ? {} : { configs }),
      };
    }
    case "leaderEpoch":
      return isInteger(leaderEpoch, 0) ? { kind, leaderEpoch } : null;
    case "producerIdBlock":
      return isInteger(first, 0) && isInteger(nextFree, 0) ? { kind, first, nextFree } : null;
    default:
      return null;
  }
}

function decodeConfigs(value: unknown): Map<string, string> | null {
  if (typeof value !== "object" || value === null) return null;
  const entries = Object.entries(value);
  return entries.every(([, text]) => typeof text === "string") ? new Map(entries as [string, string][]) : null;
}

function isInteger(value: unknown, min: number): value is number {
  return Number.isSafeInteger(value) && (value as number) >= min;
}

function toJson(value: unknown): Uint8Array {
  return encoder.encode(JSON.stringify(value));
}

/** Where a journal is damaged, and how. */
export class JournalDamage extends MoldauError {
  /** Of the batch. Bytes. */
  readonly position: number;
  readonly problem: string;

  constructor(path: string, position: number, problem: string, cause?: unknown) {
    super("DATA_FOLDER_UNUSABLE", `${path} at byte ${position}: ${problem}`, { cause });
    this.position = position;
    this.problem = problem;
  }
}

function unusable(path: string, position: number, problem: string, cause?: unknown): JournalDamage {
  return new JournalDamage(path, position, problem, cause);
}
