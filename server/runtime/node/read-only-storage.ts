// A folder of files that is only looked at: for tools that work beside no broker.
//
// Owns: reading, on a folder that may lie on a read-only disk, and the refusal while a broker has
//   the folder.
// Never: creates, changes or removes a file of the log. Where it may write, it holds the lock like
//   a broker, so that none starts meanwhile; its socket is gone at the end.

import { closeSync, constants, existsSync, fstatSync, openSync, read, statSync } from "node:fs";
import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";
import type { Storage, StorageEntry, StorageFile, StorageManifest } from "../../../engine/port/storage.ts";
import { StorageError } from "../../../engine/port/storage.ts";
import { type FolderLock, heldBy, isLockName, lockFolder } from "./folder-lock.ts";
import { codeOf, storageError } from "./storage-error.ts";

/**
 * Opens an existing folder to read; `not-found` when it is none. With `lock` it must not be a
 * running broker's: `locked` names the process.
 */
export async function openReadOnlyStorage(folder: string, { lock }: { readonly lock: boolean }): Promise<Storage> {
  const path = resolve(folder);
  if (!existsSync(path) || !statSync(path).isDirectory()) throw new StorageError("not-found", `${folder} is no folder`);
  return new ReadOnlyStorage(path, lock ? await lockToRead(path) : null);
}

async function lockToRead(folder: string): Promise<FolderLock | null> {
  try {
    return await lockFolder(folder);
  } catch (error) {
    if (!(error instanceof StorageError) || error.kind !== "permission") throw error;
    const holder = await heldBy(folder);
    if (holder !== null)
      throw new StorageError("locked", `${folder} is in use by ${holder}: one process a data folder`);
    return null;
  }
}

const manifest: StorageManifest = { name: "file, read only", durable: true };

class ReadOnlyStorage implements Storage {
  readonly manifest: StorageManifest = manifest;
  readonly #folder: string;
  readonly #lock: FolderLock | null;

  constructor(folder: string, lock: FolderLock | null) {
    this.#folder = folder;
    this.#lock = lock;
  }

  create(path: string): StorageFile {
    throw refusal("create", path);
  }

  async open(path: string): Promise<StorageFile> {
    try {
      // A pipe would be waited for, by all of the process, until somebody writes to it.
      return new ReadOnlyFile(path, openSync(join(this.#folder, path), constants.O_RDONLY | constants.O_NONBLOCK));
    } catch (error) {
      throw storageError(error, `open ${path}`);
    }
  }

  async sync(): Promise<void> {}

  async syncDirectory(): Promise<void> {}

  async list(path: string): Promise<StorageEntry[]> {
    try {
      const entries = await readdir(join(this.#folder, path), { withFileTypes: true });
      return entries
        .filter(({ name }) => path !== "" || !isLockName(name))
        .map((entry) => ({
          name: entry.name,
          kind: entry.isFile() ? "file" : entry.isDirectory() ? "directory" : "other",
        }));
    } catch (error) {
      throw storageError(error, `list ${path || this.#folder}`);
    }
  }

  async makeDirectory(path: string): Promise<void> {
    throw refusal("makeDirectory", path);
  }

  async rename(from: string): Promise<void> {
    throw refusal("rename", from);
  }

  async remove(path: string): Promise<void> {
    throw refusal("remove", path);
  }

  async close(): Promise<void> {
    this.#lock?.release();
  }
}

class ReadOnlyFile implements StorageFile {
  readonly path: string;
  readonly sizeBytes: number;
  readonly #descriptor: number;
  #closed = false;

  constructor(path: string, descriptor: number) {
    this.path = path;
    this.#descriptor = descriptor;
    const found = fstatSync(descriptor);
    if (!found.isFile()) {
      closeSync(descriptor);
      throw new StorageError("not-found", `${path} is not a file`);
    }
    this.sizeBytes = found.size;
  }

  append(): void {
    throw refusal("append to", this.path);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      if (this.#closed) throw new StorageError("closed", `${this.path} is closed`);
      const count = await this.#readOnce(into, done, position + done);
      if (count === 0) break;
      done += count;
    }
    return done;
  }

  #readOnce(into: Uint8Array, at: number, position: number): Promise<number> {
    return new Promise((resolveRead, reject) => {
      read(this.#descriptor, into, at, into.length - at, position, (error, count) => {
        if (error === null) resolveRead(count);
        else reject(storageError(error, `read ${this.path}`, codeOf(error) === "EISDIR" ? "not-found" : "io"));
      });
    });
  }

  async rewrite(): Promise<void> {
    throw refusal("rewrite", this.path);
  }

  async truncate(): Promise<void> {
    throw refusal("truncate", this.path);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    closeSync(this.#descriptor);
  }
}

function refusal(what: string, path: string): StorageError {
  return new StorageError("permission", `${what} ${path}: the folder is open to read only`);
}
