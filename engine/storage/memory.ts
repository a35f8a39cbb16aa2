// A store in memory that can lose power.
//
// Owns: the contract of port/storage.ts over a tree in memory, its capacity, its hooks, and
//   `crash`: the disk as it would be found after a power loss.
// Never: timers, the runtime, or chance of its own: the same calls and the same chance give
//   the same bytes.
//
// Invariants: what was synced is in every crash; a dead store answers nothing but `closed`;
//   an append takes effect wholly or not at all; a sync covers what was handed over before it
//   was called. After a failed sync of files their unsynced bytes stay unsynced for ever.

import type { Storage, StorageEntry, StorageFile, StorageManifest } from "../port/storage.ts";
import { StorageError } from "../port/storage.ts";
import type { StorageHooks, StorageOperation, StorageOperationKind } from "../port/storage-operation.ts";
import type { MemoryDirectoryNode, MemoryFileNode, MemoryNode } from "./memory-tree.ts";
import { directoryNode, fileNode, MemoryTree, pathOf } from "./memory-tree.ts";
import { partPath, pathNames } from "./path.ts";

export interface MemoryStorageOptions extends StorageHooks {
  /** The bytes of all files together; an append beyond it throws `no-space`. */
  readonly capacityBytes?: number;
  /**
   * Asked before a read, for each sector that a failed sync abandoned: true takes it out of the cache, and from then on
   * the file has there what the disk has, which is nothing of it. Without it such bytes are read as they were written.
   */
  readonly evicts?: () => boolean;
}

export interface MemoryStorage extends Storage {
  setCapacity(capacityBytes: number): void;
  /** The bytes of all files together. */
  usedBytes(): number;
  /**
   * The disk after a power loss, as a new store; this one is dead. `random` gives [0, 1).
   * Of what was not synced an arbitrary subset is there, files torn at 512-byte sectors.
   */
  crash(random: () => number, options?: MemoryStorageOptions): MemoryStorage;
  /** The disk after the process was killed: everything handed over is there, synced or not. This one is dead. */
  restart(options?: MemoryStorageOptions): MemoryStorage;
}

export function memoryStorage(options: MemoryStorageOptions = {}): MemoryStorage {
  return new TreeStorage(new MemoryTree(), options);
}

const manifest: StorageManifest = { name: "memory", durable: false };

class TreeStorage implements MemoryStorage {
  readonly manifest: StorageManifest = manifest;
  readonly #tree: MemoryTree;
  readonly #options: MemoryStorageOptions;
  #capacityBytes: number;
  #usedBytes: number;
  #closed = false;

  constructor(tree: MemoryTree, options: MemoryStorageOptions) {
    this.#tree = tree;
    this.#options = options;
    this.#capacityBytes = options.capacityBytes ?? Number.MAX_SAFE_INTEGER;
    this.#usedBytes = bytesOf(tree.root);
  }

  setCapacity(capacityBytes: number): void {
    this.#capacityBytes = capacityBytes;
  }

  usedBytes(): number {
    return this.#usedBytes;
  }

  crash(random: () => number, options: MemoryStorageOptions = this.#sameOptions()): MemoryStorage {
    this.#closed = true;
    return new TreeStorage(this.#tree.crashImage(random), options);
  }

  restart(options: MemoryStorageOptions = this.#sameOptions()): MemoryStorage {
    this.#closed = true;
    return new TreeStorage(this.#tree, options);
  }

  create(path: string): StorageFile {
    const { parent, name } = partPath(path);
    this.begin("create", [path]);
    const directory = this.#directory(parent);
    if (directory.entries.has(name)) throw new StorageError("exists", `${path} exists`);
    const node = fileNode();
    this.#tree.link(directory, name, node);
    this.end("create", [path]);
    return new TreeFile(this, node);
  }

  async open(path: string): Promise<StorageFile> {
    this.begin("open", [path]);
    const node = this.#find(path);
    if (node?.kind !== "file") throw new StorageError("not-found", `${path} is not a file`);
    this.end("open", [path]);
    return new TreeFile(this, node);
  }

  async sync(files: readonly StorageFile[]): Promise<void> {
    const nodes = files.map((file) => {
      if (!(file instanceof TreeFile) || file.storage !== this)
        throw new StorageError("closed", `${file.path} is not open in this store`);
      return file.openNode();
    });
    try {
      this.begin("sync", nodes.map(pathOf));
    } catch (error) {
      for (const node of nodes) node.content.failSync();
      throw error;
    }
    const covered = nodes.map((node) => ({
      node,
      changes: node.content.beginSync(),
      sizeBytes: node.content.sizeBytes,
    }));
    await null;
    this.#demandOpen();
    for (const { node, changes, sizeBytes } of covered) {
      node.content.completeSync(changes);
      this.end("sync", [pathOf(node)], sizeBytes);
    }
  }

  async syncDirectory(path: string): Promise<void> {
    this.begin("syncDirectory", [path]);
    const covered = this.#tree.beginSync(this.#directory(path));
    await null;
    this.#demandOpen();
    this.#tree.completeSync(covered);
    this.end("syncDirectory", [path]);
  }

  async list(path: string): Promise<StorageEntry[]> {
    this.begin("list", [path]);
    const entries = [...this.#directory(path).entries].map(([name, { kind }]) => ({ name, kind }));
    this.end("list", [path]);
    return entries;
  }

  async makeDirectory(path: string): Promise<void> {
    const { parent, name } = partPath(path);
    this.begin("makeDirectory", [path]);
    const directory = this.#directory(parent);
    if (directory.entries.has(name)) throw new StorageError("exists", `${path} exists`);
    this.#tree.link(directory, name, directoryNode());
    this.end("makeDirectory", [path]);
  }

  async rename(from: string, to: string): Promise<void> {
    partPath(from);
    const { parent, name } = partPath(to);
    this.begin("rename", [from, to]);
    const node = this.#find(from);
    if (node === null) throw new StorageError("not-found", `${from} does not exist`);
    const directory = this.#directory(parent);
    const replaced = directory.entries.get(name);
    if (replaced !== undefined && replaced.kind !== node.kind)
      throw new StorageError("exists", `${to} is a ${replaced.kind}`);
    if (replaced?.kind === "directory" && replaced !== node && replaced.entries.size > 0)
      throw new StorageError("not-empty", `${to} is not empty`);
    for (let above: MemoryDirectoryNode | null = directory; above !== null; above = above.parent) {
      if (above === node) throw new StorageError("io", `${from} cannot move into itself`);
    }
    if (replaced !== node) {
      if (replaced !== undefined) this.#usedBytes -= bytesOf(replaced);
      this.#tree.move(node, directory, name);
    }
    this.end("rename", [from, to]);
  }

  async remove(path: string): Promise<void> {
    partPath(path);
    this.begin("remove", [path]);
    const node = this.#find(path);
    if (node === null) throw new StorageError("not-found", `${path} does not exist`);
    this.#usedBytes -= bytesOf(node);
    this.#tree.unlink(node);
    this.end("remove", [path]);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  begin(kind: StorageOperationKind, paths: readonly string[], sizeBytes?: number): void {
    this.#demandOpen();
    const { onOperation } = this.#options;
    if (onOperation === undefined) return;
    onOperation(operation(kind, paths, sizeBytes));
    // The hook may have cut the power.
    this.#demandOpen();
  }

  end(kind: StorageOperationKind, paths: readonly string[], sizeBytes?: number): void {
    this.#options.trace?.(operation(kind, paths, sizeBytes));
  }

  get watched(): boolean {
    return this.#options.onOperation !== undefined || this.#options.trace !== undefined;
  }

  evict(node: MemoryFileNode): void {
    if (this.#options.evicts !== undefined) node.content.evict(this.#options.evicts);
  }

  reserve(node: MemoryFileNode, sizeBytes: number): void {
    if (node.parent === null) return;
    if (sizeBytes > 0 && this.#usedBytes + sizeBytes > this.#capacityBytes) {
      throw new StorageError("no-space", `${pathOf(node)}: no space for ${sizeBytes} bytes`);
    }
    this.#usedBytes += sizeBytes;
  }

  #sameOptions(): MemoryStorageOptions {
    return { ...this.#options, capacityBytes: this.#capacityBytes };
  }

  #demandOpen(): void {
    if (this.#closed) throw new StorageError("closed", "the store is closed");
  }

  #find(path: string): MemoryNode | null {
    let node: MemoryNode = this.#tree.root;
    for (const name of pathNames(path)) {
      const child: MemoryNode | undefined = node.kind === "directory" ? node.entries.get(name) : undefined;
      if (child === undefined) return null;
      node = child;
    }
    return node;
  }

  #directory(path: string): MemoryDirectoryNode {
    const node = this.#find(path);
    if (node?.kind !== "directory") throw new StorageError("not-found", `${path} is not a directory`);
    return node;
  }
}

const nowhere: readonly string[] = [];

class TreeFile implements StorageFile {
  readonly storage: TreeStorage;
  readonly #node: MemoryFileNode;
  #closed = false;

  constructor(storage: TreeStorage, node: MemoryFileNode) {
    this.storage = storage;
    this.#node = node;
  }

  get path(): string {
    return pathOf(this.#node);
  }

  get sizeBytes(): number {
    return this.#node.content.sizeBytes;
  }

  append(bytes: Uint8Array): void {
    const node = this.openNode();
    const paths = this.#paths();
    this.storage.begin("append", paths, bytes.length);
    this.storage.reserve(node, bytes.length);
    node.content.append(bytes);
    this.storage.end("append", paths, bytes.length);
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    const node = this.openNode();
    const paths = this.#paths();
    this.storage.begin("read", paths, into.length);
    this.storage.evict(node);
    const sizeBytes = node.content.read(into, position);
    this.storage.end("read", paths, sizeBytes);
    return sizeBytes;
  }

  async rewrite(bytes: Uint8Array, position: number): Promise<void> {
    const node = this.openNode();
    const paths = this.#paths();
    this.storage.begin("rewrite", paths, bytes.length);
    if (!(position >= 0 && position + bytes.length <= node.content.sizeBytes)) {
      throw new StorageError("io", `${this.path}: cannot write ${bytes.length} bytes at ${position} over themselves`);
    }
    node.content.rewrite(bytes, position);
    this.storage.end("rewrite", paths, bytes.length);
  }

  async truncate(sizeBytes: number): Promise<void> {
    const node = this.openNode();
    const paths = this.#paths();
    this.storage.begin("truncate", paths, sizeBytes);
    if (!(sizeBytes >= 0 && sizeBytes <= node.content.sizeBytes)) {
      throw new StorageError("io", `${this.path}: cannot cut ${node.content.sizeBytes} bytes to ${sizeBytes}`);
    }
    this.storage.reserve(node, sizeBytes - node.content.sizeBytes);
    node.content.truncate(sizeBytes);
    this.storage.end("truncate", paths, sizeBytes);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  openNode(): MemoryFileNode {
    if (this.#closed) throw new StorageError("closed", `${this.path} is closed`);
    return this.#node;
  }

  #paths(): readonly string[] {
    return this.storage.watched ? [this.path] : nowhere;
  }
}

function operation(
  kind: StorageOperationKind,
  paths: readonly string[],
  sizeBytes: number | undefined,
): StorageOperation {
  return sizeBytes === undefined ? { kind, paths } : { kind, paths, sizeBytes };
}

function bytesOf(node: MemoryNode): number {
  if (node.kind === "file") return node.content.sizeBytes;
  let sizeBytes = 0;
  for (const child of node.entries.values()) sizeBytes += bytesOf(child);
  return sizeBytes;
}
