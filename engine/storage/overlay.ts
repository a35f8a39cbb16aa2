// A store over another that is only read: every change is kept in memory and forgotten at the end.
//
// Owns: the names and bytes as they would be. Made to ask "what would happen?": recovery runs on
//   it, and the folder beneath stays as it is.
// Never: writes to the store beneath, or closes it; keeps more bytes than it is allowed to:
//   beyond that an append throws `no-space`, and `isOverfull` says so ever after.
//
// A directory's names are read from beneath when it is first listed, opened or changed in; one
// that is created in before is believed to be free.

import type { Storage, StorageEntry, StorageFile, StorageManifest } from "../port/storage.ts";
import { StorageError } from "../port/storage.ts";
import { partPath, pathNames } from "./path.ts";

export interface OverlayStorage extends Storage {
  /** A change was refused for want of memory: what happened since is not what would happen. */
  readonly isOverfull: boolean;
}

/** `maxBytes`: for all that is appended and not removed again. */
export function overlayStorage(beneath: Storage, maxBytes: number): OverlayStorage {
  return new Overlay(beneath, maxBytes);
}

const manifest: StorageManifest = { name: "overlay", durable: false };

interface DirectoryNode {
  readonly kind: "directory";
  readonly children: Map<string, Node>;
  /** Where its names come from; null once they have, or when it is new. */
  beneath: string | null;
  loading: Promise<void> | null;
}

interface FileNode {
  readonly kind: "file";
  path: string;
  /** Where its bytes begin; null when it is new. */
  readonly beneath: string | null;
  /** Of the file beneath, how much is left. -1 before it was opened. */
  keptBytes: number;
  readonly appended: Uint8Array[];
  appendedBytes: number;
}

interface OtherNode {
  readonly kind: "other";
}

type Node = DirectoryNode | FileNode | OtherNode;

class Overlay implements OverlayStorage {
  readonly manifest: StorageManifest = manifest;
  readonly beneath: Storage;
  readonly #maxBytes: number;
  readonly #root: DirectoryNode = { kind: "directory", children: new Map(), beneath: "", loading: null };
  #usedBytes = 0;
  #closed = false;
  isOverfull = false;

  constructor(beneath: Storage, maxBytes: number) {
    this.beneath = beneath;
    this.#maxBytes = maxBytes;
  }

  create(path: string): StorageFile {
    this.demandOpen();
    const { parent, name } = partPath(path);
    let directory: Node | undefined = this.#root;
    for (const part of pathNames(parent)) directory = childOf(directory, part);
    if (directory?.kind !== "directory") throw new StorageError("not-found", `${parent} is not a directory`);
    if (directory.children.has(name)) throw new StorageError("exists", `${path} exists`);
    const node: FileNode = { kind: "file", path, beneath: null, keptBytes: 0, appended: [], appendedBytes: 0 };
    directory.children.set(name, node);
    return new OverlayFile(this, node, null);
  }

  async open(path: string): Promise<StorageFile> {
    const node = await this.#find(path);
    if (node?.kind !== "file") throw new StorageError("not-found", `${path} is not a file`);
    const file = node.beneath === null ? null : await this.beneath.open(node.beneath);
    if (node.keptBytes < 0 && file !== null) node.keptBytes = file.sizeBytes;
    return new OverlayFile(this, node, file);
  }

  async sync(files: readonly StorageFile[]): Promise<void> {
    this.demandOpen();
    for (const file of files) {
      if (!(file instanceof OverlayFile)) throw new StorageError("closed", `${file.path} is not open in this store`);
      file.demandOpen();
    }
  }

  async syncDirectory(path: string): Promise<void> {
    await this.#directory(path);
  }

  async list(path: string): Promise<StorageEntry[]> {
    const { children } = await this.#directory(path);
    return [...children].map(([name, { kind }]) => ({ name, kind }));
  }

  async makeDirectory(path: string): Promise<void> {
    const { parent, name } = partPath(path);
    const directory = await this.#directory(parent);
    if (directory.children.has(name)) throw new StorageError("exists", `${path} exists`);
    directory.children.set(name, { kind: "directory", children: new Map(), beneath: null, loading: null });
  }

  async rename(from: string, to: string): Promise<void> {
    const source = partPath(from);
    const target = partPath(to);
    const directory = await this.#directory(source.parent);
    const node = directory.children.get(source.name);
    if (node === undefined) throw new StorageError("not-found", `${from} does not exist`);
    const into = await this.#directory(target.parent);
    const replaced = into.children.get(target.name);
    if (replaced === node) return;
    if (replaced !== undefined && (replaced.kind === "directory" || node.kind !== "file"))
      throw new StorageError("exists", `${to} exists`);
    if (to.startsWith(`${from}/`)) throw new StorageError("io", `${from} cannot move into itself`);
    if (replaced !== undefined) this.#forget(replaced);
    directory.children.delete(source.name);
    into.children.set(target.name, node);
    renamePaths(node, to);
  }

  async remove(path: string): Promise<void> {
    const { parent, name } = partPath(path);
    const directory = await this.#directory(parent);
    const node = directory.children.get(name);
    if (node === undefined) throw new StorageError("not-found", `${path} does not exist`);
    directory.children.delete(name);
    this.#forget(node);
  }

  async close(): Promise<void> {
    this.#closed = true;
  }

  demandOpen(): void {
    if (this.#closed) throw new StorageError("closed", "the store is closed");
  }

  reserve(path: string, sizeBytes: number): void {
    if (this.#usedBytes + sizeBytes > this.#maxBytes) {
      this.isOverfull = true;
      throw new StorageError("no-space", `${path}: no space for ${sizeBytes} bytes`);
    }
    this.#usedBytes += sizeBytes;
  }

  #forget(node: Node): void {
    if (node.kind === "file") this.#usedBytes -= node.appendedBytes;
    else if (node.kind === "directory") for (const child of node.children.values()) this.#forget(child);
  }

  async #find(path: string): Promise<Node | undefined> {
    const names = pathNames(path);
    const last = names.pop();
    if (last === undefined) return this.#root;
    const parent = await this.#walk(names);
    return parent?.kind === "directory" ? parent.children.get(last) : undefined;
  }

  async #directory(path: string): Promise<DirectoryNode> {
    const node = await this.#walk(pathNames(path));
    if (node?.kind !== "directory") throw new StorageError("not-found", `${path} is not a directory`);
    return node;
  }

  /** The node behind these names; a directory with its own names read. */
  async #walk(names: readonly string[]): Promise<Node | undefined> {
    this.demandOpen();
    let node: Node | undefined = this.#root;
    await this.#load(this.#root, "");
    let path = "";
    for (const name of names) {
      node = childOf(node, name);
      path = path === "" ? name : `${path}/${name}`;
      if (node?.kind === "directory") await this.#load(node, path);
    }
    return node;
  }

  async #load(directory: DirectoryNode, path: string): Promise<void> {
    if (directory.beneath === null) return;
    directory.loading ??= this.#read(directory, path, directory.beneath);
    await directory.loading;
  }

  async #read(directory: DirectoryNode, path: string, beneath: string): Promise<void> {
    const entries = await this.beneath.list(beneath);
    for (const { name, kind } of entries) {
      if (directory.children.has(name)) continue;
      const below = beneath === "" ? name : `${beneath}/${name}`;
      const here = path === "" ? name : `${path}/${name}`;
      if (kind === "directory") {
        directory.children.set(name, { kind, children: new Map(), beneath: below, loading: null });
      } else if (kind === "file") {
        directory.children.set(name, {
          ...{ kind, path: here, beneath: below, keptBytes: -1, appended: [], appendedBytes: 0 },
        });
      } else directory.children.set(name, { kind });
    }
    directory.beneath = null;
  }
}

function childOf(node: Node | undefined, name: string): Node | undefined {
  return node?.kind === "directory" ? node.children.get(name) : undefined;
}

function renamePaths(node: Node, path: string): void {
  if (node.kind === "file") node.path = path;
  if (node.kind === "directory") for (const [name, child] of node.children) renamePaths(child, `${path}/${name}`);
}

class OverlayFile implements StorageFile {
  readonly #store: Overlay;
  readonly #node: FileNode;
  readonly #beneath: StorageFile | null;
  #closed = false;

  constructor(store: Overlay, node: FileNode, beneath: StorageFile | null) {
    this.#store = store;
    this.#node = node;
    this.#beneath = beneath;
  }

  get path(): string {
    return this.#node.path;
  }

  get sizeBytes(): number {
    return this.#node.keptBytes + this.#node.appendedBytes;
  }

  append(bytes: Uint8Array): void {
    this.demandOpen();
    if (bytes.length === 0) return;
    this.#store.reserve(this.path, bytes.length);
    this.#node.appended.push(bytes.slice());
    this.#node.appendedBytes += bytes.length;
  }

  async read(into: Uint8Array, position: number): Promise<number> {
    this.demandOpen();
    const { keptBytes, appended } = this.#node;
    let done = 0;
    if (position < keptBytes && this.#beneath !== null) {
      const wanted = Math.min(into.length, keptBytes - position);
      done = await this.#beneath.read(into.subarray(0, wanted), position);
      if (done < wanted) return done;
    }
    let start = keptBytes;
    for (const chunk of appended) {
      if (done === into.length) break;
      const from = position + done - start;
      start += chunk.length;
      if (from < 0 || from >= chunk.length) continue;
      const piece = chunk.subarray(from, from + into.length - done);
      into.set(piece, done);
      done += piece.length;
    }
    return done;
  }

  async rewrite(bytes: Uint8Array, position: number): Promise<void> {
    this.demandOpen();
    if (position >= 0 && position + bytes.length <= this.sizeBytes) return;
    throw new StorageError("io", `${this.path}: cannot write ${bytes.length} bytes at ${position} over themselves`);
  }

  async truncate(sizeBytes: number): Promise<void> {
    this.demandOpen();
    const node = this.#node;
    if (!(sizeBytes >= 0 && sizeBytes <= this.sizeBytes)) {
      throw new StorageError("io", `${this.path}: cannot cut ${this.sizeBytes} bytes to ${sizeBytes}`);
    }
    let left = Math.max(0, sizeBytes - node.keptBytes);
    const kept: Uint8Array[] = [];
    for (const chunk of node.appended) {
      if (left === 0) break;
      kept.push(chunk.subarray(0, left));
      left -= Math.min(left, chunk.length);
    }
    node.keptBytes = Math.min(node.keptBytes, sizeBytes);
    const appendedBytes = sizeBytes - node.keptBytes;
    this.#store.reserve(this.path, appendedBytes - node.appendedBytes);
    node.appendedBytes = appendedBytes;
    node.appended.splice(0, node.appended.length, ...kept);
  }

  async close(): Promise<void> {
    if (this.#closed) return;
    this.#closed = true;
    await this.#beneath?.close();
  }

  demandOpen(): void {
    this.#store.demandOpen();
    if (this.#closed) throw new StorageError("closed", `${this.path} is closed`);
  }
}
