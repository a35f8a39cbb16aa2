// The world a broker lives in while it is watched: virtual time, seeded chance, a disk that
// takes its time, fails, and loses power.
//
// Owns: one queue of events ordered by (virtual time, seeded tie-break); the clock, entropy and
//   storage handed to the broker; which life of the broker is the living one.
// Never: real time. Between two events the microtasks are drained by one setImmediate.
//
// Invariants: one seed gives one history; after a crash no answer of the dead life reaches a
//   client and none of its pending effects reaches the disk.

import { draw, type Random } from "./random.ts";
import { settle } from "./settled.ts";
import { Queue, type Queued } from "./sim/queue.ts";
import {
  type Clock,
  type Entropy,
  type Logger,
  type MemoryStorage,
  memoryStorage,
  type Storage,
  type StorageEntry,
  StorageError,
  type StorageFile,
  type StorageHooks,
  type StorageManifest,
  type StorageOperation,
} from "./subject.ts";

interface Event extends Queued {
  /** null once it was cancelled. */
  run: (() => void) | null;
}

declare const setImmediate: (run: () => void) => unknown;
const immediately = setImmediate;

function drain(): Promise<void> {
  return new Promise((resolve) => void immediately(() => resolve()));
}

/** Time as a run passes it: virtual, or an adapter's. */
export interface Time {
  readonly nowMs: number;
  schedule(delayMs: number, run: () => void): () => void;
  /** Lets events happen until `done`, or for `limitMs` at most: then false. */
  until(done: () => boolean, limitMs: number): Promise<boolean>;
  pass(durationMs: number): Promise<void>;
}

/** What a disk is made of. */
export interface Medium {
  /** The store for a new life. */
  storage(hooks: StorageHooks): Storage;
  /** Power went: what was not synced may be gone. */
  losePower(chance: Random): Promise<void>;
  /** The process ended: everything that was handed over is there. */
  endProcess(): Promise<void>;
  /** The disk seen from outside: for looking at segments, and for damaging them. */
  readonly outside: Storage;
}

function memoryMedium(): Medium {
  let store: MemoryStorage = memoryStorage();
  return {
    storage(hooks) {
      store = store.restart(hooks);
      return store;
    },
    async losePower(chance) {
      store = store.crash(() => chance.next(), {});
    },
    async endProcess() {
      store = store.restart({});
    },
    get outside() {
      return store;
    },
  };
}

export class VirtualTime implements Time {
  readonly seed: number;
  nowMs: number = 0;
  #order = 0;
  readonly #queue: Queue<Event> = new Queue();

  constructor(seed: number) {
    this.seed = seed;
  }

  schedule(delayMs: number, run: () => void): () => void {
    const order = this.#order++;
    const tie = draw(this.seed, "tie", order).next();
    const event: Event = { atMs: this.nowMs + Math.max(0, delayMs), tie, order, run };
    this.#queue.push(event);
    return () => {
      event.run = null;
    };
  }

  async until(done: () => boolean, limitMs: number): Promise<boolean> {
    const deadlineMs = this.nowMs + limitMs;
    for (;;) {
      await drain();
      if (done()) return true;
      const event = this.#next();
      if (event === undefined || event.atMs > deadlineMs) {
        this.nowMs = deadlineMs;
        return false;
      }
      this.#queue.pop();
      this.nowMs = event.atMs;
      event.run?.();
    }
  }

  /** The first that was not cancelled. */
  #next(): Event | undefined {
    while (this.#queue.first?.run === null) this.#queue.pop();
    return this.#queue.first;
  }

  async pass(durationMs: number): Promise<void> {
    await this.until(() => false, durationMs);
  }
}

/** How the disk cheats, for showing that the suite notices. */
export interface Lies {
  /** Syncs of files of these paths answer and do nothing. */
  readonly sync?: RegExp;
  /** Syncs of these directories answer and do nothing. */
  readonly syncDirectory?: RegExp;
}

export interface WorldOptions {
  readonly seed: number;
  readonly lies?: Lies;
  /** Power goes at these writes of the disk, counted from the world's beginning. */
  readonly crashAtWrites?: readonly number[];
  /** How long a sync takes at most, now and then twenty times that. Virtual milliseconds. */
  readonly syncMs?: number;
  /** Virtual time, unless an adapter brings another. */
  readonly time?: Time;
  /** Memory, unless an adapter brings another. */
  readonly medium?: Medium;
  /** False: operations take the time that they take. */
  readonly latency?: boolean;
}

/** What has been asked of the disk so far, over all lives. */
export interface DiskCounts {
  operations: number;
  /** Operations that change what a crash may leave; between two of them lies a write boundary. */
  writes: number;
  crashes: number;
}

const reads: ReadonlySet<string> = new Set(["open", "read", "list"]);

const epochMs = 1_767_225_600_000; // 2026-01-01

export class World {
  readonly time: Time;
  readonly options: WorldOptions;
  readonly counts: DiskCounts = { operations: 0, writes: 0, crashes: 0 };
  /** One line an operation of the disk: two runs of one seed give the same. */
  readonly trace: string[] = [];
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly messages: string[] = [];
  /** What the wall clock shows beyond virtual time. */
  wallOffsetMs: number = epochMs;
  incarnation = 0;
  /** Set when power was lost in this life: `what` was about to happen. */
  crashed: { readonly what: string } | null = null;
  readonly #medium: Medium;
  #crashAtWrite = Number.POSITIVE_INFINITY;
  #failSyncs = 0;
  #failing = ".log";
  #full = false;
  #roomFor = 0;
  /** Reads of logs until the one that fails. */
  #readsLeft = Number.POSITIVE_INFINITY;

  constructor(options: WorldOptions) {
    this.options = options;
    this.time = options.time ?? new VirtualTime(options.seed);
    this.#medium = options.medium ?? memoryMedium();
    const chance = draw(options.seed, "entropy");
    this.entropy = { fill: (bytes) => chance.fill(bytes) };
    this.logger = {
      log: (level, message, fields) =>
        void this.messages.push(`${level}: ${message}${fields === undefined ? "" : ` ${JSON.stringify(fields)}`}`),
    };
  }

  wallMs(): number {
    return Math.round(this.time.nowMs) + this.wallOffsetMs;
  }

  /** The clock of the life that begins now; its timers die with it. */
  clock(): Clock {
    const life = this.incarnation;
    return {
      now: () => this.wallMs(),
      monotonic: () => this.time.nowMs,
      schedule: (delayMs, run) =>
        this.time.schedule(delayMs, () => {
          if (this.incarnation === life && this.crashed === null) run();
        }),
    };
  }

  /** A new life: the disk as it lies there now. */
  begin(): Storage {
    this.incarnation++;
    this.crashed = null;
    const store = this.#medium.storage({ onOperation: (operation) => this.#meddle(operation) });
    return new SimulatedStorage(this, store, this.incarnation);
  }

  /** Power goes when the disk is asked for the `count`-th write from now. */
  crashAfter(count: number): void {
    this.#crashAtWrite = this.counts.writes + count;
  }

  /** Power goes now, or went: what remains is what a disk would show. */
  async losePower(): Promise<void> {
    this.crashed ??= { what: "nothing in particular" };
    this.#crashAtWrite = Number.POSITIVE_INFINITY;
    this.#failSyncs = 0;
    this.#full = false;
    this.counts.crashes++;
    await this.#medium.losePower(draw(this.options.seed, "crash", this.counts.crashes));
  }

  /** The process ended and the disk kept all that it had been handed. */
  async endProcess(): Promise<void> {
    this.crashed ??= { what: "the end of the process" };
    this.#crashAtWrite = Number.POSITIVE_INFINITY;
    this.#failSyncs = 0;
    this.#full = false;
    await this.#medium.endProcess();
  }

  /** The next syncs of files of this suffix fail, and what they covered is lost to later ones. */
  failSyncs(count: number, suffix: ".log" | ".journal"): void {
    this.#failSyncs = count;
    this.#failing = suffix;
  }

  /** `roomFor`: how many writes still fit. */
  fillDisk(full: boolean, roomFor = 0): void {
    this.#full = full;
    this.#roomFor = roomFor;
  }

  /** The `count`-th read of a log from now fails, and the next ones do not; 0: none. */
  failRead(count: number): void {
    this.#readsLeft = count === 0 ? Number.POSITIVE_INFINITY : count;
  }

  /** The disk seen from outside, without delay or mischief. */
  get disk(): Storage {
    return this.#medium.outside;
  }

  /** Set while an outsider looks at the disk, so that looking is no operation. */
  looking: boolean = false;

  latency(kind: string, operation: number): Random {
    return draw(this.options.seed, "latency", kind, operation);
  }

  /** Counts an operation of the broker; throws when power went. */
  count(kind: string, paths: readonly string[], life: number): number {
    if (this.crashed !== null || life !== this.incarnation) throw new StorageError("closed", "the power is gone");
    const operation = ++this.counts.operations;
    const what = `${kind} ${paths.join(" ")}`;
    this.trace.push(`${Math.round(this.time.nowMs * 1000)} ${what}`);
    if (reads.has(kind)) return operation;
    const write = ++this.counts.writes;
    if (write >= this.#crashAtWrite || this.options.crashAtWrites?.includes(write) === true) {
      this.crashed = { what: `${what} (write ${write})` };
      throw new StorageError("closed", "the power is gone");
    }
    return operation;
  }

  #meddle(operation: StorageOperation): void {
    if (this.looking) return;
    const { kind } = operation;
    if (kind === "read" && operation.paths[0]?.endsWith(".log") === true && --this.#readsLeft === 0) {
      throw new StorageError("io", `${operation.paths[0]}: the disk failed to read`);
    }
    if (this.#full && (kind === "append" || kind === "create" || kind === "makeDirectory") && --this.#roomFor < 0) {
      throw new StorageError("no-space", `${operation.paths[0]}: the disk is full`);
    }
    // A failure that comes twice in a row could not be recorded either: one kind of file at a time.
    if (kind === "sync" && this.#failSyncs > 0 && operation.paths.some((path) => path.endsWith(this.#failing))) {
      this.#failSyncs--;
      throw new StorageError("io", `${operation.paths.join(", ")}: the disk failed to sync`);
    }
  }
}

/** One of its own each time: what waits on a promise that all share is never collected. */
function never(): Promise<never> {
  return new Promise<never>(() => {});
}

class SimulatedStorage implements Storage {
  readonly manifest: StorageManifest = { name: "simulated", durable: true };
  readonly #world: World;
  readonly #store: Storage;
  readonly #life: number;

  constructor(world: World, store: Storage, life: number) {
    this.#world = world;
    this.#store = store;
    this.#life = life;
  }

  create(path: string): StorageFile {
    this.#world.count("create", [path], this.#life);
    return new SimulatedFile(this, this.#store.create(path));
  }

  append(file: StorageFile, bytes: Uint8Array): void {
    this.#world.count("append", [file.path, String(bytes.length)], this.#life);
    file.append(bytes);
  }

  async open(path: string): Promise<StorageFile> {
    return new SimulatedFile(this, await this.later("open", [path], () => this.#store.open(path)));
  }

  async sync(files: readonly StorageFile[]): Promise<void> {
    const { lies, syncMs = 8 } = this.#world.options;
    const honest = files.filter((file) => lies?.sync?.test(file.path) !== true);
    const inner = honest.map((file) => (file as SimulatedFile).inner);
    await this.later(
      "sync",
      files.map((file) => file.path),
      () => this.#store.sync(inner),
      syncMs,
    );
  }

  async syncDirectory(path: string): Promise<void> {
    const effect =
      this.#world.options.lies?.syncDirectory?.test(path) === true
        ? async () => {}
        : () => this.#store.syncDirectory(path);
    await this.later("syncDirectory", [path], effect, this.#world.options.syncMs ?? 8);
  }

  list(path: string): Promise<StorageEntry[]> {
    return this.later("list", [path], () => this.#store.list(path));
  }

  makeDirectory(path: string): Promise<void> {
    return this.later("makeDirectory", [path], () => this.#store.makeDirectory(path));
  }

  rename(from: string, to: string): Promise<void> {
    return this.later("rename", [from, to], () => this.#store.rename(from, to));
  }

  remove(path: string): Promise<void> {
    return this.later("remove", [path], () => this.#store.remove(path));
  }

  async close(): Promise<void> {}

  /** An asynchronous operation: its effect comes at the beginning or at the end of the time that it takes. */
  async later<T>(kind: string, paths: readonly string[], effect: () => Promise<T>, maxMs = 0.5): Promise<T> {
    const world = this.#world;
    let operation: number;
    try {
      operation = world.count(kind, paths, this.#life);
    } catch {
      return never();
    }
    const chance = world.latency(kind, operation);
    // Most reads are answered from memory.
    if (world.options.latency === false || (reads.has(kind) && chance.chance(0.7))) {
      const outcome = await settle(effect);
      if (!this.#alive()) return never();
      if (outcome.ok) return outcome.value;
      throw outcome.error;
    }
    const stalled = chance.chance(0.02) ? 20 : 1;
    const delayMs = chance.next() * maxMs * stalled;
    const early = chance.chance(0.5);
    const begun = early ? settle(effect) : null;
    await new Promise<void>((resolve) => {
      world.time.schedule(delayMs, () => {
        if (this.#alive()) resolve();
      });
    });
    const outcome = await (begun ?? settle(effect));
    if (!this.#alive()) return never();
    if (outcome.ok) return outcome.value;
    throw outcome.error;
  }

  #alive(): boolean {
    return this.#world.crashed === null && this.#world.incarnation === this.#life;
  }
}

class SimulatedFile implements StorageFile {
  readonly inner: StorageFile;
  readonly #storage: SimulatedStorage;

  constructor(storage: SimulatedStorage, inner: StorageFile) {
    this.#storage = storage;
    this.inner = inner;
  }

  get path(): string {
    return this.inner.path;
  }

  get sizeBytes(): number {
    return this.inner.sizeBytes;
  }

  append(bytes: Uint8Array): void {
    this.#storage.append(this.inner, bytes);
  }

  read(into: Uint8Array, position: number): Promise<number> {
    return this.#storage.later("read", [this.path], () => this.inner.read(into, position));
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#storage.later("truncate", [this.path], () => this.inner.truncate(sizeBytes));
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
