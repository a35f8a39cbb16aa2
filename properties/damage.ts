// Damage to a data folder's files: what bad disks, bad copies and bad hands do.
//
// Owns: the kinds of damage, where each hits, and whether anybody could know.
// Never: opens a broker, or verifies.

import fc from "fast-check";
import type { Image } from "./folder.ts";
import { draw, type Random } from "./random.ts";
import { batchesOf } from "./records.ts";
import { kernel } from "./subject.ts";

export const damageKinds = [
  "flip",
  "flip in a log",
  "flip in an index",
  "flip elsewhere",
  "flip a leader epoch",
  "change an epoch checkpoint",
  "truncate",
  "truncate at a batch",
  "extend with garbage",
  "extend with zeros",
  "extend with itself",
  "extend an index with much",
  "lose an offset index",
  "lose a checkpoint",
  "zero a range",
  "swap indexes",
  "swap logs",
  "duplicate a segment",
  "remove",
  "empty",
  "permute batches",
  "permute blocks",
  // With a checksum that fits: somebody wrote it so.
  "forge a record",
  "forge a count",
  "forge a compressed batch",
  // Beside the files that were written.
  "add a foreign file",
  "add a temporary file",
  "remove a partition",
  "rename a partition",
  "move a snapshot beyond the end",
  "leave a fence",
  "leave a file of a compaction",
  "leave a bad compaction checkpoint",
] as const;

export type DamageKind = (typeof damageKinds)[number];

export interface DamagePlan {
  readonly kind: DamageKind;
  readonly seed: number;
}

export const damagePlans: fc.Arbitrary<DamagePlan> = fc.record({
  kind: fc.constantFrom(...damageKinds),
  seed: fc.nat(2 ** 31 - 1),
});

export interface Damage {
  readonly image: Image;
  /** Every file that was changed, made or removed. */
  readonly files: readonly string[];
  /** The first byte that differs in `files[0]`; 0 for a file that came or went. */
  readonly position: number;
}

/** The damaged image; null when this folder has nothing that this kind could hit. */
export function damage(image: Image, plan: DamagePlan): Damage | null {
  const random = draw(plan.seed, plan.kind);
  const files = [...image.keys()].filter((path) => path !== ".kafka_cleanshutdown").sort();
  const filled = files.filter((path) => size(image, path) > 0);
  const logs = filled.filter((path) => path.endsWith(".log"));
  const indexes = filled.filter((path) => path.endsWith("index"));
  switch (plan.kind) {
    case "flip":
      return flip(image, random, filled);
    case "flip in a log":
      return flip(image, random, logs);
    case "flip in an index":
      return flip(image, random, indexes);
    case "flip a leader epoch":
      return edit(image, random, logs, (bytes) => {
        const flipped = bytes.slice();
        const at = random.pick(batchesOf(bytes)).position + 12 + random.below(4);
        flipped[at] = (flipped[at] as number) ^ (1 << random.below(8));
        return flipped;
      });
    case "change an epoch checkpoint":
      return edit(
        image,
        random,
        filled.filter((path) => path.endsWith("leader-epoch-checkpoint")),
        (bytes) => {
          const lines = new TextDecoder().decode(bytes).trimEnd().split("\n");
          const last = lines.length - 1;
          const [epoch = 0, start = 0] = (lines[last] as string).split(" ").map(Number);
          lines[last] = random.chance(0.5) ? `${epoch + 1 + random.below(3)} ${start}` : `${epoch} ${start + 1}`;
          return new TextEncoder().encode(`${lines.join("\n")}\n`);
        },
      );
    case "flip elsewhere":
      return flip(
        image,
        random,
        filled.filter((path) => !logs.includes(path) && !indexes.includes(path)),
      );
    case "truncate":
      return edit(image, random, filled, (bytes) => bytes.slice(0, random.below(bytes.length)));
    case "truncate at a batch":
      return edit(image, random, logs, (bytes) => bytes.slice(0, random.pick(batchesOf(bytes)).position));
    case "extend with garbage":
      return edit(image, random, files, (bytes) => joined(bytes, garbage(random)));
    case "extend with zeros":
      return edit(image, random, files, (bytes) => joined(bytes, new Uint8Array(1 + random.below(300))));
    case "extend with itself":
      return edit(image, random, filled, (bytes) => joined(bytes, bytes));
    case "extend an index with much":
      return edit(image, random, indexes, (bytes) => {
        const more = new Uint8Array(100_000 + random.below(50_000));
        if (random.chance(0.5)) random.fill(more);
        return joined(bytes, more);
      });
    case "lose a checkpoint": {
      const checkpoints = files.filter((path) => path.endsWith("-offset-checkpoint"));
      return checkpoints.length === 0 ? null : replace(image, random.pick(checkpoints), null);
    }
    case "lose an offset index": {
      const paths = indexes.filter((path) => path.endsWith(".index"));
      if (paths.length === 0) return null;
      return replace(image, random.pick(paths), random.chance(0.5) ? null : new Uint8Array(0));
    }
    case "zero a range":
      return edit(image, random, filled, (bytes) => {
        const from = random.below(bytes.length);
        return bytes.slice().fill(0, from, from + 1 + random.below(200));
      });
    case "swap indexes": {
      const kind = random.pick([".index", ".timeindex"]);
      return swap(
        image,
        random,
        indexes.filter((path) => path.endsWith(kind)),
      );
    }
    case "swap logs":
      // Whose partition a batch is of stands nowhere in it: between partitions nobody could tell.
      return swap(image, random, ofOneFolder(logs, random));
    case "duplicate a segment":
      return duplicate(image, random, logs);
    case "remove":
      return replace(image, random.pick(files), null);
    case "empty":
      return edit(image, random, filled, () => new Uint8Array(0));
    case "permute batches":
      return edit(image, random, logs, (bytes) => permuteBatches(bytes, random));
    case "permute blocks":
      return edit(image, random, logs, (bytes) => permuteBlocks(bytes, random));
    case "forge a record":
      return edit(image, random, logs, (bytes) => forge(bytes, random, false, (batch) => batch.fill(0xff, 61)));
    case "forge a count":
      return edit(image, random, logs, (bytes) =>
        forge(bytes, random, false, (batch) => new DataView(batch.buffer).setInt32(57, 1 + random.below(99))),
      );
    case "forge a compressed batch":
      return edit(image, random, logs, (bytes) => forge(bytes, random, true, (batch) => batch.fill(0x11, 61)));
    default:
      return around(image, random, plan.kind, files);
  }
}

type Around = Extract<
  DamageKind,
  | "add a foreign file"
  | "add a temporary file"
  | "remove a partition"
  | "rename a partition"
  | "move a snapshot beyond the end"
  | "leave a fence"
  | "leave a file of a compaction"
  | "leave a bad compaction checkpoint"
>;

/** Damage to what lies where, not to bytes. */
function around(image: Image, random: Random, kind: Around, files: readonly string[]): Damage | null {
  const folders = [...new Set(files.filter((path) => path.endsWith(".log")).map(folderOf))];
  const folder = random.pick(folders);
  const snapshots = files.filter((path) => path.endsWith(".snapshot"));
  const some = new TextEncoder().encode("0");
  switch (kind) {
    case "add a foreign file":
      return replace(image, random.pick(["notes.txt", `${folder}/notes.txt`, "metadata/notes.txt"]), some);
    case "add a temporary file":
      return replace(image, random.pick(["meta.properties.tmp", `${folder}/leader-epoch-checkpoint.tmp`]), some);
    case "leave a fence":
      return replace(image, `${folder}/fence-checkpoint`, some);
    case "leave a bad compaction checkpoint":
      return replace(image, `${folder}/compaction-checkpoint`, garbage(random));
    case "leave a file of a compaction": {
      const logs = files.filter((path) => folderOf(path) === folder && path.endsWith(".log") && size(image, path) > 0);
      const log = random.pick(logs.length > 0 ? logs : [`${folder}/00000000000000000000.log`]);
      // A segment that is to take its own place: an exchange that a crash interrupted.
      if (logs.length > 0 && random.chance(0.4)) return replace(image, `${log}.swap`, image.get(log) as Uint8Array);
      const name = random.pick([log, log.replace(".log", ".index"), log.replace(".log", ".timeindex")]);
      return replace(image, `${name}.${random.pick(["cleaned", "deleted"])}`, garbage(random));
    }
    case "move a snapshot beyond the end": {
      if (snapshots.length === 0) return null;
      const from = random.pick(snapshots);
      const to = `${folderOf(from)}/${String(900_000 + random.below(1000)).padStart(20, "0")}.snapshot`;
      return move(image, (path) => (path === from ? to : path), [to, from]);
    }
    default: {
      const to = kind === "remove a partition" ? null : `renamed-${random.below(9)}`;
      const moved = move(
        image,
        (path) => (folderOf(path) !== folder ? path : to === null ? null : `${to}${path.slice(folder.length)}`),
        [folder, ...(to === null ? [] : [to])],
      );
      return moved;
    }
  }
}

function folderOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function move(image: Image, target: (path: string) => string | null, files: readonly string[]): Damage {
  const after = new Map<string, Uint8Array>();
  for (const [path, bytes] of image) {
    const to = target(path);
    if (to !== null) after.set(to, bytes);
  }
  return { image: after, files, position: 0 };
}

/** Changes one batch, compressed or not, and gives it the checksum that fits. */
function forge(
  bytes: Uint8Array,
  random: Random,
  isCompressed: boolean,
  change: (batch: Uint8Array) => void,
): Uint8Array {
  const batches = batchesOf(bytes).filter(
    ({ position }) => ((bytes[position + 22] as number) & 7) > 0 === isCompressed,
  );
  if (batches.length === 0) return bytes;
  const { position, sizeBytes } = random.pick(batches);
  const batch = bytes.slice(position, position + sizeBytes);
  change(batch);
  new DataView(batch.buffer).setUint32(17, kernel.crc32c(batch.subarray(21)));
  const forged = bytes.slice();
  forged.set(batch, position);
  return forged;
}

function size(image: Image, path: string): number {
  return image.get(path)?.length ?? 0;
}

function flip(image: Image, random: Random, paths: readonly string[]): Damage | null {
  return edit(image, random, paths, (bytes) => {
    const flipped = bytes.slice();
    const at = random.below(bytes.length);
    flipped[at] = (flipped[at] as number) ^ (1 << random.below(8));
    return flipped;
  });
}

function edit(
  image: Image,
  random: Random,
  paths: readonly string[],
  change: (bytes: Uint8Array) => Uint8Array,
): Damage | null {
  if (paths.length === 0) return null;
  const path = random.pick(paths);
  return replace(image, path, change(image.get(path) as Uint8Array));
}

function replace(image: Image, path: string, bytes: Uint8Array | null): Damage {
  const after = new Map(image);
  const before = image.get(path) ?? new Uint8Array(0);
  if (bytes === null) after.delete(path);
  else after.set(path, bytes);
  return { image: after, files: [path], position: bytes === null ? 0 : firstDifference(before, bytes) };
}

export function firstDifference(one: Uint8Array, other: Uint8Array): number {
  let at = 0;
  while (at < one.length && at < other.length && one[at] === other[at]) at++;
  return at;
}

function swap(image: Image, random: Random, paths: readonly string[]): Damage | null {
  if (paths.length < 2) return null;
  const one = random.pick(paths);
  const other = random.pick(paths.filter((path) => path !== one));
  const after = new Map(image);
  const [first, second] = [image.get(one) as Uint8Array, image.get(other) as Uint8Array];
  after.set(one, second).set(other, first);
  return { image: after, files: [one, other], position: firstDifference(first, second) };
}

function ofOneFolder(paths: readonly string[], random: Random): string[] {
  if (paths.length === 0) return [];
  const chosen = random.pick(paths);
  const folder = chosen.slice(0, chosen.lastIndexOf("/"));
  return paths.filter((path) => path.startsWith(`${folder}/`));
}

function duplicate(image: Image, random: Random, logs: readonly string[]): Damage | null {
  if (logs.length === 0) return null;
  const source = random.pick(logs);
  const folder = source.slice(0, source.lastIndexOf("/"));
  const base = Number(source.slice(-24, -4));
  const count = batchesOf(image.get(source) as Uint8Array).reduce((sum, { recordCount }) => sum + recordCount, 0);
  // Within the segment, right behind it, or far away.
  const copied = base + random.pick([1 + random.below(Math.max(1, count - 1)), count, count + 1 + random.below(1000)]);
  const target = `${folder}/${String(copied).padStart(20, "0")}.log`;
  if (image.has(target)) return null;
  return replace(image, target, image.get(source) as Uint8Array);
}

function permuteBatches(bytes: Uint8Array, random: Random): Uint8Array {
  const batches = batchesOf(bytes).map(
    ({ position, sizeBytes }): Uint8Array => bytes.slice(position, position + sizeBytes),
  );
  if (batches.length < 2) return bytes;
  const at = random.below(batches.length - 1);
  const [moved] = batches.splice(at, 1);
  batches.splice(at + 1 + random.below(batches.length - at), 0, moved as Uint8Array);
  return batches.reduce((one, other) => joined(one, other));
}

function permuteBlocks(bytes: Uint8Array, random: Random): Uint8Array {
  const block = random.pick([16, 64, 512]);
  const blocks = Math.floor(bytes.length / block);
  if (blocks < 2) return bytes;
  const one = random.below(blocks) * block;
  const other = random.below(blocks) * block;
  const permuted = bytes.slice();
  permuted.set(bytes.subarray(other, other + block), one);
  permuted.set(bytes.subarray(one, one + block), other);
  return permuted;
}

function garbage(random: Random): Uint8Array {
  const bytes = new Uint8Array(1 + random.below(300));
  random.fill(bytes);
  return bytes;
}

function joined(one: Uint8Array, other: Uint8Array): Uint8Array {
  const both = new Uint8Array(one.length + other.length);
  both.set(one);
  both.set(other, one.length);
  return both;
}
