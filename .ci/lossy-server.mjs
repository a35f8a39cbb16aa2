// `moldau` on a store that keeps what is not synced in this process alone, so that SIGKILL takes what only a power
// cut would take from a file store. check-live.mjs lays it into a copy of dist/server and runs it there.
//
// Owns: the store. Files hold what was synced; creations, renames and removals are the file store's own.
// Never: departs from the store's contract: an engine that syncs before it acknowledges loses nothing on it.
import { runtime } from "#runtime";
import { run } from "./cli/program.js";

class LossyNode {
  constructor(base) {
    this.base = base;
    this.pending = [];
    this.pendingBytes = 0;
    this.handles = 0;
  }

  get sizeBytes() {
    return this.base.sizeBytes + this.pendingBytes;
  }

  async read(into, position) {
    const [baseBytes, pending] = [this.base.sizeBytes, this.pending.slice()];
    const first = Math.max(0, Math.min(into.length, baseBytes - position));
    let filled = first === 0 ? 0 : await this.base.read(into.subarray(0, first), position);
    let at = baseBytes;
    for (const chunk of pending) {
      const from = Math.max(0, position + filled - at);
      if (filled < into.length && from < chunk.length && position + filled >= at) {
        const part = chunk.subarray(from, from + into.length - filled);
        into.set(part, filled);
        filled += part.length;
      }
      at += chunk.length;
    }
    return filled;
  }

  async truncate(sizeBytes) {
    let left = Math.max(0, sizeBytes - this.base.sizeBytes);
    this.pending = this.pending.flatMap((chunk) => {
      const kept = chunk.subarray(0, left);
      left -= kept.length;
      return kept.length > 0 ? [kept] : [];
    });
    this.pendingBytes = this.pending.reduce((sum, { length }) => sum + length, 0);
    if (sizeBytes < this.base.sizeBytes) await this.base.truncate(sizeBytes);
  }

  /** What is pending is in this process alone: there is nothing of it that a failed sync could have left. */
  async rewrite(bytes, position) {
    const ofBase = bytes.subarray(0, Math.max(0, this.base.sizeBytes - position));
    if (ofBase.length > 0) await this.base.rewrite(ofBase, position);
  }

  writeThrough() {
    for (const chunk of this.pending) this.base.append(chunk);
    this.pending = [];
    this.pendingBytes = 0;
  }
}

class LossyFile {
  constructor(node, pathOf) {
    this.node = node;
    this.pathOf = pathOf;
    this.isClosed = false;
    node.handles += 1;
  }

  get path() {
    return this.pathOf();
  }

  get sizeBytes() {
    return this.node.sizeBytes;
  }

  append(bytes) {
    this.node.pending.push(bytes.slice());
    this.node.pendingBytes += bytes.length;
  }

  read(into, position) {
    return this.node.read(into, position);
  }

  rewrite(bytes, position) {
    return this.node.rewrite(bytes, position);
  }

  truncate(sizeBytes) {
    return this.node.truncate(sizeBytes);
  }

  async close() {
    if (this.isClosed) return;
    this.isClosed = true;
    this.node.handles -= 1;
  }
}

class LossyStorage {
  /** By the file's path now: a handle opened anew sees what an earlier one left unsynced. */
  nodes = new Map();

  constructor(base) {
    this.base = base;
    this.manifest = { name: "lossy", durable: true };
  }

  create(path) {
    return this.#handle(path, this.base.create(path));
  }

  async open(path) {
    return this.#handle(path, this.nodes.get(path)?.base ?? (await this.base.open(path)));
  }

  async sync(files) {
    for (const { node } of files) node.writeThrough();
    await this.base.sync(files.map(({ node }) => node.base));
  }

  syncDirectory(path) {
    return this.base.syncDirectory(path);
  }

  list(path) {
    return this.base.list(path);
  }

  makeDirectory(path) {
    return this.base.makeDirectory(path);
  }

  async rename(from, to) {
    await this.base.rename(from, to);
    for (const [path, node] of [...this.nodes]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue;
      this.nodes.delete(path);
      this.nodes.set(to + path.slice(from.length), node);
    }
  }

  async remove(path) {
    await this.base.remove(path);
    for (const known of [...this.nodes.keys()])
      if (known === path || known.startsWith(`${path}/`)) this.nodes.delete(known);
  }

  /** An orderly stop syncs what it means to keep before it closes. */
  close() {
    return this.base.close();
  }

  #handle(path, base) {
    let node = this.nodes.get(path);
    if (node === undefined) {
      node = new LossyNode(base);
      this.nodes.set(path, node);
    }
    const { nodes } = this;
    return new LossyFile(node, () => [...nodes].find(([, one]) => one === node)?.[0] ?? path);
  }
}

const openStorage = async (folder) => new LossyStorage(await runtime.openStorage(folder));
runtime.process.exit(await run({ ...runtime, openStorage }, "lossy"));
