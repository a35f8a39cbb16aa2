// Records, receipts and everything else as CBOR (RFC 8949).
//
// Owns: how cbor-x is set up. Bytes are byte strings; whole numbers are integers, never floats.
// Never: decodes what cbor-item.ts has not found to be one well-formed item: cbor-x replaces
//   broken UTF-8 in silence and opens tags that mean nothing here.

import { Encoder } from "cbor-x";
import type { FetchedRecords, LogRecord, ProduceResult } from "../../engine/index.ts";
import { measureItem } from "./cbor-item.ts";
import { errorMember, invalid } from "./problem.ts";

const codec = new Encoder({
  useRecords: false,
  mapsAsObjects: true,
  variableMapSize: true,
  tagUint8Array: false,
  int64AsNumber: true,
} as ConstructorParameters<typeof Encoder>[0]);

export function encodeCbor(value: unknown): Uint8Array {
  return codec.encode(value);
}

/** Exactly one item, or INVALID_REQUEST. A 64-bit integer that no double holds comes out unsafe, and is refused where it stands. */
export function decodeCbor(bytes: Uint8Array, what: string, counted = false): unknown {
  const sizeBytes = measureItem(bytes, what, counted);
  if (sizeBytes !== bytes.length) throw invalid(`${what} holds ${bytes.length - sizeBytes} bytes after its CBOR item`);
  try {
    return codec.decode(bytes);
  } catch (thrown) {
    throw invalid(`${what} is not CBOR: ${(thrown as Error).message}`);
  }
}

export function recordCbor(record: LogRecord): unknown {
  const { offset, timestamp, key, value, headers } = record;
  return {
    offset: wholeCbor(offset),
    timestamp: wholeCbor(timestamp),
    key,
    value,
    headers: headers.map((header) => [header.key, header.value]),
  };
}

export function fetchedCbor(fetched: FetchedRecords): Uint8Array {
  return encodeCbor({
    records: fetched.records.map(recordCbor),
    logStartOffset: wholeCbor(fetched.logStartOffset),
    highWatermark: wholeCbor(fetched.highWatermark),
    nextOffset: wholeCbor(fetched.nextOffset),
  });
}

export function resultCbor(result: ProduceResult): unknown {
  if ("error" in result) return { error: errorMember(result.error) };
  const { partition, offset, timestamp, duplicate } = result;
  return { partition, offset: wholeCbor(offset), timestamp: wholeCbor(timestamp), ...(duplicate ? { duplicate } : {}) };
}

/** cbor-x writes whole numbers over 32 bits as floats, which strict readers refuse as offsets. */
export function wholeCbor(value: number): number | bigint {
  return Number.isInteger(value) && (value > 0xffff_ffff || value < -0x8000_0000) ? BigInt(value) : value;
}
