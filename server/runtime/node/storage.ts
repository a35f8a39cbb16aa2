// The log on a real disk, over node:fs, which Node, Bun and Deno speak alike.
//
// Owns: the data folder: its lock, and the contract of engine/port/storage.ts over its files.
// Never: runs two on one folder, writes more than 256 KiB in one call, or syncs more than three
//   files at once (libuv has four threads, and reads need one).
//
// Invariants: an append is written before it returns, at the position counted here; one that
//   failed half-way is cut off, or the file is broken; after a failed sync the file is broken.

import {
  closeSync,
  existsSync,
  fsyncSync,
  ftruncate,
  ftruncateSync,
  mkdirSync,
  openSync,
  read,
  readFileSync,
  statSync,
  writeSync,
} from "node:fs";
import { mkdir, readdir, rename, rm } from "node:fs/promises";
import { dirname, join, resolve } from "node:path";
import type { Storage, StorageEntry, StorageFile, StorageManifest } from "../../../engine/port/storage.ts";
import { StorageError } from "../../../engine/port/storage.ts";
import type { StorageHooks, StorageOperationKind } from "../../../engine/port/storage-operation.ts";
import { type FolderLock, isLockName, lockFolder } from "./folder-lock.ts";
import { type OpenFile, OpenFiles } from "./open-files.ts";
import { codeOf, storageError } from "./storage-error.ts";

export interface FileStorageOptions extends StorageHooks {
  /** Descriptors kept open; twice as many while all of them wait for a sync. Default: half of what the process may have. */
  readonly maxOpenFiles?: number;
}

/** Creates the folder when it is missing, and locks it: throws `locked` when a process has it, `permission` when it cannot be written. */
export async function openFileStorage(folder: string, options: FileStorageOptions = {}): Promise<Storage> {
  const storage = new FolderStorage(folder, options);
  await storage.enter();
  return storage;
}

/** As `openFileStorage`, which the first `list`, `open` or `makeDirectory` then does. */
export function fileStorage(folder: string, options: FileStorageOptions = {}): Storage {
  return new FolderStorage(folder, options);
}

const manifest: StorageManifest = { name: "file", durable: true };
const sliceBytes = 256 * 1024;

class FolderStorage implements Storage {
  readonly manifest: StorageManifest = manifest;
  readonly files: OpenFiles;
  readonly #folder: string;
  readonly #options: FileStorageOptions;
  #entering: Promise<FolderLock> | null = null;
  #entered = false;
  #closing: Promise<void> | null = null;

  constructor(folder: string, options: FileStorageOptions) {
    this.#folder = resolve(folder);
    this.#options = options;
    const allowed = allowedDescriptors();
    this.files =
      options.maxOpenFiles === undefined
        ? new OpenFiles(this.#folder, allowed >> 1, allowed - (allowed >> 2))
        : new OpenFiles(this.#folder, options.maxOpenFiles);
  }

  async enter(): Promise<void> {
    this.#demandOpen();
    if (this.#entered) return;
    this.#entering ??= takeFolder(this.#folder);
    try {
      await this.#entering;
      this.#entered = true;
    } catch (error) {
      this.#entering = null;
      throw error;
    }
    this.#demandOpen();
  }

  create(path: string): StorageFile {
    this.begin("create", [checkName(path)]);
    if (!this.#entered) throw new StorageError("closed", `${this.#folder} is not open yet: list it first`);
    try {
      const file = new DescriptorFile(this, this.files.create(path));
      this.end("create", [path]);
      return file;
    } catch (error) {
      throw storageError(error, `create ${path}`);
    }
  }

  async open(path: string): Promise<StorageFile> {
    return await this.#run("open", [checkName(path)], async () => {
      try {
        return new DescriptorFile(this, this.files.open(path));
      } catch (error) {
        throw storageError(error, `open ${path}`, codeOf(error) === "EISDIR" ? "not-found" : undefined);
      }
    });
  }

  async sync(files: readonly StorageFile[]): Promise<void> {
    const known = files.map((file) => {
      if (!(file instanceof DescriptorFile) || file.storage !== this)
        throw new StorageError("closed", `${file.path} is not open in this store`);
      return file.openFile();
    });
    try {
      this.begin(
        "sync",
        known.map((file) => file.path),
      );
    } catch (error) {
      for (const file of known) file.broken ??= "a sync failed";
      throw error;
    }
    const results = await Promise.allSettled(
      known.map(async (file) => {
        const sizeBytes = await this.files.sync(file);
        this.end("sync", [file.path], sizeBytes);
      }),
    );
    for (const result of results) if (result.status === "rejected") throw storageError(result.reason, "sync", "io");
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#run("syncDirectory", [checkPath(path)], () => this.files.syncDirectory(path));
  }

  async list(path: string): Promise<StorageEntry[]> {
    return await this.#run("list", [checkPath(path)], async () => {
      const entries = await readdir(join(this.#folder, path), { withFileTypes: true });
      return entries
        .filter(({ name }) => path !== "" || !isLockName(name))
        .map((entry) => ({
          name: entry.name,
          kind: entry.isFile() ? "file" : entry.isDirectory() ? "directory" : "other",
        }));
    });
  }

  async makeDirectory(path: string): Promise<void> {
    await this.#run("makeDirectory", [checkName(path)], () => mkdir(join(this.#folder, path)));
  }

  async rename(from: string, to: string): Promise<void> {
    checkName(to);
    await this.#run("rename", [checkName(from), to], async () => {
      this.files.moving(from, to);
      try {
        await rename(join(this.#folder, from), join(this.#folder, to));
      } catch (error) {
        this.files.stayed(from);
        throw error;
      }
      if (from !== to) this.files.moved(from, to);
    });
  }

  async remove(path: string): Promise<void> {
    await this.#run("remove", [checkName(path)], async () => {
      await rm(join(this.#folder, path), { recursive: true });
      this.files.removed(path);
    });
  }

  close(): Promise<void> {
    this.#closing ??= this.#leave();
    return this.#closing;
  }

  begin(kind: StorageOperationKind, paths: readonly string[], sizeBytes?: number): void {
    this.#demandOpen();
    this.#options.onOperation?.(sizeBytes === undefined ? { kind, paths } : { kind, paths, sizeBytes });
  }

  end(kind: StorageOperationKind, paths: readonly string[], sizeBytes?: number): void {
    this.#options.trace?.(sizeBytes === undefined ? { kind, paths } : { kind, paths, sizeBytes });
  }

  get watched(): boolean {
    return this.#options.onOperation !== undefined || this.#options.trace !== undefined;
  }

  async #run<T>(kind: StorageOperationKind, paths: readonly string[], effect: () => Promise<T>): Promise<T> {
    await this.enter();
    this.begin(kind, paths);
    try {
      const result = await effect();
      this.end(kind, paths);
      return result;
    } catch (error) {
      throw storageError(error, `${kind} ${paths.join(" to ") || this.#folder}`);
    }
  }

  #demandOpen(): void {
    if (this.#closing !== null) throw new StorageError("closed", `${this.#folder} is closed`);
  }

  async #leave(): Promise<void> {
    if (this.#entering === null) return;
    let lock: FolderLock;
    try {
      lock = await this.#entering;
    } catch {
      return;
    }
    await this.files.releaseAll();
    lock.release();
  }
}

const mostDescriptors = 65_536;

/** The soft limit of this process; sockets need some too. Where the system does not tell, what all of them grant. */
function allowedDescriptors(): number {
  try {
    const [, limit] = /^Max open files +(\d+)/m.exec(readFileSync("/proc/self/limits", "utf8")) ?? [];
    if (limit !== undefined) return Math.min(Number(limit), mostDescriptors);
  } catch {
    // No such file: not Linux.
  }
  return 1024;
}

async function takeFolder(folder: string): Promise<FolderLock> {
  try {
    makeFolder(folder);
  } catch (error) {
    throw storageError(
      error,
      `cannot create the data folder ${folder}; create it for this user, or choose another folder`,
    );
  }
  return await lockFolder(folder);
}

/** Makes what is missing of the path, durably. */
function makeFolder(folder: string): void {
  const parent = dirname(folder);
  if (existsSync(folder)) {
    if (!statSync(folder).isDirectory())
      throw new StorageError("exists", `${folder} cannot be the data folder: it is a file; choose another folder`);
    return;
  }
  if (parent !== folder) makeFolder(parent);
  try {
    mkdirSync(folder); // `recursive` never returns on Node for a path under /proc
  } catch (error) {
    if (codeOf(error) !== "EEXIST") throw error;
  }
  const descriptor = openSync(parent, "r");
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

const nowhere: readonly string[] = [];

class DescriptorFile implements StorageFile {
  readonly storage: FolderStorage;
  readonly #file: OpenFile;
  #closed = false;

  constructor(storage: FolderStorage, file: OpenFile) {
    this.storage = storage;
    this.#file = file;
  }

  get path(): string {
    return this.#file.path;
  }

  get sizeBytes(): number {
    return this.#file.sizeBytes;
  }

  append(bytes: Uint8Array): void {
    const file = this.openFile();
    const paths = this.#paths();
    this.storage.begin("append", paths, bytes.length);
    if (file.broken !== null) throw new StorageError("io", `${file.path}: ${file.broken}`);
    const descriptor = this.storage.files.use(file);
    try {
      writeAll(descriptor, bytes, file.sizeBytes);
    } catch (error) {
      try {
        ftruncateSync(descriptor, file.sizeBytes);
      } catch (second) {
        file.broken = `a failed append could not be undone: ${codeOf(second) ?? second}`;
      }
      throw storageError(error, `append to ${file.path}`);
    }
    file.changes++;
    file.sizeBytes += bytes.length;
    this.storage.end("append", paths, bytes.length);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const file = this.openFile();
    const paths = this.#paths();
    this.storage.begin("read", paths, into.length);
    const wanted = Math.max(0, Math.min(into.length, file.sizeBytes - position));
    try {
      const done =
        wanted === 0
          ? 0
          : await this.storage.files.pinned(file, (descriptor) => readAll(descriptor, into, wanted, position));
      this.storage.end("read", paths, done);
      return done;
    } catch (error) {
      throw storageError(error, `read ${file.path}`);
    }
  }

  async rewrite(bytes: Uint8Array, position: number): Promise<void> {
    const file = this.openFile();
    const paths = this.#paths();
    this.storage.begin("rewrite", paths, bytes.length);
    if (!(position >= 0 && position + bytes.length <= file.sizeBytes)) {
      throw new StorageError("io", `${file.path}: cannot write ${bytes.length} bytes at ${position} over themselves`);
    }
    if (file.broken !== null) throw new StorageError("io", `${file.path}: ${file.broken}`);
    const descriptor = this.storage.files.use(file);
    try {
      // A page is dirty, and written by the next sync, whatever is written into it: the same bytes too.
      writeAll(descriptor, bytes, position);
    } catch (error) {
      throw storageError(error, `rewrite ${file.path}`);
    } finally {
      // A sync under way began before it, and covers none of it.
      file.changes++;
    }
    this.storage.end("rewrite", paths, bytes.length);
  }

  async truncate(sizeBytes: number): Promise<void> {
    const file = this.openFile();
    this.storage.begin("truncate", [file.path], sizeBytes);
    if (!(sizeBytes >= 0 && sizeBytes <= file.sizeBytes)) {
      throw new StorageError("io", `${file.path}: cannot cut ${file.sizeBytes} bytes to ${sizeBytes}`);
    }
    if (file.broken !== null) throw new StorageError("io", `${file.path}: ${file.broken}`);
    try {
      await this.storage.files.pinned(file, async (descriptor) => {
        await new Promise<void>((resolve, reject) =>
          ftruncate(descriptor, sizeBytes, (error) => (error ? reject(error) : resolve())),
        );
        file.changes++;
        file.truncated = true;
        file.sizeBytes = sizeBytes;
      });
    } catch (error) {
      throw storageError(error, `truncate ${file.path}`);
    }
    this.storage.end("truncate", [file.path], sizeBytes);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.storage.files.release(this.#file);
  }

  openFile(): OpenFile {
    if (this.#closed) throw new StorageError("closed", `${this.path} is closed`);
    return this.#file;
  }

  #paths(): readonly string[] {
    return this.storage.watched ? [this.path] : nowhere;
  }
}

function writeAll(descriptor: number, bytes: Uint8Array, position: number): void {
  for (let done = 0; done < bytes.length; ) {
    const written = writeSync(descriptor, bytes, done, Math.min(sliceBytes, bytes.length - done), position + done);
    if (written === 0) throw new StorageError("io", "the system wrote nothing");
    done += written;
  }
}

async function readAll(descriptor: number, into: Uint8Array, wanted: number, position: number): Promise<number> {
  let done = 0;
  while (done < wanted) {
    const count = await new Promise<number>((resolve, reject) => {
      read(descriptor, into, done, wanted - done, position + done, (error, bytesRead) =>
        error ? reject(error) : resolve(bytesRead),
      );
    });
    if (count === 0) break;
    done += count;
  }
  return done;
}

function checkPath(path: string): string {
  return path === "" ? path : checkName(path);
}

function checkName(path: string): string {
  for (const name of path.split("/")) {
    if (
      name === "" ||
      name === "." ||
      name === ".." ||
      name.includes("\0") ||
      name.includes("\\") ||
      isLockName(name)
    ) {
      throw new StorageError("io", `${JSON.stringify(path)} is not a path inside the data folder`);
    }
  }
  return path;
}
