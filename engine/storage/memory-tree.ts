// A tree of directories in memory: the names as the process sees them, and as the disk has them.
//
// Owns: which names are durable, which changes of names are pending, and which a crash keeps.
// Never: a file's bytes (memory-file.ts), or hooks, capacity and handles (memory.ts).
//
// Invariants: the pending changes, applied to the durable names in order, give the names that
//   the process sees; a crash keeps a subset of them, in order, without those that could not
//   happen; a move is one change, kept whole or not at all.

import { MemoryFileContent } from "./memory-file.ts";

export interface MemoryFileNode {
  readonly kind: "file";
  readonly content: MemoryFileContent;
  name: string;
  parent: MemoryDirectoryNode | null;
}

export interface MemoryDirectoryNode {
  readonly kind: "directory";
  readonly entries: Map<string, MemoryNode>;
  readonly durableEntries: Map<string, MemoryNode>;
  name: string;
  parent: MemoryDirectoryNode | null;
}

export type MemoryNode = MemoryFileNode | MemoryDirectoryNode;

interface Place {
  readonly directory: MemoryDirectoryNode;
  readonly name: string;
}

/** `from` null is a creation, `to` null a removal. */
interface NameChange {
  readonly node: MemoryNode;
  readonly from: Place | null;
  readonly to: Place | null;
}

/** What a directory's sync under way will make durable. */
export type NameSyncSet = ReadonlySet<NameChange>;

export class MemoryTree {
  readonly root: MemoryDirectoryNode = directoryNode();
  #pending: NameChange[] = [];

  link(directory: MemoryDirectoryNode, name: string, node: MemoryNode): void {
    this.#change({ node, from: null, to: { directory, name } });
  }

  /** Takes a name away, and those below it first, as removal of a directory does on a disk. */
  unlink(node: MemoryNode): void {
    if (node.kind === "directory") for (const child of [...node.entries.values()]) this.unlink(child);
    this.#change({ node, from: placeOf(node), to: null });
  }

  move(node: MemoryNode, directory: MemoryDirectoryNode, name: string): void {
    this.#change({ node, from: placeOf(node), to: { directory, name } });
  }

  /** Covers the changes of this directory's names so far, and what they came after. */
  beginSync(directory: MemoryDirectoryNode): NameSyncSet {
    const directories = new Set([directory]);
    const covered = new Set<NameChange>();
    for (const change of [...this.#pending].reverse()) {
      const touched = [change.from?.directory, change.to?.directory].filter((one) => one !== undefined);
      if (!touched.some((one) => directories.has(one))) continue;
      covered.add(change);
      for (const one of touched) directories.add(one);
    }
    return covered;
  }

  completeSync(covered: NameSyncSet): void {
    for (const change of this.#pending) {
      if (!covered.has(change)) continue;
      if (change.from !== null) change.from.directory.durableEntries.delete(change.from.name);
      if (change.to !== null) change.to.directory.durableEntries.set(change.to.name, change.node);
    }
    this.#pending = this.#pending.filter((change) => !covered.has(change));
  }

  /** The tree as a power loss would leave it: all of it durable. */
  crashImage(random: () => number): MemoryTree {
    const images = new Map<MemoryDirectoryNode, Map<string, MemoryNode>>();
    const imageOf = (directory: MemoryDirectoryNode): Map<string, MemoryNode> => {
      let image = images.get(directory);
      if (image === undefined) images.set(directory, (image = new Map(directory.durableEntries)));
      return image;
    };
    const holds = (node: MemoryNode, sought: MemoryNode): boolean =>
      node === sought ||
      (node.kind === "directory" && [...imageOf(node).values()].some((child) => holds(child, sought)));
    const survival = random();
    for (const { node, from, to } of this.#pending) {
      if (random() >= survival) continue;
      if (from !== null && imageOf(from.directory).get(from.name) !== node) continue;
      if (to !== null) {
        const replaced = imageOf(to.directory).get(to.name);
        if (replaced !== undefined && (from === null || replaced.kind !== node.kind)) continue;
        if (replaced?.kind === "directory" && imageOf(replaced).size > 0) continue;
        if (holds(node, to.directory)) continue;
      }
      if (from !== null) imageOf(from.directory).delete(from.name);
      if (to !== null) imageOf(to.directory).set(to.name, node);
    }
    const tree = new MemoryTree();
    const copy = (source: MemoryDirectoryNode, target: MemoryDirectoryNode): void => {
      for (const [name, node] of imageOf(source)) {
        const survivor = node.kind === "file" ? fileNode(node.content.crashImage(random)) : directoryNode();
        tree.link(target, name, survivor);
        if (node.kind === "directory" && survivor.kind === "directory") copy(node, survivor);
      }
    };
    copy(this.root, tree.root);
    tree.completeSync(new Set(tree.#pending));
    return tree;
  }

  #change(change: NameChange): void {
    const { node, from, to } = change;
    if (from !== null) from.directory.entries.delete(from.name);
    node.parent = to?.directory ?? null;
    if (to !== null) {
      const replaced = to.directory.entries.get(to.name);
      if (replaced !== undefined) replaced.parent = null;
      to.directory.entries.set(to.name, node);
      node.name = to.name;
    }
    this.#pending.push(change);
  }
}

export function fileNode(content: MemoryFileContent = new MemoryFileContent()): MemoryFileNode {
  return { kind: "file", content, name: "", parent: null };
}

export function directoryNode(): MemoryDirectoryNode {
  return { kind: "directory", entries: new Map(), durableEntries: new Map(), name: "", parent: null };
}

/** The path that leads to a node, or its last name once it was removed. */
export function pathOf(node: MemoryNode): string {
  const names = [node.name];
  for (let above = node.parent; above !== null && above.name !== ""; above = above.parent) names.unshift(above.name);
  return names.join("/");
}

function placeOf(node: MemoryNode): Place {
  if (node.parent === null) throw new Error(`${node.name} has no name any more`);
  return { directory: node.parent, name: node.name };
}
