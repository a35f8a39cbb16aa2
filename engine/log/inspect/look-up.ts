// Where an offset or a time lies, and how an index leads there: what a fetch would do, step by step.
//
// Owns: the way from the index entry to the batch. Never: believes an entry that leads elsewhere;
//   it is said, and the walk begins at the segment's first byte.

import type { Storage } from "../../port/storage.ts";
import { StorageError, type StorageFile } from "../../port/storage.ts";
import { parseSegmentFileName, segmentFileName } from "../segment-names.ts";
import { walkHeaders } from "../walk.ts";
import { IndexEntries, type IndexEntry } from "./index-entries.ts";

export interface LookedUp {
  /** The .log. */
  readonly file: string;
  /** The entry that the look-up begins with; null when it begins at the segment's first byte. */
  readonly entry: IndexEntry | null;
  /** Whether a batch lies where the entry says. */
  readonly isEntryRight: boolean;
  /** Where the walk over the batches begins. Bytes. */
  readonly from: number;
  readonly walkedBatches: number;
  readonly batch: {
    readonly position: number;
    readonly baseOffset: number;
    readonly lastOffset: number;
    readonly maxTimestamp: number;
  };
}

/** The segments of a folder by base offset, ascending. */
export async function listSegments(storage: Storage, folder: string): Promise<number[]> {
  const bases = (await storage.list(folder)).flatMap(({ name }) => {
    const parsed = parseSegmentFileName(name);
    return parsed?.kind === "log" ? [parsed.offset] : [];
  });
  return bases.sort((a, b) => a - b);
}

/** The batch that holds `offset`, or the first behind it; null when the log ends before it. */
export async function lookUpOffset(storage: Storage, folder: string, offset: number): Promise<LookedUp | null> {
  const bases = await listSegments(storage, folder);
  const first = Math.max(
    0,
    bases.findLastIndex((base) => base <= offset),
  );
  for (const base of bases.slice(first)) {
    const entry = await lastEntry(storage, folder, base, "index", ({ key }) => base + key <= offset);
    const found = await walk(storage, folder, base, {
      entry,
      from: entry?.value ?? 0,
      isRight: (batch) => entry === null || batch.lastOffset === base + entry.key,
      wanted: (batch) => batch.lastOffset >= offset,
    });
    if (found !== null) return found;
  }
  return null;
}

/** The first batch that holds a record of `timestamp` or later; null when there is none. */
export async function lookUpTimestamp(storage: Storage, folder: string, timestamp: number): Promise<LookedUp | null> {
  for (const base of await listSegments(storage, folder)) {
    const entry = await lastEntry(storage, folder, base, "timeindex", ({ key }) => key < timestamp);
    const at = entry === null ? null : await lookUpIn(storage, folder, base, base + entry.value);
    const found = await walk(storage, folder, base, {
      entry,
      from: at ?? 0,
      isRight: (batch) => entry === null || batch.maxTimestamp === entry.key,
      wanted: (batch) => batch.maxTimestamp >= timestamp,
    });
    if (found !== null) return found;
  }
  return null;
}

type Batch = LookedUp["batch"];

async function lookUpIn(storage: Storage, folder: string, base: number, offset: number): Promise<number | null> {
  const entry = await lastEntry(storage, folder, base, "index", ({ key }) => base + key <= offset);
  const found = await walk(storage, folder, base, {
    entry,
    from: entry?.value ?? 0,
    isRight: (batch) => entry === null || batch.lastOffset === base + entry.key,
    wanted: (batch) => batch.lastOffset >= offset,
  });
  return found?.batch.position ?? null;
}

interface Walk {
  readonly entry: IndexEntry | null;
  readonly from: number;
  isRight(batch: Batch): boolean;
  wanted(batch: Batch): boolean;
}

async function walk(storage: Storage, folder: string, base: number, plan: Walk): Promise<LookedUp | null> {
  const path = `${folder}/${segmentFileName(base, "log")}`;
  const file = await storage.open(path);
  try {
    const first = await walkFrom(file, plan, plan.from);
    if (first.isRight) return first.found === null ? null : toResult(path, plan, first, true);
    const again = await walkFrom(file, plan, 0);
    return again.found === null ? null : toResult(path, { ...plan, from: 0 }, again, false);
  } finally {
    await file.close();
  }
}

interface Walked {
  readonly found: Batch | null;
  readonly walkedBatches: number;
  readonly isRight: boolean;
}

async function walkFrom(file: StorageFile, plan: Walk, from: number): Promise<Walked> {
  let found: Batch | null = null;
  let walkedBatches = 0;
  let isRight = from === 0;
  await walkHeaders(file, from, file.sizeBytes, (header, position) => {
    const { baseOffset, lastOffset, maxTimestamp } = header;
    const batch = { position, baseOffset, lastOffset, maxTimestamp };
    if (position === from && from > 0) isRight = plan.isRight(batch);
    if (!isRight) return false;
    walkedBatches += 1;
    if (plan.wanted(batch)) found = batch;
    return found === null;
  });
  return { found, walkedBatches, isRight };
}

function toResult(file: string, plan: Walk, { found, walkedBatches }: Walked, isEntryRight: boolean): LookedUp {
  return { file, entry: plan.entry, isEntryRight, from: plan.from, walkedBatches, batch: found as Batch };
}

/** The last entry of an index that `fits`, its keys rising; null when none does, or there is no index. */
async function lastEntry(
  storage: Storage,
  folder: string,
  base: number,
  kind: "index" | "timeindex",
  fits: (entry: IndexEntry) => boolean,
): Promise<IndexEntry | null> {
  const entries = await openEntries(storage, `${folder}/${segmentFileName(base, kind)}`, kind);
  if (entries === null) return null;
  let last: IndexEntry | null = null;
  try {
    for (let entry = await entries.next(); entry !== null && fits(entry); entry = await entries.next()) last = entry;
  } finally {
    await entries.file.close();
  }
  return last;
}

/** The entries of an index file; null when there is no such file. The caller closes the file. */
export async function openEntries(
  storage: Storage,
  path: string,
  kind: "index" | "timeindex",
): Promise<IndexEntries | null> {
  try {
    return new IndexEntries(await storage.open(path), kind === "index" ? 8 : 12);
  } catch (error) {
    if (error instanceof StorageError && error.kind === "not-found") return null;
    throw error;
  }
}
