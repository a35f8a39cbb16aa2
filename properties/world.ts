// The world a broker lives in while it is watched: virtual time, seeded chance, a disk that
// takes its time, fails, and loses power.
//
// Owns: one queue of events ordered by (virtual time, seeded tie-break); the clock, entropy and
//   storage handed to the broker; which life of the broker is the living one.
// Never: real time. Between two events the microtasks are drained by one setImmediate. Nor when an operation of
//   the disk has its effect and is answered (sim/timed-storage.ts).
//
// Invariants: one seed gives one history; after a crash no answer of the dead life reaches a
//   client and none of its pending effects reaches the disk.

import { draw, type Random } from "./random.ts";
import { Queue, type Queued } from "./sim/queue.ts";
import {
  drawDurationMs,
  isAnsweredFromMemory,
  isRead,
  type OperationKind,
  type Place,
  type TimedDisk,
  type TimedFile,
  TimedStorage,
} from "./sim/timed-storage.ts";
import {
  type Clock,
  type Entropy,
  type Logger,
  type MemoryStorage,
  memoryStorage,
  type Storage,
  StorageError,
  type StorageFile,
  type StorageHooks,
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

const epochMs = 1_767_225_600_000; // 2026-01-01

export class World implements TimedDisk {
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
    const { lies } = this.options;
    return new TimedStorage(this, lies === undefined ? store : lying(store, lies), this.incarnation);
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

  // ---- for its storage ---------------------------------------------------------------------

  lives(life: number): boolean {
    return this.crashed === null && this.incarnation === life;
  }

  count(kind: OperationKind, _: Place, life: number, words: () => readonly (string | number)[]): void {
    if (!this.lives(life)) throw new StorageError("closed", "the power is gone");
    this.counts.operations += 1;
    const what = `${kind} ${words().join(" ")}`;
    this.trace.push(`${Math.round(this.time.nowMs * 1000)} ${what}`);
    if (isRead(kind)) return;
    const write = ++this.counts.writes;
    if (write >= this.#crashAtWrite || this.options.crashAtWrites?.includes(write) === true) {
      this.crashed = { what: `${what} (write ${write})` };
      throw new StorageError("closed", "the power is gone");
    }
  }

  chance(kind: OperationKind): Random {
    return draw(this.options.seed, "latency", kind, this.counts.operations);
  }

  /** What fails fails in the store, whose pages a failed sync leaves clean. */
  failure(): null {
    return null;
  }

  durationMs(kind: OperationKind, chance: Random): number {
    const { latency, syncMs = 8 } = this.options;
    if (latency === false || isAnsweredFromMemory(kind, chance)) return 0;
    return drawDurationMs({ syncMs, otherMs: 0.5 }, kind, chance);
  }

  wait(durationMs: number, _: Random, wake: () => void): void {
    this.time.schedule(durationMs, wake);
  }

  creating(): void {}

  append({ inner }: TimedFile, bytes: Uint8Array): void {
    inner.append(bytes);
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

/** The same store, but for syncs that do nothing. */
function lying(store: Storage, { sync, syncDirectory }: Lies): Storage {
  const isHonest = ({ path }: StorageFile): boolean => sync?.test(path) !== true;
  return {
    manifest: store.manifest,
    create: (path) => store.create(path),
    open: (path) => store.open(path),
    sync: (files) => store.sync(files.filter(isHonest)),
    syncDirectory: async (path) => {
      if (syncDirectory?.test(path) !== true) await store.syncDirectory(path);
    },
    list: (path) => store.list(path),
    makeDirectory: (path) => store.makeDirectory(path),
    rename: (from, to) => store.rename(from, to),
    remove: (path) => store.remove(path),
    close: () => store.close(),
  };
}
