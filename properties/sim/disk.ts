// A node's disk: it takes its time, fails, fills up, stalls, and loses power.
//
// Owns: how long each operation takes, which fails, what a failure leaves behind, where power goes,
//   and the count of each fault.
// Never: which bytes a loss of power leaves (engine/storage/memory.ts: synced and volatile images,
//   torn sectors, names pending until their directory is synced, pages clean after a failed sync).
//
// Invariant: nothing reaches the disk, and nobody hears of it, once the life that asked is over.

import { hashOf, mix, type Random, Stream } from "../random.ts";
import { type Settled, settle } from "../settled.ts";
import {
  type MemoryStorage,
  memoryStorage,
  type Storage,
  type StorageEntry,
  StorageError,
  type StorageFile,
  type StorageManifest,
  type StorageOperation,
} from "../subject.ts";
import type { Scheduler } from "./scheduler.ts";

/** What a seed's disk is like. */
export interface DiskMix {
  /** How long a sync takes at most, and twenty times that one time in fifty. Milliseconds. */
  readonly syncMs: number;
  /** Of other operations that are not answered from memory. */
  readonly otherMs: number;
}

/** Of reads of logs and of creates the one of that number from now fails, of the others so many as come. */
export type FailingKind = "sync log" | "sync journal" | "append" | "read" | "read log" | "create" | "other";

export interface DiskCounts {
  operations: number;
  /** Operations that change what a crash may leave. */
  writes: number;
  failedSyncs: number;
  failedAppends: number;
  failedReads: number;
  failedOthers: number;
  refusedForSpace: number;
  shortWrites: number;
  brokenFiles: number;
  stalls: number;
}

/** What the disk asks of whoever it is built into. */
export interface DiskHost {
  /** Whether the life that asked still lives. */
  lives(life: number): boolean;
  /** Power goes, or the process ends, right before this. */
  end(how: "power" | "kill", what: string): void;
  /** Runs it, later if the process is held up. */
  whenAwake(run: () => void): void;
}

/** One of its own each time: what waits on a promise that all share is never collected. */
function never(): Promise<never> {
  return new Promise<never>(() => {});
}
type OperationKind = StorageOperation["kind"];

const kinds: readonly OperationKind[] = [
  ...(["create", "open", "append", "read", "truncate", "sync"] as const),
  ...(["syncDirectory", "list", "makeDirectory", "rename", "remove"] as const),
];
/** Which writes count until power goes: those of a swap of compacted segments; all, from the next roll's snapshot on. */
export type Within = "swap" | "roll";

/** Writes of a pass of compaction that puts segments in the place of others. */
function isOfASwap(kind: OperationKind, path: string): boolean {
  return /\.(cleaned|swap|deleted)$/.test(path) || (kind === "rename" && !path.endsWith(".tmp"));
}

const reads: ReadonlySet<OperationKind> = new Set(["open", "read", "list"] as const);
const syncs: ReadonlySet<OperationKind> = new Set(["sync", "syncDirectory"] as const);

/** Where an operation is: a path, which a file keeps here as it was opened, and the same as a number. */
interface Place {
  readonly path: string;
  readonly name: number;
}

function placeOf(path: string): Place {
  return { path, name: hashOf(path) };
}

export class Disk {
  readonly counts: DiskCounts = {
    ...{ operations: 0, writes: 0, failedSyncs: 0, failedAppends: 0, failedReads: 0, failedOthers: 0 },
    ...{ refusedForSpace: 0, shortWrites: 0, brokenFiles: 0, stalls: 0 },
  };
  readonly scheduler: Scheduler;
  readonly host: DiskHost;
  readonly #mix: DiskMix;
  readonly #name: string;
  readonly #streams: Map<number, Stream> = new Map();
  readonly #failing: Map<FailingKind, number> = new Map();
  /** The store asks before each operation only while something is to fail: asking costs. */
  readonly #hooks: { onOperation?: (operation: StorageOperation) => void } = {};
  #store: MemoryStorage = memoryStorage();
  #stalledUntilMs = 0;
  #full: Random | null = null;
  #crashAtWrite = Number.POSITIVE_INFINITY;
  #crashesOnlyProcess = false;
  /** null: every write counts, from now on. */
  #within: Within | null = null;
  #writesLeft = 0;
  #crashes = 0;
  #looking = false;

  constructor(scheduler: Scheduler, name: string, mix: DiskMix, host: DiskHost) {
    this.scheduler = scheduler;
    this.host = host;
    this.#mix = mix;
    this.#name = name;
  }

  /** The store for a new life. */
  begin(life: number): Storage {
    this.#store = this.#store.restart(this.#hooks);
    return new NodeStorage(this, this.#store, life);
  }

  // ---- faults ------------------------------------------------------------------------------

  /** Power went. What was not synced may be gone. */
  losePower(): void {
    this.#forgetFaults();
    const chance = new Stream(this.scheduler.seed, "power", this.#name, this.#crashes++).next();
    this.#store = this.#store.crash(() => chance.next(), {});
  }

  /** The process ended, and the disk has all that it was handed. */
  endProcess(): void {
    this.#forgetFaults();
    this.#store = this.#store.restart({});
  }

  /** Power goes when the disk is asked for the `count`-th write from now; or only the process ends there. */
  crashAfter(count: number, onlyProcess: boolean): void {
    this.#crashAtWrite = this.counts.writes + count;
    this.#crashesOnlyProcess = onlyProcess;
    this.#within = null;
  }

  /** The same, where only some writes count. */
  crashWithin(within: Within, count: number, onlyProcess: boolean): void {
    this.crashAfter(0, onlyProcess);
    this.#within = within;
    this.#writesLeft = count;
  }

  /** Whether this is the last write that counts. */
  #isLast(kind: OperationKind, path: string): boolean {
    if (this.#within === "swap" && !isOfASwap(kind, path)) return false;
    if (this.#within === "roll") {
      if (!path.endsWith(".snapshot")) return false;
      // From here on all of them.
      this.crashAfter(this.#writesLeft, this.#crashesOnlyProcess);
      return false;
    }
    this.#writesLeft -= 1;
    return this.#writesLeft <= 0;
  }

  /** Power goes, where the process alone was to end. */
  crashWholly(): void {
    this.#crashesOnlyProcess = false;
  }

  fail(kind: FailingKind, count: number): void {
    this.#failing.set(kind, count);
    this.#watch();
  }

  fill(full: boolean): void {
    this.#full = full ? new Stream(this.scheduler.seed, "full", this.#name, this.counts.operations).next() : null;
    this.#watch();
  }

  stall(durationMs: number): void {
    this.counts.stalls += 1;
    this.#stalledUntilMs = Math.max(this.#stalledUntilMs, this.scheduler.nowMs + durationMs);
  }

  heal(): void {
    this.#forgetFaults();
    this.#stalledUntilMs = 0;
  }

  #forgetFaults(): void {
    this.#failing.clear();
    this.#full = null;
    this.#crashAtWrite = Number.POSITIVE_INFINITY;
    this.#within = null;
    this.#watch();
  }

  #watch(): void {
    if (this.#failing.size > 0 || this.#full !== null) {
      this.#hooks.onOperation = (operation) => this.#beforeInner(operation);
    } else delete this.#hooks.onOperation;
  }

  /** Looks at the disk from outside, or damages it: no operation of the node, without delay. */
  async outside<T>(look: (storage: Storage) => Promise<T>): Promise<T> {
    this.#looking = true;
    try {
      return await look(this.#store);
    } finally {
      this.#looking = false;
    }
  }

  // ---- for its storage ---------------------------------------------------------------------

  /** Counts an operation; throws when power went, or goes now. */
  count(kind: OperationKind, { path, name }: Place, life: number): void {
    if (!this.host.lives(life)) throw new StorageError("closed", "the power is gone");
    this.counts.operations += 1;
    this.scheduler.note(mix(name, kinds.indexOf(kind)), () => `${kind} ${path}`);
    if (reads.has(kind)) return;
    this.counts.writes += 1;
    if (this.counts.writes < this.#crashAtWrite) return;
    if (this.#within !== null && !this.#isLast(kind, path)) return;
    this.host.end(this.#crashesOnlyProcess ? "kill" : "power", `${kind} ${path}`);
    throw new StorageError("closed", "the power is gone");
  }

  /** Throws what goes wrong with an append; null when nothing does, else how much of it lands all the same. */
  shortWrite(path: string, sizeBytes: number): number | null {
    if (this.#takes("append")) {
      this.counts.failedAppends += 1;
      throw new StorageError("io", `${path}: the disk failed to write`);
    }
    if (this.#full === null) return null;
    this.counts.refusedForSpace += 1;
    return this.#full.chance(0.5) ? this.#full.below(sizeBytes + 1) : 0;
  }

  /** Whether the bytes of a short write cannot be taken back. */
  cannotUndo(): boolean {
    return this.#full?.chance(0.2) === true;
  }

  chance(kind: OperationKind, { name }: Place): Random {
    const key = mix(name, kinds.indexOf(kind));
    let stream = this.#streams.get(key);
    if (stream === undefined) {
      stream = new Stream(this.scheduler.seed, this.#name, key);
      this.#streams.set(key, stream);
    }
    return stream.next();
  }

  /** How long an operation takes. */
  durationMs(kind: OperationKind, chance: Random): number {
    const { syncMs, otherMs } = this.#mix;
    const { nowMs } = this.scheduler;
    const stalledMs = Math.max(0, this.#stalledUntilMs - nowMs);
    // Most reads are answered from memory.
    if (stalledMs === 0 && reads.has(kind) && chance.chance(0.7)) return 0;
    const slow = chance.chance(0.02) ? 20 : 1;
    return stalledMs + chance.next() * slow * (syncs.has(kind) ? syncMs : otherMs);
  }

  failure(kind: OperationKind, { path }: Place): StorageError | null {
    if (this.#failing.size === 0) return null;
    if (kind === "read" && path.endsWith(".log") && this.#isTheOne("read log")) {
      this.counts.failedReads += 1;
      return new StorageError("io", `${path}: the disk failed to read`);
    }
    const failing: FailingKind | null = kind === "read" ? "read" : syncs.has(kind) ? null : "other";
    if (failing === null || !this.#takes(failing)) return null;
    if (failing === "read") this.counts.failedReads += 1;
    else this.counts.failedOthers += 1;
    return new StorageError("io", `${path}: the disk failed to ${kind}`);
  }

  /** Nothing of a file system without a free inode can be created; what is there already grows on. */
  hasNoInode(): boolean {
    if (!this.#isTheOne("create")) return false;
    this.counts.refusedForSpace += 1;
    return true;
  }

  #isTheOne(kind: "read log" | "create"): boolean {
    const left = this.#failing.get(kind);
    if (left === undefined) return false;
    if (left > 1) this.#failing.set(kind, left - 1);
    else this.#failing.delete(kind);
    return left <= 1;
  }

  #takes(kind: FailingKind): boolean {
    const left = this.#failing.get(kind) ?? 0;
    if (left > 0) this.#failing.set(kind, left - 1);
    return left > 0;
  }

  /** A sync that fails must fail within the store, whose pages are clean then. */
  #beforeInner({ kind, paths }: StorageOperation): void {
    if (this.#looking || kind !== "sync") {
      if (this.#full !== null && !this.#looking && (kind === "create" || kind === "makeDirectory")) {
        this.counts.refusedForSpace += 1;
        throw new StorageError("no-space", `${paths[0]}: the disk is full`);
      }
      return;
    }
    const failing = paths.some((path) => path.endsWith(".log")) ? "sync log" : "sync journal";
    const wanted = failing === "sync log" || paths.some((path) => path.endsWith(".journal"));
    if (!wanted || !this.#takes(failing)) return;
    this.counts.failedSyncs += 1;
    throw new StorageError("io", `${paths.join(", ")}: the disk failed to sync`);
  }
}

class NodeStorage implements Storage {
  readonly manifest: StorageManifest = { name: "simulated", durable: true };
  readonly disk: Disk;
  readonly #store: Storage;
  readonly #life: number;

  constructor(disk: Disk, store: Storage, life: number) {
    this.disk = disk;
    this.#store = store;
    this.#life = life;
  }

  create(path: string): StorageFile {
    const place = placeOf(path);
    this.disk.count("create", place, this.#life);
    if (this.disk.hasNoInode()) throw new StorageError("no-space", `${path}: the disk has no inode left`);
    return new NodeFile(this, this.#store.create(path), place);
  }

  append(file: NodeFile, bytes: Uint8Array): void {
    const { disk } = this;
    const { inner } = file;
    const { path } = file.place;
    disk.count("append", file.place, this.#life);
    if (file.isBroken) throw new StorageError("io", `${path}: a failed append could not be undone`);
    const landing = disk.shortWrite(path, bytes.length);
    if (landing === null) return inner.append(bytes);
    if (landing > 0) {
      const { sizeBytes } = inner;
      disk.counts.shortWrites += 1;
      inner.append(bytes.subarray(0, landing));
      if (disk.cannotUndo()) {
        disk.counts.brokenFiles += 1;
        file.isBroken = true;
      } else void inner.truncate(sizeBytes);
    }
    throw new StorageError("no-space", `${path}: the disk is full`);
  }

  async open(path: string): Promise<StorageFile> {
    const place = placeOf(path);
    return new NodeFile(this, await this.later("open", place, () => this.#store.open(path)), place);
  }

  async sync(files: readonly StorageFile[]): Promise<void> {
    const inner = files.map((file) => (file as NodeFile).inner);
    const place = files.length === 0 ? placeOf("") : (files[0] as NodeFile).place;
    await this.later("sync", place, () => this.#store.sync(inner));
  }

  syncDirectory(path: string): Promise<void> {
    return this.later("syncDirectory", placeOf(path), () => this.#store.syncDirectory(path));
  }

  list(path: string): Promise<StorageEntry[]> {
    return this.later("list", placeOf(path), () => this.#store.list(path));
  }

  makeDirectory(path: string): Promise<void> {
    return this.later("makeDirectory", placeOf(path), () => this.#store.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.later("rename", placeOf(from), () => this.#store.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.later("remove", placeOf(path), () => this.#store.remove(path));
  }

  async close(): Promise<void> {}

  /** Its effect comes at the beginning or at the end of the time that it takes. */
  async later<T>(kind: OperationKind, place: Place, effect: () => Promise<T>): Promise<T> {
    const { disk } = this;
    try {
      disk.count(kind, place, this.#life);
    } catch {
      return never();
    }
    const chance = disk.chance(kind, place);
    const failure = disk.failure(kind, place);
    const perform = failure === null ? effect : () => Promise.reject(failure);
    const durationMs = disk.durationMs(kind, chance);
    if (durationMs === 0) return this.#now(perform);
    const begun = chance.chance(0.5) ? settle(perform) : null;
    const { scheduler, host } = disk;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        if (host.lives(this.#life)) resolve();
      };
      scheduler.after("disk", durationMs, Math.floor(chance.next() * 4294967296), () => host.whenAwake(wake));
    });
    return this.#answer(await (begun ?? settle(perform)));
  }

  async #now<T>(perform: () => Promise<T>): Promise<T> {
    try {
      const value = await perform();
      return this.disk.host.lives(this.#life) ? value : await never();
    } catch (error) {
      if (!this.disk.host.lives(this.#life)) return never();
      throw error;
    }
  }

  #answer<T>(outcome: Settled<T>): T | Promise<never> {
    if (!this.disk.host.lives(this.#life)) return never();
    if (outcome.ok) return outcome.value;
    throw outcome.error;
  }
}

class NodeFile implements StorageFile {
  readonly inner: StorageFile;
  readonly place: Place;
  isBroken = false;
  readonly #storage: NodeStorage;

  constructor(storage: NodeStorage, inner: StorageFile, place: Place) {
    this.#storage = storage;
    this.inner = inner;
    this.place = place;
  }

  get path(): string {
    return this.inner.path;
  }

  get sizeBytes(): number {
    return this.inner.sizeBytes;
  }

  append(bytes: Uint8Array): void {
    this.#storage.append(this, bytes);
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#storage.later("read", this.place, () => this.inner.read(into, position));
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#storage.later("truncate", this.place, () => this.inner.truncate(sizeBytes));
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
