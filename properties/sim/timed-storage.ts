// A store as a broker sees it while its disk takes time, fails, and may be gone before it has answered.
//
// Owns: when an operation has its effect and when it is answered, how long it takes, and that nothing reaches the
//   store, and nobody hears of it, once the life that asked is over.
// Never: decides what fails or when a life ends (its disk does), or which bytes a loss of power leaves.

import { hashOf, type Random } from "../random.ts";
import { type Settled, settle } from "../settled.ts";
import type { Storage, StorageEntry, StorageFile, StorageManifest, StorageOperation } from "../subject.ts";

export type OperationKind = StorageOperation["kind"];

/** Where an operation is: a path, which a file keeps here as it was opened, and the same as a number. */
export interface Place {
  readonly path: string;
  readonly name: number;
}

/** Of what an operation is, by the paths of now: who traces it asks. */
type Words = () => readonly (string | number)[];

/** What a disk is like. */
export interface DiskMix {
  /** How long a sync takes at most, and twenty times that one time in fifty. Milliseconds. */
  readonly syncMs: number;
  /** Of other operations that are not answered from memory. */
  readonly otherMs: number;
}

/** What a storage asks of the disk that it is on. */
export interface TimedDisk {
  /** Whether the life that asked still lives. */
  lives(life: number): boolean;
  /** An operation is asked for. Throws when power went, or goes now. */
  count(kind: OperationKind, place: Place, life: number, words: Words): void;
  chance(kind: OperationKind, place: Place): Random;
  /** What it fails with instead of having its effect; null for most. */
  failure(kind: OperationKind, place: Place): Error | null;
  /** 0: it is answered at once. */
  durationMs(kind: OperationKind, chance: Random): number;
  /** Calls `wake` then, or later. */
  wait(durationMs: number, chance: Random, wake: () => void): void;
  /** Throws what keeps a file from being created. */
  creating(path: string): void;
  append(file: TimedFile, bytes: Uint8Array): void;
}

const reads: ReadonlySet<OperationKind> = new Set(["open", "read", "list"] as const);
const syncs: ReadonlySet<OperationKind> = new Set(["sync", "syncDirectory"] as const);

export function isRead(kind: OperationKind): boolean {
  return reads.has(kind);
}

export function isSync(kind: OperationKind): boolean {
  return syncs.has(kind);
}

export function isAnsweredFromMemory(kind: OperationKind, chance: Random): boolean {
  return reads.has(kind) && chance.chance(0.7);
}

export function drawDurationMs({ syncMs, otherMs }: DiskMix, kind: OperationKind, chance: Random): number {
  const slow = chance.chance(0.02) ? 20 : 1;
  return chance.next() * slow * (syncs.has(kind) ? syncMs : otherMs);
}

/** One of its own each time: what waits on a promise that all share is never collected. */
function never(): Promise<never> {
  return new Promise<never>(() => {});
}

function placeOf(path: string): Place {
  return { path, name: hashOf(path) };
}

export class TimedStorage implements Storage {
  readonly manifest: StorageManifest = { name: "simulated", durable: true };
  readonly disk: TimedDisk;
  readonly #store: Storage;
  readonly #life: number;

  constructor(disk: TimedDisk, store: Storage, life: number) {
    this.disk = disk;
    this.#store = store;
    this.#life = life;
  }

  create(path: string): StorageFile {
    const place = placeOf(path);
    this.disk.count("create", place, this.#life, () => [path]);
    this.disk.creating(path);
    return new TimedFile(this, this.#store.create(path), place);
  }

  append(file: TimedFile, bytes: Uint8Array): void {
    this.disk.count("append", file.place, this.#life, () => [file.path, bytes.length]);
    this.disk.append(file, bytes);
  }

  async open(path: string): Promise<StorageFile> {
    const place = placeOf(path);
    return new TimedFile(this, await this.later("open", place, () => this.#store.open(path)), place);
  }

  async sync(files: readonly StorageFile[]): Promise<void> {
    const timed = files as readonly TimedFile[];
    const inner = timed.map((file) => file.inner);
    const place = timed[0]?.place ?? placeOf("");
    await this.later(
      "sync",
      place,
      () => this.#store.sync(inner),
      () => timed.map(({ path }) => path),
    );
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
    return this.later(
      "rename",
      placeOf(from),
      () => this.#store.rename(from, to),
      () => [from, to],
    );
  }

  remove(path: string): Promise<void> {
    return this.later("remove", placeOf(path), () => this.#store.remove(path));
  }

  async close(): Promise<void> {}

  /** Its effect comes at the beginning or at the end of the time that it takes. */
  async later<T>(
    kind: OperationKind,
    place: Place,
    effect: () => Promise<T>,
    words: Words = () => [place.path],
  ): Promise<T> {
    const { disk } = this;
    try {
      disk.count(kind, place, this.#life, words);
    } catch {
      return never();
    }
    const chance = disk.chance(kind, place);
    const failure = disk.failure(kind, place);
    const perform = failure === null ? effect : () => Promise.reject(failure);
    const durationMs = disk.durationMs(kind, chance);
    if (durationMs === 0) return this.#now(perform);
    const begun = chance.chance(0.5) ? settle(perform) : null;
    await new Promise<void>((resolve) => {
      const wake = (): void => {
        if (disk.lives(this.#life)) resolve();
      };
      disk.wait(durationMs, chance, wake);
    });
    return this.#answer(await (begun ?? settle(perform)));
  }

  async #now<T>(perform: () => Promise<T>): Promise<T> {
    try {
      const value = await perform();
      return this.disk.lives(this.#life) ? value : await never();
    } catch (error) {
      if (!this.disk.lives(this.#life)) return never();
      throw error;
    }
  }

  #answer<T>(outcome: Settled<T>): T | Promise<never> {
    if (!this.disk.lives(this.#life)) return never();
    if (outcome.ok) return outcome.value;
    throw outcome.error;
  }
}

export class TimedFile implements StorageFile {
  readonly inner: StorageFile;
  readonly place: Place;
  /** A failed append left bytes that could not be taken back. */
  isBroken = false;
  readonly #storage: TimedStorage;

  constructor(storage: TimedStorage, inner: StorageFile, place: Place) {
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
    return this.#storage.later(
      "read",
      this.place,
      () => this.inner.read(into, position),
      () => [this.path],
    );
  }

  rewrite(bytes: Uint8Array, position: number): Promise<void> {
    return this.#storage.later(
      "rewrite",
      this.place,
      () => this.inner.rewrite(bytes, position),
      () => [this.path],
    );
  }

  truncate(sizeBytes: number): Promise<void> {
    return this.#storage.later(
      "truncate",
      this.place,
      () => this.inner.truncate(sizeBytes),
      () => [this.path],
    );
  }

  close(): Promise<void> {
    return this.inner.close();
  }
}
