// The durable store of topics, the leader epoch and producer ids: a journal with snapshots in
// the folder `metadata`.
//
// Owns: the journal's files, the order and the durability of changes, and handing out producer ids.
// Never: folders of partitions, or what a config means. The bytes are metadata-journal.ts's.
//
// Invariants: what a reader sees here is synced; changes take effect in the order of `apply`;
//   a batch is synced before the next is appended; a producer id is handed out only when the
//   block it lies in is synced; after a failed sync nothing is written any more. Of the
//   journals in the folder the newest counts: one gets its name when its snapshot is durable,
//   and the first change goes into it when its name is.

import { MoldauError, toMoldauError } from "../errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { producerIdBlock } from "../limits.ts";
import { type Storage, StorageError, type StorageFile } from "../port/storage.ts";
import type { Clock, Logger } from "../port/world.ts";
import { type MetadataChange, MetadataImage, type TopicMeta } from "./metadata-image.ts";
import {
  encodeBatch,
  encodeChange,
  encodeSnapshot,
  groupBytes,
  type JournalContent,
  journalName,
  parseJournalName,
  readJournal,
} from "./metadata-journal.ts";

export type { MetadataChange, TopicMeta } from "./metadata-image.ts";

const folder = "metadata";
const temporaryEnd = ".tmp";

export interface MetadataOptions {
  /** A journal larger than this, and than twice its snapshot, is written anew. 1 MiB. */
  readonly compactBytes?: number;
}

interface Pending {
  readonly change: MetadataChange;
  readonly resolve: () => void;
  readonly reject: (error: MoldauError) => void;
}

/** The journal that changes go to. */
interface Journal {
  readonly generation: number;
  readonly file: StorageFile;
  readonly snapshotBytes: number;
  nextOffset: number;
}

interface World {
  readonly storage: Storage;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly logger: Logger;
}

export class MetadataStore {
  readonly #world: World;
  readonly #compactBytes: number;
  #journal: Journal;
  /** Synced: what readers see. */
  readonly #image: MetadataImage;
  /** What it will be when everything appended is synced. */
  #staged: MetadataImage;
  #queue: Pending[] = [];
  #writing: Promise<void> | null = null;
  #compactAtBytes: number;
  #fence: MoldauError | null = null;
  #closed = false;
  #nextId = 0;
  #blockEnd = 0;
  #block: Promise<void> | null = null;

  private constructor(world: World, journal: Journal, image: MetadataImage, compactBytes: number) {
    this.#world = world;
    this.#journal = journal;
    this.#image = image;
    this.#staged = image.copy();
    this.#compactBytes = compactBytes;
    this.#compactAtBytes = compactBytes;
  }

  /**
   * Recovers from the newest journal. A torn tail is cut and logged; DATA_FOLDER_UNUSABLE when the
   * journal is corrupt otherwise, or there are foreign files.
   */
  static async open(
    storage: Storage,
    kernel: Kernel,
    clock: Clock,
    logger: Logger,
    options: MetadataOptions = {},
  ): Promise<MetadataStore> {
    const world: World = { storage, kernel, clock, logger };
    await makeFolder(storage);
    const generations = await tidyFolder(storage);
    const newest = generations.at(-1);
    const found = newest === undefined ? null : await readGeneration(world, newest);
    const image = found?.image ?? new MetadataImage();
    const journal = await renewJournal(world, image, found);
    for (const generation of generations) {
      if (generation !== journal.generation) await removeJournal(world, generation);
    }
    return new MetadataStore(world, journal, image, options.compactBytes ?? groupBytes);
  }

  get topics(): ReadonlyMap<string, TopicMeta> {
    return this.#image.topics;
  }

  /** Of the last start; -1 before the first. */
  get leaderEpoch(): number {
    return this.#image.leaderEpoch;
  }

  /** Why nothing can be written any more; null when it can. */
  get fenceReason(): string | null {
    return this.#fence?.message ?? null;
  }

  /**
   * Durable, and visible here, when it resolves. Rejects with what makes the change illegal, or
   * KAFKA_STORAGE_ERROR: `effect` none when nothing was written (a full disk: try again later),
   * unknown when its sync failed.
   */
  apply(change: MetadataChange): Promise<void> {
    if (this.#closed) return Promise.reject(new MoldauError("BROKER_CLOSED", "the broker is closed"));
    if (this.#fence !== null) return Promise.reject(this.#fence);
    return new Promise((resolve, reject) => {
      this.#queue.push({ change, resolve, reject });
      this.#writing ??= this.#write();
    });
  }

  /** An id that was never handed out before, across crashes too. */
  async allocateProducerId(): Promise<number> {
    while (this.#nextId >= this.#blockEnd) {
      this.#block ??= this.#takeBlock();
      await this.#block;
    }
    const id = this.#nextId;
    this.#nextId += 1;
    return id;
  }

  /** Finishes the changes under way. Idempotent. */
  async close(): Promise<void> {
    this.#closed = true;
    await this.#writing;
    await this.#journal.file.close();
  }

  async #takeBlock(): Promise<void> {
    try {
      const first = this.#image.nextProducerId;
      const nextFree = first + producerIdBlock;
      await this.apply({ kind: "producerIdBlock", first, nextFree });
      this.#nextId = first;
      this.#blockEnd = nextFree;
    } finally {
      this.#block = null;
    }
  }

  async #write(): Promise<void> {
    while (this.#queue.length > 0) {
      await this.#commitGroup();
      if (
        this.#fence === null &&
        this.#journal.file.sizeBytes > Math.max(this.#compactAtBytes, 2 * this.#journal.snapshotBytes)
      ) {
        await this.#compact();
      }
    }
    this.#writing = null;
  }

  /** What was asked for while the last sync ran shares one batch and one sync. */
  async #commitGroup(): Promise<void> {
    const { storage, kernel, clock } = this.#world;
    const journal = this.#journal;
    const { accepted, values } = this.#takeGroup();
    if (accepted.length === 0) return;
    try {
      journal.file.append(encodeBatch(values, journal.nextOffset, Math.max(0, clock.now()), kernel));
    } catch (error) {
      // A full disk leaves the file as it was; after another failure nobody knows what it holds.
      const isUnknown = error instanceof StorageError && error.kind !== "no-space";
      const failure = `the metadata journal cannot be written: ${messageOf(error)}`;
      const refusal = storageError(failure, error, isUnknown ? "unknown" : "none");
      this.#staged = this.#image.copy();
      for (const { reject } of accepted) reject(refusal);
      if (isUnknown) this.#raiseFence(error);
      return;
    }
    try {
      await storage.sync([journal.file]);
    } catch (error) {
      const failure = storageError(`the metadata journal could not be synced: ${messageOf(error)}`, error, "unknown");
      for (const { reject } of accepted) reject(failure);
      this.#raiseFence(error);
      return;
    }
    journal.nextOffset += values.length;
    for (const { change, resolve } of accepted) {
      this.#image.apply(change);
      resolve();
    }
  }

  #takeGroup(): { readonly accepted: readonly Pending[]; readonly values: readonly Uint8Array[] } {
    const accepted: Pending[] = [];
    const values: Uint8Array[] = [];
    let sizeBytes = 0;
    let taken = 0;
    for (const pending of this.#queue) {
      if (sizeBytes >= groupBytes) break;
      taken += 1;
      try {
        this.#staged.apply(pending.change);
      } catch (error) {
        pending.reject(toMoldauError(error));
        continue;
      }
      const value = encodeChange(pending.change);
      sizeBytes += value.length;
      accepted.push(pending);
      values.push(value);
    }
    this.#queue = this.#queue.slice(taken);
    return { accepted, values };
  }

  /** Begins a new generation. Whatever fails before its name exists costs nothing but the old one's length. */
  async #compact(): Promise<void> {
    const old = this.#journal;
    let draft: Journal;
    try {
      draft = await writeJournal(this.#world, old.generation + 1, this.#image);
    } catch (error) {
      this.#compactAtBytes = old.file.sizeBytes + this.#compactBytes;
      this.#world.logger.log("warn", `the metadata journal stays long: ${messageOf(error)}`, {
        sizeBytes: old.file.sizeBytes,
      });
      return;
    }
    try {
      this.#journal = await installJournal(this.#world, draft);
    } catch (error) {
      // Either name may be there after a crash: neither journal may get another change.
      this.#raiseFence(error);
      return;
    }
    this.#compactAtBytes = this.#compactBytes;
    await old.file.close();
    await removeJournal(this.#world, old.generation);
  }

  #raiseFence(cause: unknown): void {
    this.#fence = storageError(
      `the metadata journal takes no changes since it failed (${messageOf(cause)}); restart the broker`,
      cause,
      "none",
    );
    this.#world.logger.log("error", this.#fence.message);
    for (const { reject } of this.#queue) reject(this.#fence);
    this.#queue = [];
  }
}

async function makeFolder(storage: Storage): Promise<void> {
  try {
    await storage.makeDirectory(folder);
  } catch (error) {
    if (!(error instanceof StorageError && error.kind === "exists")) throw error;
  }
  await storage.syncDirectory("");
}

/** Removes drafts that a crash left; the generations, oldest first. */
async function tidyFolder(storage: Storage): Promise<number[]> {
  const generations: number[] = [];
  for (const { name, kind } of await storage.list(folder)) {
    const isDraft = name.endsWith(temporaryEnd);
    const generation = parseJournalName(isDraft ? name.slice(0, -temporaryEnd.length) : name);
    if (generation === null || kind !== "file") {
      throw new MoldauError(
        "DATA_FOLDER_UNUSABLE",
        `${folder}/${name} is not Moldau's: move it away, or give another data folder`,
      );
    }
    if (isDraft) await storage.remove(`${folder}/${name}`);
    else generations.push(generation);
  }
  return generations.sort((one, other) => one - other);
}

interface Generation extends JournalContent {
  readonly generation: number;
  /** The whole batches that all of it was read from. */
  readonly bytes: Uint8Array;
}

async function readGeneration({ storage, kernel, logger }: World, generation: number): Promise<Generation> {
  const path = `${folder}/${journalName(generation)}`;
  const file = await storage.open(path);
  try {
    const bytes = await readWhole(file);
    const content = readJournal(bytes, path, kernel);
    const tornBytes = file.sizeBytes - content.validBytes;
    if (tornBytes > 0) {
      logger.log("warn", `${path} ends in a torn batch: its ${tornBytes} bytes are cut off`, {
        position: content.validBytes,
        truncatedBytes: tornBytes,
      });
    }
    return { generation, bytes: bytes.subarray(0, content.validBytes), ...content };
  } finally {
    await file.close();
  }
}

/**
 * Every start begins a new generation. What was found may lie in the system's cache only, after a
 * sync that failed for ever: a copy of it is durable for sure, and the next batch follows no torn one.
 */
async function renewJournal(world: World, image: MetadataImage, found: Generation | null): Promise<Journal> {
  let draft: Journal;
  try {
    draft = await writeJournal(world, found === null ? 0 : found.generation + 1, image);
  } catch (error) {
    const isFull = error instanceof StorageError && error.kind === "no-space";
    if (found === null || !isFull) throw error;
    return keepJournal(world, found);
  }
  return installJournal(world, draft);
}

/** No room for a copy: the old one goes on, cut, what was read of it written over itself, and synced. */
async function keepJournal({ storage }: World, found: Generation): Promise<Journal> {
  const { generation, snapshotBytes, nextOffset } = found;
  const file = await storage.open(`${folder}/${journalName(generation)}`);
  try {
    await file.truncate(found.validBytes);
    await file.rewrite(found.bytes, 0);
    await storage.sync([file]);
    await storage.syncDirectory(folder);
  } catch (error) {
    await file.close();
    throw error;
  }
  return { generation, file, snapshotBytes, nextOffset };
}

/** A draft of a generation: its snapshot, synced, under a temporary name. Leaves nothing behind when it fails. */
async function writeJournal(world: World, generation: number, image: MetadataImage): Promise<Journal> {
  const { storage, kernel, clock } = world;
  const path = `${folder}/${journalName(generation)}${temporaryEnd}`;
  await removeIfThere(storage, path);
  const file = storage.create(path);
  try {
    const values = encodeSnapshot(image);
    for (let start = 0; start < values.length; ) {
      const end = groupEnd(values, start);
      file.append(encodeBatch(values.slice(start, end), start, Math.max(0, clock.now()), kernel));
      start = end;
    }
    await storage.sync([file]);
    return { generation, file, snapshotBytes: file.sizeBytes, nextOffset: values.length };
  } catch (error) {
    await file.close();
    await removeIfThere(storage, path).catch(() => {});
    throw error;
  }
}

/** Gives a draft its name, durably. When it fails the name may be there or not. */
async function installJournal({ storage }: World, draft: Journal): Promise<Journal> {
  const path = `${folder}/${journalName(draft.generation)}`;
  try {
    await storage.rename(`${path}${temporaryEnd}`, path);
    await storage.syncDirectory(folder);
  } catch (error) {
    await draft.file.close();
    throw error;
  }
  return draft;
}

/** An old generation that stays costs its bytes; the next start tries again. */
async function removeJournal({ storage, logger }: World, generation: number): Promise<void> {
  try {
    await storage.remove(`${folder}/${journalName(generation)}`);
  } catch (error) {
    logger.log("warn", `an old metadata journal stays: ${messageOf(error)}`, { generation });
  }
}

function groupEnd(values: readonly Uint8Array[], start: number): number {
  let end = start;
  for (let sizeBytes = 0; end < values.length && sizeBytes < groupBytes; end += 1) sizeBytes += values[end]!.length;
  return end;
}

async function readWhole(file: StorageFile): Promise<Uint8Array> {
  const bytes = new Uint8Array(file.sizeBytes);
  let position = 0;
  while (position < bytes.length) {
    const length = await file.read(bytes.subarray(position), position);
    if (length === 0)
      throw new StorageError("io", `${file.path} ends at ${position}, before its size of ${bytes.length}`);
    position += length;
  }
  return bytes;
}

async function removeIfThere(storage: Storage, path: string): Promise<void> {
  try {
    await storage.remove(path);
  } catch (error) {
    if (!(error instanceof StorageError && error.kind === "not-found")) throw error;
  }
}

function storageError(message: string, cause: unknown, effect: "none" | "unknown"): MoldauError {
  return new MoldauError("KAFKA_STORAGE_ERROR", message, { cause, effect });
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
