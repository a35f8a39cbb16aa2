// Verifies a whole data folder: what it says of itself, and every partition in it.
//
// Owns: meta.properties, the checkpoints and the metadata journal against the folders there are.
// Never: writes; judges a log (log/inspect/verify-partition.ts), or predicts the next start.

import { parseProperties } from "../../log/checkpoint-file.ts";
import { isCompacted } from "../../log/cleanup-policy.ts";
import type { Finding } from "../../log/inspect/finding.ts";
import { reportStagedFiles } from "../../log/inspect/staged-files.ts";
import { isFile, type PartitionToVerify, verifyPartition } from "../../log/inspect/verify-partition.ts";
import {
  type VerifyContext,
  type VerifyCounts,
  type VerifyOptions,
  verifyContext,
} from "../../log/inspect/verify-segment.ts";
import { partitionMetadataName } from "../../log/segment-names.ts";
import { BrokenSwapError, recoverSwap } from "../../log/segment-swap.ts";
import type { Storage, StorageEntry } from "../../port/storage.ts";
import { StorageError } from "../../port/storage.ts";
import { overlayStorage } from "../../storage/overlay.ts";
import { readFile } from "../../storage/read-file.ts";
import {
  cleanedFileName,
  logStartFileName,
  lostCheckpoints,
  readCheckpoint,
  recoveryPointFileName,
} from "../checkpoints.ts";
import { resolveConfig } from "../configs.ts";
import {
  cleanShutdownName,
  formatVersion,
  identityOf,
  isOurs,
  isStrayFolder,
  metadataFolderName,
  metaPropertiesName,
} from "../data-folder.ts";
import type { MetadataImage } from "../metadata-image.ts";
import { JournalDamage, journalName, parseJournalName, readJournal } from "../metadata-journal.ts";
import { topicIdFromBase64 } from "../topic-id.ts";
import { isDeletedFolder, parsePartitionFolder, partitionFolder } from "../topic-name.ts";
import { maxJournalBytes } from "./topic-config.ts";

export interface Selection {
  /** Both absent: everything. */
  readonly topic?: string;
  readonly partition?: number;
  /** These segments alone, by base offset, and nothing that needs all of them. */
  readonly only?: (baseOffset: number) => boolean;
}

/** Yields what was found, the data folder's own files first, then partition by partition; returns what has gone by. */
export async function* verifyDataFolder(
  options: VerifyOptions,
  selection: Selection = {},
): AsyncGenerator<Finding, VerifyCounts> {
  const context = verifyContext(options);
  const walk = new FolderWalk(context, selection);
  await walk.look();
  yield* context.findings.take();
  for (const folder of walk.folders()) {
    context.signal?.throwIfAborted();
    yield* walk.partition(folder);
  }
  return context.counts;
}

/** As `verifyDataFolder`, of one partition's folder whose data folder is not there: nothing is known of what was synced. */
export async function* verifyPartitionFolder(
  options: VerifyOptions,
  folder: string,
  only?: (baseOffset: number) => boolean,
): AsyncGenerator<Finding, VerifyCounts> {
  const context = verifyContext(options);
  yield* verifySettled(context, {
    folder,
    recorded: null,
    indexIntervalBytes: null,
    ...(only === undefined ? {} : { only }),
  });
  return context.counts;
}

/** The partition as it is once an exchange of segments that a crash interrupted has been completed, which the next start does first. */
async function* verifySettled(context: VerifyContext, partition: PartitionToVerify): AsyncGenerator<Finding, void> {
  const { findings, storage } = context;
  const { folder } = partition;
  if (!(await reportStagedFiles(storage, folder, findings))) {
    yield* verifyPartition(context, partition);
    return;
  }
  const settled = overlayStorage(storage, 0);
  try {
    await recoverSwap(settled, folder);
    yield* verifyPartition({ ...context, storage: settled }, partition);
  } catch (error) {
    if (!(error instanceof BrokenSwapError)) throw error;
    findings.add("error", "swap-file", folder, error.message);
  }
}

class FolderWalk {
  readonly #context: VerifyContext;
  readonly #storage: Storage;
  readonly #selection: Selection;
  #partitions: string[] = [];
  #clean = false;
  #image: MetadataImage | null = null;
  #recoveryPoints: ReadonlyMap<string, number> | null = null;
  #logStarts: ReadonlyMap<string, number> | null = null;

  constructor(context: VerifyContext, selection: Selection) {
    this.#context = context;
    this.#storage = context.storage;
    this.#selection = selection;
  }

  get #isWhole(): boolean {
    return this.#selection.topic === undefined;
  }

  async look(): Promise<void> {
    const entries = await this.#storage.list("");
    for (const entry of entries) await this.#classify(entry);
    this.#clean = entries.some(({ name }) => name === cleanShutdownName);
    await this.#checkMeta();
    this.#recoveryPoints = await this.#checkpoint(recoveryPointFileName);
    this.#logStarts = await this.#checkpoint(logStartFileName);
    if ((await readCheckpoint(this.#storage, cleanedFileName)) === null) {
      const message = "it is damaged: compaction begins at each log's start again";
      this.#context.findings.add("warning", "checkpoint", cleanedFileName, message, { position: 0 });
    }
    this.#checkLostCheckpoints(entries);
    this.#image = await this.#readMetadata(entries);
    if (this.#isWhole) this.#compareWithMetadata();
  }

  async #classify(entry: StorageEntry): Promise<void> {
    const { findings } = this.#context;
    const { name, kind } = entry;
    if (kind === "file" && name.endsWith(".tmp")) {
      findings.add("note", "temporary-file", name, "a crash left it half written; the next start removes it");
    } else if (kind === "directory" && isDeletedFolder(name)) {
      findings.add("note", "deleted-folder", name, "a deleted partition; the next start removes it");
    } else if (kind === "directory" && isStrayFolder(name)) {
      const message = "set aside by an earlier start, because the metadata did not name it; the broker leaves it alone";
      findings.add("note", "stray-folder", name, message);
    } else if (kind === "directory" && parsePartitionFolder(name) !== null) this.#partitions.push(name);
    else if (!isOurs(entry)) {
      const message = "Moldau did not write it: the broker refuses to start until it is moved away";
      findings.add("error", "unknown-file", name, message);
    } else if (kind === "other" && !name.startsWith(".") && !(await isFile(this.#storage, kind, name))) {
      const message = "it is no file (a pipe, a socket, a device or a dead link), where the broker wants one";
      findings.add("error", "not-a-file", name, `${message}: move it away`);
    }
  }

  async #checkMeta(): Promise<void> {
    const { findings } = this.#context;
    const bytes = await readFile(this.#storage, metaPropertiesName, 64 * 1024);
    if (bytes === null) {
      findings.add("error", "meta-properties", metaPropertiesName, "it is not there: the broker refuses to start");
      return;
    }
    const properties = parseProperties(bytes);
    const version = Number(properties?.get("moldau.format.version") ?? Number.NaN);
    if (!Number.isInteger(version) || version < 1) {
      const message = "it names no moldau.format.version: the broker refuses to start";
      findings.add("error", "meta-properties", metaPropertiesName, message, { position: 0 });
    } else if (version > formatVersion) {
      const message = `it says format ${version}; this Moldau knows up to ${formatVersion}`;
      findings.add("error", "meta-properties", metaPropertiesName, message, { position: 0 });
    } else if (identityOf(properties) === null) {
      const message = "it names no cluster.id or no node.id: the broker refuses to start";
      findings.add("error", "meta-properties", metaPropertiesName, message, { position: 0 });
    }
  }

  async #checkpoint(name: string): Promise<ReadonlyMap<string, number> | null> {
    const entries = await readCheckpoint(this.#storage, name);
    if (entries !== null) return entries;
    const message = "it is damaged: the broker refuses to start, because nobody can say what was synced";
    this.#context.findings.add("error", "checkpoint", name, message, { position: 0 });
    return null;
  }

  #checkLostCheckpoints(entries: readonly StorageEntry[]): void {
    if (this.#partitions.length === 0) return;
    const { findings } = this.#context;
    for (const { name, meaning } of lostCheckpoints) {
      if (entries.some((entry) => entry.name === name)) continue;
      if (this.#clean) {
        const message = `it is not there, though the last stop was in order: ${meaning}; the next start writes it anew`;
        findings.add("warning", "checkpoint-missing", name, message);
      } else if (name === recoveryPointFileName) {
        // Nor is it in the first second of a folder.
        const message = "it is not there: nothing counts as synced, so that the next start cuts a log where it is bad";
        findings.add("note", "checkpoint-missing", name, message);
      }
    }
  }

  // ---- the metadata journal ----------------------------------------------------------------

  async #readMetadata(entries: readonly StorageEntry[]): Promise<MetadataImage | null> {
    const { findings } = this.#context;
    if (!entries.some(({ name, kind }) => name === metadataFolderName && kind === "directory")) {
      if (this.#partitions.length > 0) {
        const message =
          "it is not there: without it the partitions' topics are unknown, and the broker refuses to start";
        findings.add("error", "journal", metadataFolderName, message);
      }
      return null;
    }
    const generations: number[] = [];
    for (const { name, kind } of await this.#storage.list(metadataFolderName)) {
      const path = `${metadataFolderName}/${name}`;
      const isDraft = name.endsWith(".tmp");
      const generation = parseJournalName(isDraft ? name.slice(0, -4) : name);
      if (generation === null || kind !== "file") {
        const message = "Moldau did not write it: the broker refuses to start until it is moved away";
        findings.add("error", "unknown-file", path, message);
      } else if (isDraft) {
        findings.add("note", "temporary-file", path, "a crash left it half written; the next start removes it");
      } else generations.push(generation);
    }
    const newest = generations.reduce((most, one) => Math.max(most, one), -1);
    if (newest < 0) {
      if (this.#partitions.length > 0) {
        const message = "it holds no journal: the partitions' topics are unknown, and the next start sets them aside";
        findings.add("error", "journal", metadataFolderName, message);
      }
      return null;
    }
    return this.#readJournal(`${metadataFolderName}/${journalName(newest)}`);
  }

  async #readJournal(path: string): Promise<MetadataImage | null> {
    const { findings, kernel } = this.#context;
    const bytes = (await readFile(this.#storage, path, maxJournalBytes)) ?? new Uint8Array(0);
    try {
      const { image, validBytes } = readJournal(bytes, path, kernel);
      const tornBytes = bytes.length - validBytes;
      if (tornBytes > 0) {
        // Each batch is synced before the next is written, and a stop in order leaves none torn.
        const explained = this.#clean ? "though the last stop was in order" : "as a crash leaves it";
        const message = `its last ${tornBytes} bytes are no whole batch, ${explained}: the next start drops them`;
        findings.add(this.#clean ? "error" : "warning", "journal", path, message, { position: validBytes });
      }
      return image;
    } catch (error) {
      if (!(error instanceof JournalDamage)) throw error;
      const message = `${error.problem}; the broker refuses to start`;
      findings.add("error", "journal", path, message, { position: error.position });
      return null;
    }
  }

  // ---- what names what ---------------------------------------------------------------------

  #compareWithMetadata(): void {
    const image = this.#image;
    if (image === null) return;
    const { findings } = this.#context;
    const known = new Set<string>();
    const folders = new Set(this.#partitions);
    for (const { name, partitions } of image.topics.values()) {
      for (let partition = 0; partition < partitions; partition += 1) {
        known.add(`${name} ${partition}`);
        const folder = partitionFolder(name, partition);
        if (folders.has(folder)) continue;
        findings.add(
          "error",
          "partition-missing",
          folder,
          "the metadata names this partition, but its folder is not there",
        );
      }
    }
    for (const folder of this.#partitions) {
      const { topic, partition } = parsePartitionFolder(folder) as { topic: string; partition: number };
      if (known.has(`${topic} ${partition}`)) continue;
      const message = "the metadata names no such partition: the next start sets the folder aside";
      findings.add("error", "stray-folder", folder, message);
    }
    for (const [name, entries] of [
      [recoveryPointFileName, this.#recoveryPoints],
      [logStartFileName, this.#logStarts],
    ] as const) {
      for (const [key, offset] of entries ?? []) {
        if (known.has(key)) continue;
        const message = `it has offset ${offset} for partition ${key.replace(/ (\d+)$/, "-$1")}, which the metadata does not name`;
        findings.add("note", "checkpoint-unknown", name, message);
      }
    }
  }

  /** The partition folders to verify, by name. */
  folders(): string[] {
    const { topic, partition } = this.#selection;
    const chosen = this.#partitions.filter((folder) => {
      const parsed = parsePartitionFolder(folder);
      return (
        (topic === undefined || parsed?.topic === topic) && (partition === undefined || parsed?.partition === partition)
      );
    });
    return chosen.sort();
  }

  async *partition(folder: string): AsyncGenerator<Finding, void> {
    const { findings } = this.#context;
    const { topic, partition } = parsePartitionFolder(folder) as { topic: string; partition: number };
    const meta = this.#image?.topics.get(topic);
    const isKnown = meta !== undefined && partition < meta.partitions;
    try {
      if (isKnown) await this.#checkTopicId(folder, meta.id);
      const key = `${topic} ${partition}`;
      const isRecorded = this.#recoveryPoints !== null && this.#logStarts !== null && (isKnown || this.#image === null);
      yield* verifySettled(this.#context, {
        folder,
        recorded: isRecorded
          ? {
              recoveryPoint: this.#recoveryPoints?.get(key) ?? 0,
              logStartOffset: this.#logStarts?.get(key) ?? 0,
              clean: this.#clean,
            }
          : null,
        indexIntervalBytes: meta === undefined ? null : resolveConfig(meta.configs).indexIntervalBytes,
        isCompacted: meta !== undefined && isCompacted(resolveConfig(meta.configs)),
        ...(this.#selection.only === undefined ? {} : { only: this.#selection.only }),
      });
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
      // Cut by an error in the middle: what was found before it still counts.
      findings.add("error", "unreadable", folder, error.message);
    }
    yield* findings.take();
  }

  async #checkTopicId(folder: string, id: string): Promise<void> {
    const { findings } = this.#context;
    const path = `${folder}/${partitionMetadataName}`;
    const bytes = await readFile(this.#storage, path, 4096);
    const text = bytes === null ? undefined : parseProperties(bytes)?.get("topic_id");
    if (text === undefined) {
      const what = bytes === null ? "it is not there" : "it names no topic_id";
      findings.add("warning", "partition-metadata", path, `${what}: the folder is believed by its name`);
    } else if (topicIdFromBase64(text) !== id) {
      const message = `its topic id is ${text}, not that of the metadata: the next start sets the folder aside`;
      findings.add("error", "topic-id", path, message, { position: 0 });
    }
  }
}
