// Records to be written out, and the memory that this takes.
//
// Owns: the budget that text and CBOR answers share, from before their records are read until
//   their last byte has left; and the wait for records, during which nothing is held.
// Never: writes an answer.
//
// Invariants: whoever waits for room holds none; what is written is told (`keep`), and what is
//   not needed is lent to the next.

import type { FetchedRecords, Release } from "../../engine/index.ts";
import { defaultFetchBytes, maxDecodedBytes } from "./fetch-query.ts";
import type { Face } from "./operation.ts";
import { type Client, room } from "./room.ts";

/** Answers written out, together. Bytes. */
export const answersBytes: number = 64 * 1024 * 1024;
/** How much more than its batches an answer may be, about: base64, escapes, members' names. */
const writtenOut = 4;

export interface RecordsWanted {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  readonly limit: number;
  /** Of batches; 1 MiB. More than maxDecodedBytes is not read at once. */
  readonly maxBytes: number | undefined;
  readonly waitMs: number;
}

export interface HeldRecords {
  readonly fetched: FetchedRecords;
  /** Called with the size of what was written, then with nothing when it has left. */
  readonly release: Release;
}

/** `client.signal` fires when nobody wants the records any more. */
export async function fetchHeld(wanted: RecordsWanted, client: Client, face: Face): Promise<HeldRecords> {
  const { topic, partition, offset, limit, waitMs } = wanted;
  const maxBytes = Math.min(wanted.maxBytes ?? defaultFetchBytes, maxDecodedBytes);
  const deadline = face.clock.monotonic() + waitMs;
  for (;;) {
    const release = await room(face.answers, Math.min(maxBytes * writtenOut, face.answers.totalBytes), client, face);
    let fetched: FetchedRecords;
    try {
      fetched = await face.broker.fetchRecords(topic, partition, { offset, limit, maxBytes, views: true });
    } catch (thrown) {
      release();
      throw thrown;
    }
    const leftMs = deadline - face.clock.monotonic();
    if (fetched.records.length > 0 || fetched.nextOffset > offset || leftMs <= 0) return { fetched, release };
    release();
    await somethingNew(wanted, leftMs, client, face);
  }
}

/** Resolves when there is something at the offset, or time is up. */
async function somethingNew(
  { topic, partition, offset }: RecordsWanted,
  maxWaitMs: number,
  { signal }: Client,
  { broker }: Face,
): Promise<void> {
  const options = { maxBytes: 1, maxWaitMs, signal, pooled: true };
  for (const { error, release } of await broker.fetchBatches([{ topic, partition, offset, maxBytes: 1 }], options)) {
    release();
    if (error !== undefined) throw error;
  }
}
