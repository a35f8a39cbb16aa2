// The data folder as a whole: whether it is ours, of a format we know, and how the last run ended.
//
// Owns: meta.properties, the clean-shutdown marker, and the refusal of what is not Moldau's.
// Never: opens a partition.

import { MoldauError } from "../errors.ts";
import { formatProperties, parseProperties } from "../log/checkpoint-file.ts";
import { type Storage, type StorageEntry, StorageError } from "../port/storage.ts";
import type { Entropy } from "../port/world.ts";
import { readFile } from "../storage/read-file.ts";
import { replaceFile } from "../storage/replace-file.ts";
import {
  cleanedFileName,
  logStartFileName,
  lostCheckpoints,
  readCheckpoint,
  recoveryPointFileName,
} from "./checkpoints.ts";
import { createTopicId, topicIdToBase64 } from "./topic-id.ts";
import { isDeletedFolder, parsePartitionFolder } from "./topic-name.ts";

/** Raised when the meaning of anything on disk changes. */
export const formatVersion = 1;
export const metaPropertiesName = "meta.properties";
export const cleanShutdownName = ".kafka_cleanshutdown";
export const metadataFolderName = "metadata";

export interface DataFolder {
  readonly fresh: boolean;
  /** 22 characters of base64url; made with the folder, and its own for ever. */
  readonly clusterId: string;
  readonly nodeId: number;
  readonly clean: boolean;
  readonly recoveryPoints: ReadonlyMap<string, number>;
  readonly logStartOffsets: ReadonlyMap<string, number>;
  /** Where compaction had come to. */
  readonly cleanedOffsets: ReadonlyMap<string, number>;
  readonly hasCleanedFile: boolean;
  /** Names of partition folders. */
  readonly partitions: readonly string[];
  /** Folders of deleted topics, to be removed. */
  readonly deleted: readonly string[];
  readonly notes: readonly string[];
}

/** Looks the folder over, and marks it as in use: from here on a crash is an unclean one. */
export async function openDataFolder(storage: Storage, entropy: Entropy): Promise<DataFolder> {
  const entries = await storage.list("");
  const partitions: string[] = [];
  const deleted: string[] = [];
  for (const entry of entries) {
    if (entry.kind === "file" && entry.name.endsWith(".tmp")) await storage.remove(entry.name);
    else if (entry.kind === "directory" && isDeletedFolder(entry.name)) deleted.push(entry.name);
    else if (entry.kind === "directory" && isStrayFolder(entry.name)) continue;
    else if (entry.kind === "directory" && parsePartitionFolder(entry.name) !== null) partitions.push(entry.name);
    else if (!isOurs(entry)) refuse(`it holds ${entry.name}, which Moldau did not write`);
  }
  const { fresh, clusterId, nodeId } = await checkMeta(
    storage,
    entropy,
    partitions.length > 0 || entries.some((entry) => entry.name === metadataFolderName),
  );
  if (!fresh && partitions.length > 0 && !entries.some((entry) => entry.name === metadataFolderName)) {
    refuse(`it holds partitions but no ${metadataFolderName} folder, without which their topics are unknown`);
  }
  const recoveryPoints = await readOrRefuse(storage, recoveryPointFileName);
  const logStartOffsets = await readOrRefuse(storage, logStartFileName);
  const hasCleanedFile = entries.some(({ name }) => name === cleanedFileName);
  const cleanedOffsets = hasCleanedFile ? await readCheckpoint(storage, cleanedFileName) : new Map<string, number>();
  const clean = fresh || entries.some((entry) => entry.name === cleanShutdownName);
  const lost = fresh || !clean || partitions.length === 0 ? [] : lostCheckpoints;
  const notes = lost
    .filter(({ name }) => !entries.some((entry) => entry.name === name))
    .map(({ name, meaning }) => `${name} is not there, though the last stop was in order: ${meaning}`);
  // Nothing depends on it but where the next passes begin.
  if (cleanedOffsets === null) notes.push(`${cleanedFileName}: damaged; compaction begins at each log's start again`);
  return {
    ...{ fresh, clusterId, nodeId, clean, recoveryPoints, logStartOffsets, partitions, deleted, notes },
    ...{ cleanedOffsets: cleanedOffsets ?? new Map(), hasCleanedFile },
  };
}

/** Before the first append: a crash from here on must not look like a clean stop. */
export async function removeCleanMarker(storage: Storage): Promise<void> {
  try {
    await storage.remove(cleanShutdownName);
  } catch (error) {
    if (error instanceof StorageError && error.kind === "not-found") return;
    throw error;
  }
  await storage.syncDirectory("");
}

export async function writeCleanMarker(storage: Storage): Promise<void> {
  await replaceFile(storage, cleanShutdownName, new TextEncoder().encode('{"version":0,"brokerEpoch":-1}'));
}

const straySuffix = /\.[0-9a-f]{32}-stray$/;

export function isStrayFolder(name: string): boolean {
  return straySuffix.test(name);
}

export function isOurs(entry: StorageEntry): boolean {
  if (entry.name === "lost+found" || entry.name.startsWith(".")) return true;
  if (entry.kind === "directory") return entry.name === metadataFolderName;
  return [metaPropertiesName, recoveryPointFileName, logStartFileName, cleanedFileName].includes(entry.name);
}

function refuse(reason: string): never {
  throw new MoldauError(
    "DATA_FOLDER_UNUSABLE",
    `the data folder cannot be used: ${reason}. Move it away, or choose another folder with --data-dir`,
  );
}

async function readOrRefuse(storage: Storage, name: string): Promise<Map<string, number>> {
  const entries = await readCheckpoint(storage, name);
  if (entries === null) {
    throw new MoldauError(
      "DATA_FOLDER_UNUSABLE",
      `${name} is damaged: without it nobody can say what was synced. Restore it from a backup`,
    );
  }
  return entries;
}

type Identity = Pick<DataFolder, "fresh" | "clusterId" | "nodeId">;

/** Who the folder is, made up when it is new. */
async function checkMeta(storage: Storage, entropy: Entropy, hasData: boolean): Promise<Identity> {
  const bytes = await readFile(storage, metaPropertiesName, 64 * 1024);
  if (bytes === null) {
    if (hasData) refuse(`it has data but no ${metaPropertiesName}`);
    const clusterId = topicIdToBase64(createTopicId(entropy));
    const entries = new Map([
      ["version", "1"],
      ["moldau.format.version", String(formatVersion)],
      ["cluster.id", clusterId],
      ["node.id", "0"],
      ["directory.id", topicIdToBase64(createTopicId(entropy))],
    ]);
    await replaceFile(storage, metaPropertiesName, formatProperties(entries));
    return { fresh: true, clusterId, nodeId: 0 };
  }
  const properties = parseProperties(bytes);
  const text = properties?.get("moldau.format.version");
  const version = Number(text);
  if (text === undefined || !Number.isInteger(version) || version < 1) {
    refuse(`${metaPropertiesName} names no moldau.format.version; another program's, or damaged`);
  }
  if (version > formatVersion) {
    throw new MoldauError(
      "DATA_FOLDER_UNUSABLE",
      `the data folder has format ${version}; this Moldau knows up to ${formatVersion}. Use the newer Moldau that wrote it`,
    );
  }
  const identity = identityOf(properties);
  if (identity === null) refuse(`${metaPropertiesName} names no cluster.id or no node.id; it is damaged`);
  return { fresh: false, ...identity };
}

/** null when what meta.properties says is no cluster and node. */
export function identityOf(
  properties: ReadonlyMap<string, string> | null | undefined,
): Pick<DataFolder, "clusterId" | "nodeId"> | null {
  const clusterId = properties?.get("cluster.id") ?? "";
  const node = properties?.get("node.id") ?? "";
  return clusterId !== "" && /^\d{1,9}$/.test(node) ? { clusterId, nodeId: Number(node) } : null;
}
