// A fetch over all partitions of a member: what there is, or the wait for something.
//
// Owns: whose turn it is, and what becomes of a partition that cannot be read: it is passed over while
//   it is offline, and begins anew where its position is gone.
// Never: writes an answer out, commits, or heartbeats (group-session.ts).
//
// Invariants: whoever waits holds no room; a position moves only past what is handed out.

import { type FetchedRecords, type LogRecord, MoldauError, type Release } from "../../engine/index.ts";
import { maxDecodedBytes } from "./fetch-query.ts";
import type { GroupSession, Held } from "./group-session.ts";
import type { Face } from "./operation.ts";
import { type Client, room } from "./room.ts";

/** How much more than its batches an answer may be, about: as held-fetch.ts. */
const writtenOut = 4;
/** A partition that is offline is looked at so often. */
const offlineMs = 1000;
/** A wait names so many partitions at most: the rest are looked at when it ends. */
const waitedFor = 1000;
/** A start that retention overtakes is looked up again this often. */
const startAttempts = 3;
/** A batch cannot be smaller. */
const leastBytes = 64;
const passedOver: ReadonlySet<string> = new Set([
  "LEADER_NOT_AVAILABLE",
  "KAFKA_STORAGE_ERROR",
  "UNKNOWN_TOPIC_OR_PARTITION",
]);

export interface GroupRecord {
  readonly topic: string;
  readonly partition: number;
  readonly record: LogRecord;
}

export interface GroupWanted {
  readonly limit: number;
  /** Of batches. */
  readonly maxBytes: number;
  readonly waitMs: number;
}

export interface GroupFetched {
  readonly records: readonly GroupRecord[];
  /** Called with the size of what was written, then with nothing when it has left. */
  readonly release: Release;
}

/** Also answers, with nothing, when the assignment has changed. */
export async function fetchForMember(
  session: GroupSession,
  wanted: GroupWanted,
  client: Client,
  face: Face,
): Promise<GroupFetched> {
  const maxBytes = Math.min(wanted.maxBytes, maxDecodedBytes);
  const deadline = face.clock.monotonic() + wanted.waitMs;
  const { change } = session;
  for (;;) {
    session.requireLive();
    client.signal.throwIfAborted();
    const release = await room(face.answers, Math.min(maxBytes * writtenOut, face.answers.totalBytes), client, face);
    let taken: { readonly records: GroupRecord[]; readonly unreadable: ReadonlySet<Held> };
    try {
      taken = await take(session, wanted.limit, maxBytes, face);
      session.requireLive();
    } catch (thrown) {
      release();
      throw thrown;
    }
    const leftMs = deadline - face.clock.monotonic();
    if (taken.records.length > 0 || leftMs <= 0 || change.aborted) return { records: taken.records, release };
    release();
    await somethingNew(session, taken.unreadable, leftMs, client, change, face);
  }
}

async function take(
  session: GroupSession,
  limit: number,
  maxBytes: number,
  face: Face,
): Promise<{ readonly records: GroupRecord[]; readonly unreadable: ReadonlySet<Held> }> {
  const records: GroupRecord[] = [];
  const unreadable = new Set<Held>();
  let left = maxBytes;
  for (const held of session.readable) {
    if (records.length >= limit || left < leastBytes) break;
    const fetched = await fetchOne(session, held, { limit: limit - records.length, maxBytes: left }, face);
    if (fetched === null) unreadable.add(held);
    // Let go while it was read: whoever has it now hands these out.
    else if (fetched !== "nothing" && session.has(held)) {
      const { topic, partition } = held;
      for (const record of fetched.records) {
        records.push({ topic, partition, record });
        left -= leastBytes + (record.key?.length ?? 0) + (record.value?.length ?? 0);
      }
      const isAcked = held.acked === held.position;
      held.position = fetched.nextOffset;
      if (fetched.records.length > 0) session.moveToEnd(held);
      // Nothing of it is for anyone, such as a batch that compaction has emptied.
      else if (isAcked) held.acked = held.position;
    }
  }
  return { records, unreadable };
}

/** null: it cannot be read now. */
async function fetchOne(
  session: GroupSession,
  held: Held,
  { limit, maxBytes }: { readonly limit: number; readonly maxBytes: number },
  { broker }: Face,
): Promise<FetchedRecords | "nothing" | null> {
  const { topic, partition } = held;
  for (let attempt = 1; ; attempt += 1) {
    try {
      if (broker.offsets(topic, partition).latest === held.position) return "nothing";
      return await broker.fetchRecords(topic, partition, { offset: held.position, limit, maxBytes, views: true });
    } catch (thrown) {
      if (!(thrown instanceof MoldauError)) throw thrown;
      if (thrown.code === "OFFSET_OUT_OF_RANGE" && attempt < startAttempts) session.reset(held);
      else if (thrown.code === "OFFSET_OUT_OF_RANGE" || passedOver.has(thrown.code)) return null;
      else throw thrown;
    }
  }
}

/** Resolves when something may be there, the assignment has changed, or time is up. */
async function somethingNew(
  session: GroupSession,
  unreadable: ReadonlySet<Held>,
  leftMs: number,
  client: Client,
  change: AbortSignal,
  face: Face,
): Promise<void> {
  const waiting = new AbortController();
  const stop = (): void => waiting.abort();
  for (const signal of [client.signal, change]) {
    if (signal.aborted) stop();
    signal.addEventListener("abort", stop, { once: true });
  }
  const readable = session.readable.filter((held) => !unreadable.has(held));
  const partitions = readable.slice(0, waitedFor).map(({ topic, partition, position: offset }) => {
    return { topic, partition, offset, maxBytes: 1 };
  });
  const isWhole = unreadable.size === 0 && partitions.length === readable.length;
  const maxWaitMs = isWhole ? leftMs : Math.min(leftMs, offlineMs);
  try {
    if (partitions.length === 0) await pause(maxWaitMs, waiting.signal, face);
    else {
      const options = { maxBytes: 1, maxWaitMs, signal: waiting.signal, pooled: true };
      // Errors too are the next look's.
      for (const { release } of await face.broker.fetchBatches(partitions, options)) release();
    }
  } catch (thrown) {
    if (!waiting.signal.aborted) throw thrown;
    client.signal.throwIfAborted();
  } finally {
    for (const signal of [client.signal, change]) signal.removeEventListener("abort", stop);
  }
}

function pause(ms: number, signal: AbortSignal, { clock }: Face): Promise<void> {
  return new Promise((resolve) => {
    if (signal.aborted) return resolve();
    const unschedule = clock.schedule(ms, () => {
      signal.removeEventListener("abort", stop);
      resolve();
    });
    const stop = (): void => {
      unschedule();
      resolve();
    };
    signal.addEventListener("abort", stop, { once: true });
  });
}
