// What the engine needs of a disk: a tree of append-only files.
//
// Owns: the contract. Paths are relative, with "/" between names; "" is the data folder.
// Never: an implementation. storage/contract.test-suite.ts proves one against it.

/** What a store supports; the contract suite reads it. */
export interface StorageManifest {
  /** Shown to people: "memory", "file". */
  readonly name: string;
  /** Whether synced bytes outlive the process. */
  readonly durable: boolean;
}

export type StorageErrorKind =
  | "not-found"
  | "exists"
  | "no-space"
  | "permission"
  | "not-empty"
  | "locked"
  | "closed"
  | "io";

/** Every failure of a store. `message` names the path and, where there is one, the system's code. */
export class StorageError extends Error {
  readonly kind: StorageErrorKind;
  constructor(kind: StorageErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "StorageError";
    this.kind = kind;
  }
}

export interface StorageEntry {
  readonly name: string;
  readonly kind: "file" | "directory" | "other";
}

export interface StorageFile {
  readonly path: string;
  /** Bytes handed over so far, synced or not. */
  readonly sizeBytes: number;
  /**
   * Hands bytes to the store, all or nothing. Synchronous: when it returns, the caller may
   * overwrite `bytes`, and reads see them; they are durable only after `Storage.sync`.
   * On failure (`no-space`, `io`) the file has its former size; when that cannot be restored
   * the file is broken and every later append throws `io`.
   */
  append(bytes: Uint8Array): void;
  /** Fills `into` from `position`; resolves to the bytes read, fewer only at the end of the file. */
  read(into: Uint8Array, position: number): Promise<number>;
  /**
   * Writes the bytes that were read at `position` over themselves: they are as if they had just been appended. Of what an
   * earlier process wrote and could not sync, a read may show what the disk does not have and no sync would write, and
   * the next read something else; the sync after this writes what is handed over here. `io` beyond the end of the file.
   * `bytes` may be overwritten once it has settled. On failure any part of them may have been written.
   */
  rewrite(bytes: Uint8Array, position: number): Promise<void>;
  /** Cuts the file to `sizeBytes`; durable after the next sync of this file. */
  truncate(sizeBytes: number): Promise<void>;
  /** Frees what the handle holds; idempotent. Reads under way finish or fail with `closed`. */
  close(): Promise<void>;
}

export interface Storage {
  readonly manifest: StorageManifest;
  /** Creates an empty file; `exists` when there is one. Its entry is durable after `syncDirectory` of its parent. */
  create(path: string): StorageFile;
  /** Opens what exists; `not-found` otherwise. */
  open(path: string): Promise<StorageFile>;
  /**
   * Makes the bytes of these files durable: a set, so that a store may serve it with one journal.
   * Once it has rejected, nothing is known of what was not synced before: never call it again
   * to learn more, fence instead.
   */
  sync(files: readonly StorageFile[]): Promise<void>;
  /** Makes creations, renames and removals in this directory durable. */
  syncDirectory(path: string): Promise<void>;
  /** The entries of a directory, in no order; `not-found` when there is none. */
  list(path: string): Promise<StorageEntry[]>;
  /** Creates one directory whose parent exists; `exists` when there is one. */
  makeDirectory(path: string): Promise<void>;
  /** Moves a file (replacing one of that name, atomically) or a directory. Open handles follow. */
  rename(from: string, to: string): Promise<void>;
  /** Removes a file, or a directory with all in it; `not-found` when there is none. */
  remove(path: string): Promise<void>;
  /** Frees the data folder (and its lock). Idempotent. */
  close(): Promise<void>;
}
