// What a `log` command looks at: a data folder, a partition's folder, or one file.
//
// Owns: telling them apart by what is there, and the folder's lock.
// Never: writes; reads a log.

import { parsePartitionFolder } from "../../engine/broker/topic-name.ts";
import { type Storage, type StorageEntry, StorageError } from "../../engine/index.ts";
import { parseSegmentFileName } from "../../engine/log/segment-names.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { UserError } from "./options.ts";

export interface Target {
  readonly storage: Storage;
  /** Where the storage begins: a data folder, or what a partition's folder lies in. */
  readonly root: string;
  readonly isDataFolder: boolean;
  /** Set when the path leads to a partition's folder, or to a file in one. */
  readonly folder?: string;
  /** Set when the path leads to a file: its path in the storage. */
  readonly file?: string;
}

/** What exit code `log` gives where it cannot read. */
export const unreadable = 2;

/** Opens what `path` leads to, read only; a data folder is locked, so that no broker changes it meanwhile. */
export async function openTarget(runtime: Runtime, path: string): Promise<Target> {
  const absolute = runtime.process.resolvePath(path);
  const place = (await placeOfFolder(runtime, absolute)) ?? (await placeOfFile(runtime, absolute));
  if (place === null) {
    throw new UserError(
      `${path} is neither a data folder, nor a partition's folder, nor a file in one: give the path of one`,
      unreadable,
    );
  }
  const { root, ...rest } = place;
  const isDataFolder = isData((await listing(runtime, root)) ?? []);
  const storage = await opening(() => runtime.openReadOnlyStorage(root, { lock: isDataFolder }));
  return { storage, root, isDataFolder, ...rest };
}

type Place = Pick<Target, "root" | "folder" | "file">;

async function placeOfFolder(runtime: Runtime, path: string): Promise<Place | null> {
  const entries = await listing(runtime, path);
  if (entries === null) return null;
  if (isData(entries)) return { root: path };
  if (entries.some(({ name }) => parseSegmentFileName(name) !== null)) {
    const { parent, name } = split(path);
    return { root: parent, folder: name };
  }
  return entries.some(({ name, kind }) => kind === "directory" && parsePartitionFolder(name) !== null)
    ? { root: path }
    : null;
}

async function placeOfFile(runtime: Runtime, path: string): Promise<Place | null> {
  const { parent, name } = split(path);
  const entries = await listing(runtime, parent);
  if (entries === null || !entries.some((entry) => entry.name === name && entry.kind === "file")) return null;
  if (isData(entries)) return { root: parent, file: name };
  const above = split(parent);
  const file = `${above.name}/${name}`;
  return parseSegmentFileName(name) === null
    ? { root: above.parent, file }
    : { root: above.parent, folder: above.name, file };
}

function isData(entries: readonly StorageEntry[]): boolean {
  return entries.some(({ name }) => name === "meta.properties" || name === "recovery-point-offset-checkpoint");
}

/** null when there is no such folder. */
async function listing(runtime: Runtime, path: string): Promise<StorageEntry[] | null> {
  try {
    const storage = await runtime.openReadOnlyStorage(path, { lock: false });
    try {
      return await storage.list("");
    } finally {
      await storage.close();
    }
  } catch (error) {
    if (error instanceof StorageError && error.kind === "not-found") return null;
    throw error instanceof StorageError ? new UserError(error.message, unreadable) : error;
  }
}

async function opening(open: () => Promise<Storage>): Promise<Storage> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    if (error.kind !== "locked") throw new UserError(error.message, unreadable);
    throw new UserError(
      `${error.message}. Stop the broker first (Ctrl-C where it runs, or SIGTERM to that process), or look at a copy of the folder`,
      unreadable,
    );
  }
}

const namedTopics = 20;

/** Ends the command where a data folder has no such topic or partition, and says which it has. */
export async function demandPartition({ storage, root }: Target, topic: string, partition?: number): Promise<void> {
  const partitions: number[] = [];
  const topics = new Set<string>();
  for (const { name, kind } of await storage.list("")) {
    const parsed = kind === "directory" ? parsePartitionFolder(name) : null;
    if (parsed === null) continue;
    topics.add(parsed.topic);
    if (parsed.topic === topic) partitions.push(parsed.partition);
  }
  if (partition === undefined ? partitions.length > 0 : partitions.includes(partition)) return;
  if (topics.has(topic)) {
    const has = partitions.sort((a, b) => a - b).slice(0, namedTopics);
    const more = partitions.length > has.length ? ` and ${partitions.length - has.length} more` : "";
    throw new UserError(
      `${root} has no partition ${partition} of topic ${topic}; it has ${has.join(", ")}${more}`,
      unreadable,
    );
  }
  const has = [...topics].sort().slice(0, namedTopics);
  const more = topics.size > has.length ? ` and ${topics.size - has.length} more` : "";
  const known = has.length === 0 ? "it has none" : `it has ${has.join(", ")}${more}`;
  throw new UserError(`${root} has no topic ${topic}; ${known}`, unreadable);
}

/** What the system cannot read ends a `log` command with its own exit code. */
export async function reading<T>(run: () => Promise<T>): Promise<T> {
  try {
    return await run();
  } catch (error) {
    throw error instanceof StorageError ? new UserError(error.message, unreadable) : error;
  }
}

function split(path: string): { readonly parent: string; readonly name: string } {
  const trimmed = path.length > 1 ? path.replace(/\/+$/, "") : path;
  const slash = trimmed.lastIndexOf("/");
  return { parent: slash <= 0 ? "/" : trimmed.slice(0, slash), name: trimmed.slice(slash + 1) };
}
