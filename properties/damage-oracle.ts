// What a verifier must find in a damaged folder, and where: from the damage, not from the verifier.
//
// Owns: which damage anybody could know of. A file without a checksum whose bytes still make
//   sense cannot be told from one that was written so.
// Never: looks at findings.

import type { Damage, DamageKind } from "./damage.ts";
import type { Folder, Image } from "./folder.ts";
import { batchesOf } from "./records.ts";
import type { FindingKind } from "./subject.ts";

export interface Expectation {
  /** Whether silence would be wrong. */
  readonly mustFind: boolean;
  /** Where a right finding may point. */
  readonly files: (path: string) => boolean;
  /** In `damage.files[0]` no finding may lie before this, and a right one not behind the damage. Bytes. */
  readonly earliest: number;
  /** Likewise a right finding lies at or before this: the damage, or the entry behind, where one of zeros may be right by chance. */
  readonly latest: number;
  /** The finding is in that file, between `earliest` and `latest`. */
  readonly isExact: boolean;
  /** What a right finding must be, where only one kind is right. */
  readonly kinds?: readonly FindingKind[];
}

const beside: ReadonlyMap<DamageKind, readonly FindingKind[]> = new Map([
  ["add a foreign file", ["unknown-file"]],
  ["add a temporary file", ["temporary-file"]],
  ["remove a partition", ["partition-missing"]],
  ["rename a partition", ["partition-missing"]],
  ["move a snapshot beyond the end", ["snapshot-range"]],
  ["leave a fence", ["fence"]],
  ["leave a file of a compaction", ["swap-file"]],
  ["leave a bad compaction checkpoint", ["compaction-checkpoint"]],
]);
const forged: ReadonlyMap<DamageKind, readonly FindingKind[]> = new Map([
  ["forge a record", ["record", "count"]],
  ["forge a count", ["record", "count"]],
  ["forge a compressed batch", ["decompression"]],
]);

const text = new TextDecoder();
const recoveryPointName = "recovery-point-offset-checkpoint";
const logStartName = "log-start-offset-checkpoint";

export function expectation(folder: Folder, kind: DamageKind, damage: Damage): Expectation {
  const [path = "", ...others] = damage.files;
  const partition = partitionOf(path);
  const inPartition = (file: string): boolean => file.startsWith(`${partition}/`) || file === recoveryPointName;
  const itself = (file: string): boolean => damage.files.includes(file);
  const earliest = startOf(folder.image, path, damage.position);
  const expect = (mustFind: boolean, files: (file: string) => boolean, isExact = false): Expectation => ({
    ...{ mustFind, files, earliest, isExact: mustFind && isExact },
    latest: damage.position + (path.endsWith("index") ? 12 : 0),
  });
  if (isSame(folder.image, damage.image)) return expect(false, () => false);
  const kinds = beside.get(kind);
  if (kinds !== undefined) return { ...expect(true, itself), kinds };
  if (path.endsWith(".log")) {
    // An empty partition's: the next start makes another.
    if (!damage.image.has(path) && folder.image.get(path)?.length === 0) return expect(false, inPartition);
    const isWhole = others.length === 0 && endsOnBatch(folder.image, damage, path);
    if (isWhole) return expect(!couldHaveBeen(folder, damage, path), inPartition);
    if (isInLeaderEpoch(folder.image, damage, path)) {
      const epochs: readonly FindingKind[] = ["epoch", "epoch-checkpoint"];
      const logStart = offsetsIn(folder.image, logStartName)?.get(partition.replace("-", " ")) ?? 0;
      const batch = batchesOf(folder.image.get(path) ?? new Uint8Array(0)).find(
        ({ position }) => position === earliest,
      );
      // What is deleted belongs to no epoch any more.
      if (batch !== undefined && batch.baseOffset + batch.recordCount <= logStart) return expect(false, inPartition);
      if (!hasWitness(folder.image, path, earliest)) return { ...expect(true, inPartition), kinds: epochs };
      return { ...expect(true, itself, true), kinds: ["epoch"] };
    }
    const wanted = forged.get(kind);
    return { ...expect(true, itself, others.length === 0), ...(wanted === undefined ? {} : { kinds: wanted }) };
  }
  if (kind === "change an epoch checkpoint") {
    const { startOffset, batches } = lastEpoch(folder.image, path);
    const logStart = offsetsIn(folder.image, logStartName)?.get(partition.replace("-", " ")) ?? 0;
    // At or below the log's start an entry may begin anywhere, and has perhaps no batch left.
    if (batches === 0 || startOffset < logStart) return expect(false, inPartition);
    return { ...expect(true, batches > 1 ? itself : inPartition), kinds: ["epoch-checkpoint", "epoch"] };
  }
  const mustFind = mustFindIn(folder, damage, path);
  if (path.endsWith("index")) return expect(mustFind, itself, others.length === 0 && damage.image.has(path));
  if (path.endsWith(".snapshot")) return expect(mustFind, itself);
  return expect(mustFind, (file) => itself(file) || inPartition(file) || partition === "" || file === partition);
}

export function partitionOf(path: string): string {
  return path.includes("/") ? path.slice(0, path.indexOf("/")) : "";
}

function isSame(one: Image, other: Image): boolean {
  if (one.size !== other.size) return false;
  for (const [path, bytes] of one) {
    const others = other.get(path);
    if (others === undefined || others.length !== bytes.length || others.some((byte, at) => byte !== bytes[at]))
      return false;
  }
  return true;
}

/** Where the batch or the entry begins that holds a byte. */
function startOf(image: Image, path: string, position: number): number {
  const bytes = image.get(path) ?? new Uint8Array(0);
  if (path.endsWith(".log") || path.endsWith(".journal")) {
    return batchesOf(bytes).findLast((batch) => batch.position <= position)?.position ?? 0;
  }
  if (path.endsWith(".index")) return position - (position % 8);
  if (path.endsWith(".timeindex")) return position - (position % 12);
  return 0;
}

/** Cut where a batch ends: what is left is a whole log, a shorter one. */
function endsOnBatch(image: Image, damage: Damage, path: string): boolean {
  const before = image.get(path);
  const after = damage.image.get(path) ?? new Uint8Array(0);
  if (before === undefined || after.length >= before.length || damage.position !== after.length) {
    return before !== undefined && !damage.image.has(path);
  }
  return after.length === 0 || batchesOf(before).some(({ position }) => position === after.length);
}

/** Nothing but a batch's leader epoch was changed, which lies outside the checksum. */
function isInLeaderEpoch(image: Image, damage: Damage, path: string): boolean {
  const before = image.get(path) ?? new Uint8Array(0);
  const after = damage.image.get(path);
  const start = startOf(image, path, damage.position);
  return (
    after?.length === before.length &&
    before.every((byte, at) => byte === after[at] || (at >= start + 12 && at < start + 16))
  );
}

/** Whether a batch beside it in the partition is of the same epoch: then it is known which of batch and checkpoint is wrong. */
function hasWitness(image: Image, path: string, position: number): boolean {
  const batches = partitionBatches(image, partitionOf(path));
  const at = batches.findIndex((batch) => batch.path === path && batch.position === position);
  return [at - 1, at + 1].some((other) => batches[other]?.epoch === batches[at]?.epoch);
}

interface EpochOfBatch {
  readonly path: string;
  readonly position: number;
  readonly epoch: number;
}

function partitionBatches(image: Image, partition: string): EpochOfBatch[] {
  const paths = [...image.keys()].filter((file) => file.endsWith(".log") && partitionOf(file) === partition).sort();
  return paths.flatMap((path) => {
    const bytes = image.get(path) as Uint8Array;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    return batchesOf(bytes).map(({ position }) => ({ path, position, epoch: view.getInt32(position + 12) }));
  });
}

/** The checkpoint's last entry, and how many batches are of it. */
function lastEpoch(image: Image, path: string): { readonly startOffset: number; readonly batches: number } {
  const [epoch = -1, startOffset = 0] =
    linesOf(image.get(path) ?? new Uint8Array(0), 2)
      ?.at(-1)
      ?.map(Number) ?? [];
  const batches = partitionBatches(image, partitionOf(path)).filter((batch) => batch.epoch === epoch);
  return { startOffset, batches: batches.length };
}

/** A log that a crash could have left so: above the recovery point, and nothing else knows of what is gone. */
function couldHaveBeen(folder: Folder, damage: Damage, path: string): boolean {
  if (folder.clean) return false;
  const partition = partitionOf(path);
  const inFolder = [...folder.image.keys()].filter((file) => file.startsWith(`${partition}/`));
  if (inFolder.some((file) => file.endsWith(".log") && file > path)) return false;
  const kept = batchesOf(damage.image.get(path) ?? new Uint8Array(0)).at(-1);
  const base = Number(path.slice(-24, -4));
  const end = kept === undefined ? base : kept.baseOffset + kept.recordCount;
  const point = offsetsIn(folder.image, recoveryPointName)?.get(partition.replace("-", " ")) ?? 0;
  return end >= point;
}

/** One entry of nothing but zeros leads to the first batch, if that ends with the segment's first offset. */
function isRightByChance(image: Image, path: string, after: Uint8Array | undefined): boolean {
  if (!path.endsWith(".index") || after?.length !== 8 || after.some((byte) => byte !== 0)) return false;
  const [first] = batchesOf(image.get(path.replace(".index", ".log")) ?? new Uint8Array(0));
  return first?.recordCount === 1;
}

function mustFindIn(folder: Folder, damage: Damage, path: string): boolean {
  const before = folder.image.get(path) ?? new Uint8Array(0);
  const after = damage.image.get(path);
  const name = path.slice(path.lastIndexOf("/") + 1);
  if (name.endsWith("index")) {
    return (
      isBelieved(folder, path) && isIndexDamage(name, before, after) && !isRightByChance(folder.image, path, after)
    );
  }
  if (name.endsWith(".snapshot")) return after !== undefined;
  if (name.endsWith(".journal")) return !isJournalEpoch(folder.image, damage, path, after);
  switch (name) {
    case "meta.properties":
      return after === undefined || propertyOf(after, "moldau.format.version") !== "1";
    case "partition.metadata":
      return after === undefined || propertyOf(after, "topic_id") !== propertyOf(before, "topic_id");
    case recoveryPointName:
      // A stop in order leaves it; a crash may come before it was first written.
      if (after === undefined) return folder.clean;
      return offsetsIn(damage.image, path) === null || isBeyondAnEnd(folder, damage.image);
    case logStartName:
      return after === undefined ? folder.clean : offsetsIn(damage.image, path) === null;
    case "leader-epoch-checkpoint":
      return after === undefined ? hasRecords(folder, path) : epochsDiffer(before, after, hasRecords(folder, path));
    default:
      return false;
  }
}

/** Whether the next start goes by this index without making it anew. */
function isBelieved(folder: Folder, path: string): boolean {
  const partition = partitionOf(path);
  const base = path.slice(0, path.lastIndexOf("."));
  if ((folder.image.get(`${base}.log`)?.length ?? 0) === 0) return false;
  if (folder.clean) return true;
  const following = [...folder.image.keys()]
    .filter((file) => file.endsWith(".log") && partitionOf(file) === partition && file > `${base}.log`)
    .sort()[0];
  const point = offsetsIn(folder.image, recoveryPointName)?.get(partition.replace("-", " ")) ?? 0;
  return following !== undefined && Number(following.slice(-24, -4)) < point;
}

/** An offset index that lost its last entries is only slower. */
function isIndexDamage(name: string, before: Uint8Array, after: Uint8Array | undefined): boolean {
  if (after === undefined || name.endsWith(".timeindex")) return true;
  const isPrefix = after.length < before.length && after.every((byte, at) => byte === before[at]);
  return !(isPrefix && after.length % 8 === 0);
}

/** The leader epoch of a journal's batches means nothing to anybody. */
function isJournalEpoch(image: Image, damage: Damage, path: string, after: Uint8Array | undefined): boolean {
  const before = image.get(path) as Uint8Array;
  if (after === undefined || after.length !== before.length) return false;
  return (
    before.every((byte, at) => {
      const inBatch = at - startOf(image, path, at);
      return byte === after[at] || (inBatch >= 12 && inBatch < 16);
    }) && damage.position >= 0
  );
}

function hasRecords(folder: Folder, path: string): boolean {
  const partition = partitionOf(path);
  return [...folder.image].some(
    ([file, bytes]) => file.endsWith(".log") && partitionOf(file) === partition && bytes.length > 0,
  );
}

function isBeyondAnEnd(folder: Folder, image: Image): boolean {
  for (const [key, offset] of offsetsIn(image, recoveryPointName) ?? []) {
    const partition = key.replace(" ", "-");
    const offsets = [...(folder.records.get(partition)?.keys() ?? [])];
    if (folder.records.has(partition) && offset > Math.max(-1, ...offsets) + 1) return true;
  }
  return false;
}

// ---- readers of Kafka's text files, this suite's own -----------------------------------------

function linesOf(bytes: Uint8Array, columns: number): string[][] | null {
  let content: string;
  try {
    content = new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
  if (!content.endsWith("\n")) return null;
  const [version, count, ...rows] = content
    .slice(0, -1)
    .split("\n")
    .map((line) => line.trim());
  if (version !== "0" || !/^\d+$/.test(count ?? "") || Number(count) !== rows.length) return null;
  const cells = rows.map((row) => row.split(/\s+/));
  return cells.every((row) => row.length === columns && row.slice(-1).every((cell) => /^\d{1,16}$/.test(cell)))
    ? cells
    : null;
}

function offsetsIn(image: Image, path: string): Map<string, number> | null {
  const bytes = image.get(path);
  if (bytes === undefined) return new Map();
  const rows = linesOf(bytes, 3);
  if (rows === null) return null;
  if (rows.some(([, partition]) => !/^\d+$/.test(partition ?? ""))) return null;
  const entries = new Map(
    rows.map(([topic, partition, offset]) => [`${topic} ${Number(partition)}`, Number(offset)] as const),
  );
  return entries.size === rows.length ? entries : null;
}

function epochsDiffer(before: Uint8Array, after: Uint8Array, hasBatches: boolean): boolean {
  const rows = linesOf(after, 2);
  if (rows === null) return true;
  if (rows.some(([epoch]) => !/^\d{1,16}$/.test(epoch ?? ""))) return true;
  if (!hasBatches) return false;
  const was = linesOf(before, 2) as string[][];
  const numbers = (of: readonly string[][]): string => of.map((row) => row.map(Number).join(" ")).join();
  // An entry behind the last batch has no witness; the first one's offset is cut to the log's start.
  return numbers(rows) !== numbers(was) && rows.length >= was.length && rows[0]?.[0] !== was[0]?.[0];
}

function propertyOf(bytes: Uint8Array, name: string): string | undefined {
  const line = text
    .decode(bytes)
    .split("\n")
    .find((one) => one.startsWith(name));
  return line?.slice(name.length).replace(/^[:=\s]+/, "");
}
