// The descriptors of a file store: bounded, opened again when they are needed.
//
// Owns: which files have a descriptor, and which loses its own when there are too many.
// Never: what is in them, or whether an operation is allowed (storage.ts).
//
// Invariants: a pinned file keeps its descriptor; a file's unsynced bytes are synced before it
//   loses its descriptor, because a later sync through another one may miss a write error;
//   a file opened again is the same file (by inode) or `not-found`. Beyond the limit are only files
//   in use, and some that wait for a sync. Who loses his is found in few steps, however many there
//   are: a hand goes round, and takes it from whom it met before and who was not used since.

import { closeSync, constants, fdatasync, fdatasyncSync, fstatSync, fsync, openSync } from "node:fs";
import { join } from "node:path";
import { StorageError } from "../../../engine/port/storage.ts";
import { codeOf, storageError } from "./storage-error.ts";
import { Turnstile } from "./turnstile.ts";

export interface OpenFile {
  path: string;
  /** Where a rename under way takes it. */
  movingTo: string | null;
  descriptor: number | null;
  inode: number;
  sizeBytes: number;
  handles: number;
  pins: number;
  whenUnpinned: (() => void)[];
  usedAt: number;
  /** `usedAt` when the hand came by: who was used since keeps his descriptor for another round. */
  lookedAt: number;
  /** Counts our own changes, which a sync must cover; `syncedChanges` is how far one did. */
  changes: number;
  syncedChanges: number;
  truncated: boolean;
  cleaning: boolean;
  /** Why nothing more is written to it. */
  broken: string | null;
}

/** So many are looked at for one that can go at once. */
const mostLooks = 16;

export class OpenFiles {
  readonly #folder: string;
  readonly #limit: number;
  readonly #most: number;
  // libuv has four threads, and reads need one.
  readonly #syncs: Turnstile = new Turnstile(3);
  readonly #byPath: Map<string, OpenFile> = new Map();
  readonly #open: Set<OpenFile> = new Set();
  /** Where the search for one that may lose its descriptor goes on: a set's iterator meets what is added later. */
  #hand: SetIterator<OpenFile> = this.#open.values();
  #uses = 0;

  constructor(folder: string, limit: number, most: number = 2 * limit) {
    this.#folder = folder;
    this.#limit = Math.max(1, limit);
    this.#most = Math.max(this.#limit, most);
  }

  create(path: string): OpenFile {
    return this.#admit(path, "wx+");
  }

  open(path: string): OpenFile {
    const file = this.#byPath.get(path);
    if (file === undefined) return this.#admit(path, constants.O_RDWR);
    file.handles++;
    return file;
  }

  /** One handle less; the last one frees the descriptor, when no operation is under way. */
  async release(file: OpenFile): Promise<void> {
    if (--file.handles > 0) return;
    if (this.#byPath.get(file.path) === file) this.#byPath.delete(file.path);
    while (file.pins > 0) await new Promise<void>((resolve) => file.whenUnpinned.push(resolve));
    this.#close(file);
  }

  async releaseAll(): Promise<void> {
    for (const file of new Set([...this.#byPath.values(), ...this.#open])) {
      file.handles = 1;
      await this.release(file);
    }
  }

  /** The file's descriptor, for use before anything else runs. */
  use(file: OpenFile): number {
    file.usedAt = ++this.#uses;
    return file.descriptor ?? this.#reopen(file);
  }

  /** Runs what takes time with the descriptor held fast. */
  async pinned<T>(file: OpenFile, run: (descriptor: number) => Promise<T>): Promise<T> {
    const descriptor = this.use(file);
    file.pins++;
    try {
      return await run(descriptor);
    } finally {
      file.pins--;
      if (file.pins === 0) for (const resolve of file.whenUnpinned.splice(0)) resolve();
      this.#shrink();
    }
  }

  /** Resolves to the size that is durable now. */
  async sync(file: OpenFile): Promise<number> {
    return await this.#syncs.pass(() => this.#syncNow(file));
  }

  async #syncNow(file: OpenFile): Promise<number> {
    return await this.pinned(file, async (descriptor) => {
      if (file.broken !== null) throw new StorageError("io", `${file.path}: ${file.broken}`);
      const { changes, sizeBytes, truncated } = file;
      file.truncated = false;
      try {
        // A file made shorter is synced with all its metadata.
        await new Promise<void>((resolve, reject) => {
          (truncated ? fsync : fdatasync)(descriptor, (error) => (error ? reject(error) : resolve()));
        });
      } catch (error) {
        file.broken = `a sync failed with ${codeOf(error) ?? error}`;
        throw storageError(error, `sync ${file.path}`, "io");
      }
      file.syncedChanges = Math.max(file.syncedChanges, changes);
      return sizeBytes;
    });
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#syncs.pass(async () => {
      const descriptor = openSync(join(this.#folder, path), constants.O_RDONLY | constants.O_DIRECTORY);
      try {
        await new Promise<void>((resolve, reject) => fsync(descriptor, (error) => (error ? reject(error) : resolve())));
      } finally {
        closeSync(descriptor);
      }
    });
  }

  /** Says that a rename is under way, until `moved` or `stayed`. */
  moving(from: string, to: string): void {
    for (const file of this.#below(from)) file.movingTo = to + file.path.slice(from.length);
  }

  moved(from: string, to: string): void {
    const followers = this.#below(from);
    this.removed(to);
    for (const file of followers) {
      this.#byPath.delete(file.path);
      file.path = to + file.path.slice(from.length);
      file.movingTo = null;
      this.#byPath.set(file.path, file);
    }
  }

  stayed(from: string): void {
    for (const file of this.#below(from)) file.movingTo = null;
  }

  /** What was open there has no name any more; its handles go on as long as the descriptor does. */
  removed(path: string): void {
    for (const file of this.#below(path)) this.#byPath.delete(file.path);
  }

  #below(path: string): OpenFile[] {
    return [...this.#byPath.values()].filter((file) => file.path === path || file.path.startsWith(`${path}/`));
  }

  #admit(path: string, flags: string | number): OpenFile {
    const descriptor = this.#openDescriptor(path, flags);
    const found = fstatSync(descriptor);
    if (!found.isFile()) {
      closeSync(descriptor);
      throw new StorageError("not-found", `${path} is not a file`);
    }
    const file: OpenFile = {
      ...{ path, movingTo: null, descriptor, inode: found.ino, sizeBytes: found.size },
      ...{ handles: 1, pins: 0, whenUnpinned: [], usedAt: ++this.#uses, lookedAt: this.#uses },
      // Who had it before may have cut it and not synced.
      ...{ changes: 0, syncedChanges: 0, truncated: true, cleaning: false, broken: null },
    };
    this.#byPath.set(path, file);
    this.#open.add(file);
    return file;
  }

  #reopen(file: OpenFile): number {
    if (this.#byPath.get(file.path) !== file) throw new StorageError("not-found", `${file.path} was removed`);
    let descriptor: number;
    try {
      descriptor = this.#openDescriptor(file.path, constants.O_RDWR);
    } catch (error) {
      if (file.movingTo === null || codeOf(error) !== "ENOENT") throw storageError(error, `open ${file.path}`);
      descriptor = this.#openDescriptor(file.movingTo, constants.O_RDWR);
    }
    if (fstatSync(descriptor).ino !== file.inode) {
      closeSync(descriptor);
      throw new StorageError("not-found", `${file.path} was replaced`);
    }
    file.descriptor = descriptor;
    this.#open.add(file);
    return descriptor;
  }

  #openDescriptor(path: string, flags: string | number): number {
    while (this.#open.size >= this.#limit && this.#evict(this.#open.size < this.#most ? "soon" : "now"));
    const absolute = join(this.#folder, path);
    try {
      return openSync(absolute, flags);
    } catch (error) {
      if (codeOf(error) !== "EMFILE" && codeOf(error) !== "ENFILE") throw error;
      if (!this.#evict("now")) throw error;
      return openSync(absolute, flags);
    }
  }

  /**
   * Frees a descriptor that was not used for long: a clean one; else, for "soon", a dirty one is
   * synced beside the work and the limit passed by some, because the sync that "now" does stalls
   * everything.
   */
  #evict(when: "clean" | "soon" | "now"): boolean {
    let dirty: OpenFile | null = null;
    // Who asks for room "now" cannot do without: all are looked at, twice, until one can go.
    const most = when === "now" ? 2 * this.#open.size : mostLooks;
    for (let looks = 0; looks < most && (dirty === null || looks < mostLooks); looks += 1) {
      const file = this.#nextLooked();
      if (file === undefined) break;
      const isUsed = file.pins > 0 || file.cleaning || file.usedAt !== file.lookedAt;
      file.lookedAt = file.usedAt;
      if (isUsed) continue;
      if (this.#isClean(file)) {
        this.#close(file);
        return true;
      }
      dirty ??= file;
    }
    if (dirty === null || when === "clean") return false;
    if (when === "soon") {
      void this.#clean(dirty);
      return false;
    }
    try {
      if (dirty.descriptor !== null) fdatasyncSync(dirty.descriptor);
      dirty.syncedChanges = dirty.changes;
    } catch (error) {
      dirty.broken = `a sync failed with ${codeOf(error) ?? error}`;
    }
    this.#close(dirty);
    return true;
  }

  /** Back to the limit, as far as that costs no sync. */
  #shrink(): void {
    while (this.#open.size > this.#limit && this.#evict("clean"));
  }

  #isClean(file: OpenFile): boolean {
    return file.syncedChanges === file.changes || this.#byPath.get(file.path) !== file;
  }

  /** Round and round through those with a descriptor. */
  #nextLooked(): OpenFile | undefined {
    const next = this.#hand.next();
    if (next.done !== true) return next.value;
    this.#hand = this.#open.values();
    return this.#hand.next().value;
  }

  async #clean(file: OpenFile): Promise<void> {
    file.cleaning = true;
    try {
      // By its turn another sync may have done it: a second one would only open the file again.
      await this.#syncs.pass(async () => (this.#isClean(file) ? 0 : this.#syncNow(file)));
    } catch {
      // It broke the file: the next append or sync says so.
    } finally {
      file.cleaning = false;
      // Its own sync could not let it go, and it may be the last thing that happens here.
      this.#shrink();
    }
  }

  #close(file: OpenFile): void {
    if (file.descriptor === null) return;
    this.#open.delete(file);
    const descriptor = file.descriptor;
    file.descriptor = null;
    closeSync(descriptor);
  }
}
