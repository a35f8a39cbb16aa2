// Puts compacted segments in the place of those they were made of, so that after a crash at any
// point there are the old ones or the new ones.
//
//   .log.cleaned   being written                                    a start removes it
//   .log.swap      whole and durable: it is to replace every        a start completes the swap
//                  segment whose base lies in its range of offsets
//   .log.deleted   replaced, kept a while for those who read it     a start removes it
//
// One swap replaces a run of segments by one or, where batches had to be written without compression
// and need the room, by several: the set. The first of a set is renamed to .swap last, and that is
// the point from which the swap counts: as long as a .cleaned lies below every .swap, none does.
// It is also renamed to its final name last, so that the swap counts until all is in its place.
//
// Owns: the names, the order of renames and syncs, and what a start makes of what it finds.
// Never: what is in the segments (compact.ts), or the log that holds them (log.ts).
//
// Invariants: each step that relies on another's being durable has a sync of the directory between
//   them. The segments of a log leave no offset between them, and neither does a set: where the
//   range of a swap ends, its own batches tell.

import { type Storage, StorageError } from "../port/storage.ts";
import { removeIfThere, type Segment } from "./segment.ts";
import { parseSegmentFileName, parseStagedFileName, type SwapStage, segmentFileName } from "./segment-names.ts";
import { walkHeaders } from "./walk.ts";

const indexKinds = ["index", "timeindex"] as const;
const kinds = ["log", "index", "timeindex"] as const;

/** The partition's files contradict each other: nobody can say what the log was. */
export class BrokenSwapError extends Error {}

export function stagedPath(folder: string, base: number, kind: (typeof kinds)[number], stage: SwapStage): string {
  return `${folder}/${segmentFileName(base, kind)}.${stage}`;
}

/** From when it resolves the swap counts. The .cleaned files are whole and synced. */
export async function commitSwap(storage: Storage, folder: string, fresh: readonly Segment[]): Promise<void> {
  const bases = fresh.map(({ baseOffset }) => baseOffset);
  const [first, ...others] = bases as [number, ...number[]];
  const advance = (base: number, kind: (typeof kinds)[number]): Promise<void> =>
    storage.rename(stagedPath(folder, base, kind, "cleaned"), stagedPath(folder, base, kind, "swap"));
  // The first must be known as not yet renamed before any other is.
  if (others.length > 0) await storage.syncDirectory(folder);
  for (const base of bases) for (const kind of indexKinds) await advance(base, kind);
  for (const base of others.reverse()) await advance(base, "log");
  await storage.syncDirectory(folder);
  await advance(first, "log");
  await storage.syncDirectory(folder);
}

/** Takes back a swap that could not be committed, in an order in which it counts at no point in between. */
export async function withdrawSwap(storage: Storage, folder: string, fresh: readonly Segment[]): Promise<void> {
  const [first, ...others] = fresh.map(({ baseOffset }) => baseOffset) as [number, ...number[]];
  for (const base of others) await removeIfThere(storage, stagedPath(folder, base, "log", "swap"));
  await storage.syncDirectory(folder);
  await removeIfThere(storage, stagedPath(folder, first, "log", "swap"));
  await storage.syncDirectory(folder);
  for (const base of [first, ...others]) {
    for (const kind of indexKinds) await removeIfThere(storage, stagedPath(folder, base, kind, "swap"));
  }
}

/** Gives the new segments their final names; the old ones are .deleted from then on. */
export async function completeSwap(
  storage: Storage,
  folder: string,
  old: readonly Segment[],
  fresh: readonly Segment[],
): Promise<void> {
  for (const { baseOffset } of old) {
    for (const kind of kinds) {
      const path = `${folder}/${segmentFileName(baseOffset, kind)}`;
      await renameIfThere(storage, path, stagedPath(folder, baseOffset, kind, "deleted"));
    }
  }
  await storage.syncDirectory(folder);
  await settleNames(
    storage,
    folder,
    fresh.map(({ baseOffset }) => baseOffset),
  );
}

/** The old ones are out of the way, durably. */
async function settleNames(storage: Storage, folder: string, bases: readonly number[]): Promise<void> {
  const settle = (base: number, kind: (typeof kinds)[number]): Promise<boolean> =>
    renameIfThere(storage, stagedPath(folder, base, kind, "swap"), `${folder}/${segmentFileName(base, kind)}`);
  for (const base of bases) for (const kind of indexKinds) await settle(base, kind);
  await storage.syncDirectory(folder);
  const [first, ...others] = bases as [number, ...number[]];
  if (others.length > 0) {
    for (const base of others.reverse()) await settle(base, "log");
    await storage.syncDirectory(folder);
  }
  await settle(first, "log");
  await storage.syncDirectory(folder);
}

async function renameIfThere(storage: Storage, from: string, to: string): Promise<boolean> {
  try {
    await storage.rename(from, to);
    return true;
  } catch (error) {
    if (error instanceof StorageError && error.kind === "not-found") return false;
    throw error;
  }
}

/** What a start finds of a swap: completes what counts, removes the rest. Notes for people. */
export async function recoverSwap(storage: Storage, folder: string): Promise<string[]> {
  const found: Record<SwapStage, { readonly name: string; readonly base: number; readonly kind: string }[]> = {
    cleaned: [],
    swap: [],
    deleted: [],
  };
  const plain: { readonly name: string; readonly base: number; readonly kind: string }[] = [];
  for (const { name } of await storage.list(folder)) {
    const staged = parseStagedFileName(name);
    if (staged !== null) found[staged.stage].push({ name, base: staged.offset, kind: staged.kind });
    const parsed = parseSegmentFileName(name);
    if (parsed !== null) plain.push({ name, base: parsed.offset, kind: parsed.kind });
  }
  const removeAll = async (files: readonly { readonly name: string }[]): Promise<void> => {
    for (const { name } of files) await removeIfThere(storage, `${folder}/${name}`);
  };
  const notes: string[] = [];
  const logsOf = (stage: SwapStage): number[] =>
    found[stage].flatMap(({ base, kind }) => (kind === "log" ? [base] : [])).sort((a, b) => a - b);
  const swaps = logsOf("swap");
  const first = swaps[0];
  if (first !== undefined && (logsOf("cleaned")[0] ?? Number.POSITIVE_INFINITY) > first) {
    for (const base of swaps) {
      const end = await endOf(storage, stagedPath(folder, base, "log", "swap"), base);
      const hasSwap = (kind: string): boolean => found.swap.some((file) => file.base === base && file.kind === kind);
      // An index of the swap's own base that has no .swap beside it any more is the new one already.
      const old = plain.filter(
        (file) =>
          file.kind !== "snapshot" && file.base >= base && file.base < end && (file.base > base || hasSwap(file.kind)),
      );
      await removeAll(old);
    }
    await storage.syncDirectory(folder);
    await settleNames(storage, folder, swaps);
    notes.push(`${folder}: completed a compaction that a crash had interrupted, from offset ${first} on`);
  } else if (found.swap.length > 0) {
    // Before the .cleaned that says that they don't count.
    await removeAll(found.swap);
    await storage.syncDirectory(folder);
  }
  await removeAll(found.cleaned);
  await removeAll(found.deleted);
  return notes;
}

/** One past the last offset of a file that was synced before it got its name. */
async function endOf(storage: Storage, path: string, base: number): Promise<number> {
  const file = await storage.open(path);
  try {
    let nextOffset = base;
    const end = await walkHeaders(file, 0, file.sizeBytes, (header) => {
      nextOffset = header.lastOffset + 1;
      return true;
    });
    if (end === file.sizeBytes && nextOffset > base) return nextOffset;
    throw new BrokenSwapError(
      `${path}: no whole batch at byte ${end} of ${file.sizeBytes}, though it was synced when it got its name`,
    );
  } finally {
    await file.close();
  }
}
