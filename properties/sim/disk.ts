// A node's disk: it takes its time, fails, fills up, stalls, and loses power.
//
// Owns: which operation fails, what a failure leaves behind, where power goes, how it stalls, and the count of each
//   fault.
// Never: when an operation has its effect and is answered (timed-storage.ts); which bytes a loss of power leaves
//   (engine/storage/memory.ts: synced and volatile images, torn sectors, names pending until their directory is synced,
//   pages clean after a failed sync).

import { mix, type Random, Stream } from "../random.ts";
import { type MemoryStorage, memoryStorage, type Storage, StorageError, type StorageOperation } from "../subject.ts";
import type { Scheduler } from "./scheduler.ts";
import {
  type DiskMix,
  drawDurationMs,
  isAnsweredFromMemory,
  isRead,
  isSync,
  type OperationKind,
  type Place,
  type TimedDisk,
  type TimedFile,
  TimedStorage,
} from "./timed-storage.ts";

export type { DiskMix };

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

const kinds: readonly OperationKind[] = [
  ...(["create", "open", "append", "read", "truncate", "sync"] as const),
  ...(["syncDirectory", "list", "makeDirectory", "rename", "remove", "rewrite"] as const),
];
/** Which writes count until power goes: those of a swap of compacted segments; all, from the next roll's snapshot on. */
export type Within = "swap" | "roll";

/** Writes of a pass of compaction that puts segments in the place of others. */
function isOfASwap(kind: OperationKind, path: string): boolean {
  return /\.(cleaned|swap|deleted)$/.test(path) || (kind === "rename" && !path.endsWith(".tmp"));
}

export class Disk implements TimedDisk {
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
    return new TimedStorage(this, this.#store, life);
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

  lives(life: number): boolean {
    return this.host.lives(life);
  }

  count(kind: OperationKind, { path, name }: Place, life: number): void {
    if (!this.host.lives(life)) throw new StorageError("closed", "the power is gone");
    this.counts.operations += 1;
    this.scheduler.note(mix(name, kinds.indexOf(kind)), () => `${kind} ${path}`);
    if (isRead(kind)) return;
    this.counts.writes += 1;
    if (this.counts.writes < this.#crashAtWrite) return;
    if (this.#within !== null && !this.#isLast(kind, path)) return;
    this.host.end(this.#crashesOnlyProcess ? "kill" : "power", `${kind} ${path}`);
    throw new StorageError("closed", "the power is gone");
  }

  /** Part of what has no room may land all the same, and may not be taken back. */
  append(file: TimedFile, bytes: Uint8Array): void {
    const { inner } = file;
    const { path } = file.place;
    if (file.isBroken) throw new StorageError("io", `${path}: a failed append could not be undone`);
    if (this.#takes("append")) {
      this.counts.failedAppends += 1;
      throw new StorageError("io", `${path}: the disk failed to write`);
    }
    if (this.#full === null) return inner.append(bytes);
    this.counts.refusedForSpace += 1;
    // A write that comes up short leaves a part, never all.
    const landing = this.#full.chance(0.5) ? this.#full.below(bytes.length) : 0;
    if (landing > 0) {
      const { sizeBytes } = inner;
      this.counts.shortWrites += 1;
      inner.append(bytes.subarray(0, landing));
      if (this.#full.chance(0.2)) {
        this.counts.brokenFiles += 1;
        file.isBroken = true;
      } else void inner.truncate(sizeBytes);
    }
    throw new StorageError("no-space", `${path}: the disk is full`);
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

  durationMs(kind: OperationKind, chance: Random): number {
    const stalledMs = Math.max(0, this.#stalledUntilMs - this.scheduler.nowMs);
    if (stalledMs === 0 && isAnsweredFromMemory(kind, chance)) return 0;
    return stalledMs + drawDurationMs(this.#mix, kind, chance);
  }

  wait(durationMs: number, chance: Random, wake: () => void): void {
    const tie = Math.floor(chance.next() * 4294967296);
    this.scheduler.after("disk", durationMs, tie, () => this.host.whenAwake(wake));
  }

  failure(kind: OperationKind, { path }: Place): StorageError | null {
    if (this.#failing.size === 0) return null;
    if (kind === "read" && path.endsWith(".log") && this.#isTheOne("read log")) {
      this.counts.failedReads += 1;
      return new StorageError("io", `${path}: the disk failed to read`);
    }
    const failing: FailingKind | null = kind === "read" ? "read" : isSync(kind) ? null : "other";
    if (failing === null || !this.#takes(failing)) return null;
    if (failing === "read") this.counts.failedReads += 1;
    else this.counts.failedOthers += 1;
    return new StorageError("io", `${path}: the disk failed to ${kind}`);
  }

  /** Nothing of a file system without a free inode can be created; what is there already grows on. */
  creating(path: string): void {
    if (!this.#isTheOne("create")) return;
    this.counts.refusedForSpace += 1;
    throw new StorageError("no-space", `${path}: the disk has no inode left`);
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
