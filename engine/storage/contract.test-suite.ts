// What every store must do: the contract of port/storage.ts, as tests.
//
// Owns: the tests that any store passes. Never: what is peculiar to one (its own test has that).

import { deepStrictEqual, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Storage, StorageErrorKind, StorageFile } from "../port/storage.ts";
import { StorageError } from "../port/storage.ts";
import { readFile } from "./read-file.ts";
import { replaceFile } from "./replace-file.ts";

export interface StoreUnderTest {
  readonly store: Storage;
  /** The same data folder again, `store` having been closed. */
  reopen(): Promise<Storage>;
  cleanup(): Promise<void>;
}

export function storageContract(name: string, makeStore: () => Promise<StoreUnderTest>): void {
  const contract = (what: string, run: (store: Storage, under: StoreUnderTest) => Promise<void>): void => {
    test(`${name}: ${what}`, async () => {
      const under = await makeStore();
      try {
        await run(under.store, under);
      } finally {
        await under.cleanup();
      }
    });
  };

  contract("a new store is empty and says what it is", async (store) => {
    deepStrictEqual(await store.list(""), []);
    ok(store.manifest.name.length > 0);
    strictEqual(typeof store.manifest.durable, "boolean");
  });

  contract("appends are read back at every position, before and after a sync", async (store) => {
    const file = store.create("a.log");
    // Longer than any slice or chunk of a store.
    const whole = pattern(700_001);
    for (const [from, to] of [
      [0, 1],
      [1, 1],
      [1, 300_000],
      [300_000, 700_001],
    ] as const) {
      const bytes = whole.slice(from, to);
      file.append(bytes);
      bytes.fill(0); // the caller's again
      strictEqual(file.sizeBytes, to);
    }
    for (const synced of [false, true]) {
      if (synced) await store.sync([file]);
      for (const [position, length] of [
        [0, 700_001],
        [262_143, 2],
        [524_287, 3],
        [700_000, 1],
        [0, 0],
      ] as const) {
        const into = new Uint8Array(length);
        strictEqual(await file.read(into, position), length);
        deepStrictEqual(into, whole.slice(position, position + length));
      }
    }
  });

  contract("a read stops at the end of the file and touches nothing beyond what it read", async (store) => {
    const file = store.create("a");
    file.append(pattern(10));
    const into = new Uint8Array(16).fill(0xee);
    strictEqual(await file.read(into, 4), 6);
    deepStrictEqual([...into], [...pattern(10).slice(4), ...new Array<number>(10).fill(0xee)]);
    strictEqual(await file.read(into, 10), 0);
    strictEqual(await file.read(into, 1000), 0);
  });

  contract("views of a larger buffer are read and written in place", async (store) => {
    const memory = new Uint8Array(4096);
    memory.set(pattern(100), 1000);
    const file = store.create("a");
    file.append(memory.subarray(1000, 1100));
    strictEqual(await file.read(memory.subarray(2000, 2100), 0), 100);
    deepStrictEqual(memory.slice(2000, 2100), pattern(100));
    strictEqual(memory[1999], 0);
    strictEqual(memory[2100], 0);
  });

  contract("a truncated file ends there and grows from there", async (store) => {
    const file = store.create("a");
    file.append(pattern(300_000));
    await file.truncate(262_200);
    strictEqual(file.sizeBytes, 262_200);
    strictEqual(await file.read(new Uint8Array(8), 262_200), 0);
    file.append(new Uint8Array([1, 2, 3]));
    await store.sync([file]);
    const into = new Uint8Array(10);
    strictEqual(await file.read(into, 262_198), 5);
    deepStrictEqual([...into.subarray(2, 5)], [1, 2, 3]);
    deepStrictEqual(into.slice(0, 2), pattern(262_200).slice(-2));
    await refuses(file.truncate(1_000_000), "io");
    await file.truncate(0);
    strictEqual(file.sizeBytes, 0);
  });

  contract("a file that is written over itself is what it was, and grows on", async (store, under) => {
    const file = store.create("a");
    // Longer than what a store holds of it at once, and no multiple of it.
    const whole = pattern(2_300_001);
    file.append(whole.subarray(0, 2_300_000));
    await store.sync([file]);
    for (const [from, to] of [
      [0, 2_300_000],
      [1, 700_001],
      [262_143, 262_145],
      [700_001, 2_300_000],
      [2_300_000, 2_300_000],
    ] as const) {
      const handed = whole.slice(from, to);
      await file.rewrite(handed, from);
      handed.fill(0);
    }
    strictEqual(file.sizeBytes, 2_300_000);
    file.append(whole.subarray(2_300_000));
    await store.sync([file]);
    deepStrictEqual(await readFile(store, "a", 3_000_000), whole);
    for (const position of [-1, 2_300_000, 2_300_002]) await refuses(file.rewrite(new Uint8Array(2), position), "io");
    await store.syncDirectory("");
    await store.close();
    const again = await under.reopen();
    deepStrictEqual(await readFile(again, "a", 3_000_000), whole);
    await again.close();
  });

  contract("create refuses what exists, open what does not", async (store) => {
    const file = store.create("a");
    throwsKind(() => store.create("a"), "exists");
    await refuses(store.open("b"), "not-found");
    throwsKind(() => store.create("none/a"), "not-found");
    await store.makeDirectory("d");
    throwsKind(() => store.create("d"), "exists");
    await refuses(store.open("d"), "not-found");
    await refuses(store.makeDirectory("d"), "exists");
    await refuses(store.makeDirectory("a"), "exists");
    await refuses(store.makeDirectory("none/d"), "not-found");
    await refuses(store.list("none"), "not-found");
    await refuses(store.list("a"), "not-found");
    await refuses(store.remove("none"), "not-found");
    await refuses(store.rename("none", "e"), "not-found");
    await refuses(store.syncDirectory("none"), "not-found");
    strictEqual(file.sizeBytes, 0);
  });

  contract("no path leads out of the data folder", async (store) => {
    for (const path of ["..", "../a", "/a", "a/../../b", "./a", "a//b", "a/", "a\0b", "a\\b"]) {
      throwsKind(() => store.create(path), "io");
      await refuses(store.open(path), "io");
      await refuses(store.makeDirectory(path), "io");
      await refuses(store.remove(path), "io");
      await refuses(store.rename(path, "b"), "io");
      await refuses(store.rename("b", path), "io");
      await refuses(store.list(path), "io");
    }
    await refuses(store.remove(""), "io");
    deepStrictEqual(await store.list(""), []);
  });

  contract("a rename replaces a file, and open handles follow it", async (store) => {
    const old = store.create("b");
    old.append(new Uint8Array([9]));
    await old.close();
    const file = store.create("a");
    file.append(new Uint8Array([1]));
    await store.rename("a", "b");
    strictEqual(file.path, "b");
    file.append(new Uint8Array([2]));
    await store.sync([file]);
    deepStrictEqual(await store.list(""), [{ name: "b", kind: "file" }]);
    deepStrictEqual(await readFile(store, "b", 10), new Uint8Array([1, 2]));
  });

  contract("a replaced file that is still open does not stand in for the new one", async (store) => {
    const old = store.create("b");
    old.append(new Uint8Array([9]));
    const file = store.create("b.tmp");
    file.append(new Uint8Array([1, 2]));
    await file.close();
    await store.rename("b.tmp", "b");
    deepStrictEqual(await readFile(store, "b", 10), new Uint8Array([1, 2]));
    strictEqual(old.sizeBytes, 1);
    await old.close();
    deepStrictEqual(await readFile(store, "b", 10), new Uint8Array([1, 2]));
  });

  contract("a renamed directory takes its files and their handles along", async (store) => {
    await store.makeDirectory("t-0");
    const file = store.create("t-0/a");
    await store.rename("t-0", "t-0.x-delete");
    strictEqual(file.path, "t-0.x-delete/a");
    file.append(new Uint8Array([1]));
    await store.makeDirectory("t-0");
    const second = store.create("t-0/a");
    second.append(new Uint8Array([2, 2]));
    await store.sync([file, second]);
    deepStrictEqual(await readFile(store, "t-0.x-delete/a", 10), new Uint8Array([1]));
    deepStrictEqual(await readFile(store, "t-0/a", 10), new Uint8Array([2, 2]));
  });

  contract("a directory is removed with all in it, and its names are free again", async (store) => {
    await store.makeDirectory("d");
    await store.makeDirectory("d/e");
    const file = store.create("d/e/a");
    file.append(new Uint8Array([1]));
    await store.remove("d");
    await file.close();
    deepStrictEqual(await store.list(""), []);
    await store.makeDirectory("d");
    deepStrictEqual(await store.list("d"), []);
    strictEqual(await readFile(store, "d/e/a", 10), null);
  });

  contract("two handles on one file are one file", async (store) => {
    const one = store.create("a");
    const two = await store.open("a");
    one.append(new Uint8Array([1]));
    two.append(new Uint8Array([2]));
    strictEqual(one.sizeBytes, 2);
    await one.close();
    two.append(new Uint8Array([3]));
    await store.sync([two]);
    deepStrictEqual(await readFile(store, "a", 10), new Uint8Array([1, 2, 3]));
  });

  contract("a closed handle refuses, and closing again does nothing", async (store) => {
    const file = store.create("a");
    file.append(new Uint8Array([1]));
    await file.close();
    await file.close();
    throwsKind(() => file.append(new Uint8Array([2])), "closed");
    await refuses(file.read(new Uint8Array(1), 0), "closed");
    await refuses(file.truncate(0), "closed");
    await refuses(file.rewrite(new Uint8Array(1), 0), "closed");
    await refuses(store.sync([file]), "closed");
    deepStrictEqual(await readFile(store, "a", 10), new Uint8Array([1]));
  });

  contract("a read under way when its handle closes has its bytes or says closed", async (store) => {
    const file = store.create("a");
    file.append(pattern(100_000));
    const into = new Uint8Array(100_000);
    const reading = file.read(into, 0).catch((error: unknown) => error);
    await file.close();
    const result = await reading;
    if (result instanceof StorageError) strictEqual(result.kind, "closed");
    else {
      strictEqual(result, 100_000);
      deepStrictEqual(into, pattern(100_000));
    }
  });

  contract("many syncs at once all end", async (store) => {
    const files = Array.from({ length: 20 }, (_, index) => store.create(`f${index}`));
    for (const file of files) file.append(pattern(1000));
    await Promise.all([
      store.sync(files),
      store.syncDirectory(""),
      ...files.map((file) => store.sync([file])),
      store.sync([]),
    ]);
    for (const file of files) strictEqual((await readFile(store, file.path, 1000))?.length, 1000);
  });

  contract("a closed store refuses everything; what is durable is there when it opens again", async (store, under) => {
    await store.makeDirectory("d");
    const file = store.create("d/a");
    file.append(pattern(5000));
    await store.sync([file]);
    await store.syncDirectory("d");
    await store.syncDirectory("");
    await store.close();
    await store.close();
    throwsKind(() => file.append(new Uint8Array(1)), "closed");
    throwsKind(() => store.create("b"), "closed");
    await refuses(file.read(new Uint8Array(1), 0), "closed");
    await refuses(store.sync([file]), "closed");
    for (const call of [
      store.open("d/a"),
      store.list(""),
      store.makeDirectory("e"),
      store.remove("d"),
      store.rename("d", "e"),
      store.syncDirectory(""),
    ]) {
      await refuses(call, "closed");
    }
    const again = await under.reopen();
    if (again.manifest.durable) {
      deepStrictEqual(await again.list(""), [{ name: "d", kind: "directory" }]);
      deepStrictEqual(await readFile(again, "d/a", 5000), pattern(5000));
      const opened = await again.open("d/a");
      strictEqual(opened.sizeBytes, 5000);
      opened.append(new Uint8Array([7]));
      strictEqual(opened.sizeBytes, 5001);
      await opened.close();
    }
    await again.close();
  });

  contract("replaceFile and readFile", async (store) => {
    strictEqual(await readFile(store, "c", 10), null);
    await replaceFile(store, "c", new Uint8Array([1, 2]));
    // What a crash in the middle of an earlier one left.
    store.create("c.tmp").append(new Uint8Array([9, 9, 9]));
    await replaceFile(store, "c", new Uint8Array([3]));
    deepStrictEqual(await readFile(store, "c", 1), new Uint8Array([3]));
    deepStrictEqual(await store.list(""), [{ name: "c", kind: "file" }]);
    await replaceFile(store, "c", pattern(11));
    await refuses(readFile(store, "c", 10), "io");
    await refuses(replaceFile(store, "none/c", pattern(1)), "not-found");
    await replaceFile(store, "c", new Uint8Array(0));
    deepStrictEqual(await readFile(store, "c", 10), new Uint8Array(0));
  });

  test(`${name}: any sequence of operations does what a map of paths does`, async () => {
    const coverage = { append: 0, truncate: 0, read: 0, rename: 0, remove: 0 };
    await fc.assert(
      fc.asyncProperty(fc.array(command, { minLength: 1, maxLength: 60, size: "max" }), async (commands) => {
        const under = await makeStore();
        try {
          const model = new Model(under.store, coverage);
          for (const one of commands) await model.run(one);
          await model.compare();
        } finally {
          await under.cleanup();
        }
      }),
      { numRuns: 150 },
    );
    const floor = { append: 200, truncate: 20, read: 15, rename: 15, remove: 10 };
    for (const kind of Object.keys(floor) as (keyof Coverage)[])
      ok(coverage[kind] >= floor[kind], `only ${coverage[kind]} of ${kind}`);
  });
}

type Command =
  | {
      readonly kind: "create" | "append" | "read" | "list" | "makeDirectory" | "remove" | "sync" | "close";
      readonly path: string;
      readonly size: number;
    }
  | { readonly kind: "truncate"; readonly path: string; readonly size: number }
  | { readonly kind: "rename"; readonly path: string; readonly to: string };

const path = fc.constantFrom("a", "b", "d", "d/a", "d/b", "e", "e/a", "e/f", "e/f/a");
const size = fc.oneof(fc.nat(2000), fc.constantFrom(0, 1, 512, 262_144, 300_000));
const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 3,
    arbitrary: fc.record({ kind: fc.constantFrom("create", "makeDirectory", "makeDirectory"), path, size }),
  },
  { weight: 6, arbitrary: fc.record({ kind: fc.constant("append"), path, size }) },
  {
    weight: 4,
    arbitrary: fc.record({ kind: fc.constantFrom("read", "read", "list", "remove", "sync", "close"), path, size }),
  },
  { weight: 3, arbitrary: fc.record({ kind: fc.constant("truncate"), path, size }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("rename"), path, to: path }) },
);

/** Operations that took effect. */
type Coverage = Record<"append" | "truncate" | "read" | "rename" | "remove", number>;

/** A store as a map from path to bytes (a file) or null (a directory), run beside a real one. */
class Model {
  readonly #store: Storage;
  #entries: Map<string, Uint8Array | null> = new Map();
  #handles: Map<string, StorageFile> = new Map();
  #stamp = 0;
  readonly #coverage: Coverage;

  constructor(store: Storage, coverage: Coverage) {
    this.#store = store;
    this.#coverage = coverage;
  }

  async run(command: Command): Promise<void> {
    const store = this.#store;
    const { path } = command;
    if (command.kind === "append" && !this.#entries.has(path) && this.#isDirectory(parentOf(path))) {
      await this.run({ kind: "create", path, size: 0 });
    }
    const entry = this.#entries.get(path);
    switch (command.kind) {
      case "create":
        if (entry !== undefined) return throwsKind(() => store.create(path), "exists");
        if (!this.#isDirectory(parentOf(path))) return throwsKind(() => store.create(path), "not-found");
        this.#handles.set(path, store.create(path));
        this.#entries.set(path, new Uint8Array(0));
        return;
      case "makeDirectory":
        if (entry !== undefined) return await refuses(store.makeDirectory(path), "exists");
        if (!this.#isDirectory(parentOf(path))) return await refuses(store.makeDirectory(path), "not-found");
        await store.makeDirectory(path);
        this.#entries.set(path, null);
        return;
      case "list":
        if (!this.#isDirectory(path)) return await refuses(store.list(path), "not-found");
        return await this.#compareDirectory(path);
      case "remove":
        if (entry === undefined) return await refuses(store.remove(path), "not-found");
        await store.remove(path);
        this.#coverage.remove++;
        await this.#forget(path);
        return;
      case "rename":
        return await this.#rename(path, command.to, entry);
    }
    if (entry === undefined || entry === null) return await refuses(store.open(path), "not-found");
    const file = this.#handles.get(path) ?? (await store.open(path));
    this.#handles.set(path, file);
    strictEqual(file.path, path);
    strictEqual(file.sizeBytes, entry.length);
    switch (command.kind) {
      case "append": {
        const bytes = new Uint8Array(command.size).fill((this.#stamp++ % 255) + 1);
        file.append(bytes);
        this.#coverage.append++;
        this.#entries.set(path, concatenate(entry, bytes));
        return;
      }
      case "read": {
        this.#coverage.read++;
        const into = new Uint8Array(1000);
        const position = Math.floor(entry.length / 2);
        const expected = entry.slice(position, position + 1000);
        strictEqual(await file.read(into, position), expected.length);
        ok(sameBytes(into.subarray(0, expected.length), expected));
        return;
      }
      case "truncate":
        if (command.size > entry.length) return await refuses(file.truncate(command.size), "io");
        await file.truncate(command.size);
        this.#coverage.truncate++;
        this.#entries.set(path, entry.slice(0, command.size));
        return;
      case "sync":
        await store.sync([file]);
        await store.syncDirectory(parentOf(path));
        return;
      case "close":
        this.#handles.delete(path);
        await file.close();
    }
  }

  async compare(): Promise<void> {
    await this.#compareDirectory("");
    for (const [path, bytes] of this.#entries) {
      if (bytes === null) await this.#compareDirectory(path);
      else ok(sameBytes((await readFile(this.#store, path, 1e9))!, bytes), `${path} has other bytes`);
    }
  }

  async #rename(from: string, to: string, entry: Uint8Array | null | undefined): Promise<void> {
    // Out of or into itself, or a directory over a file: systems differ, and nobody does it.
    if (to.startsWith(`${from}/`) || from.startsWith(`${to}/`)) return;
    const replaced = this.#entries.get(to);
    if (entry === null && replaced instanceof Uint8Array) return;
    const renaming = this.#store.rename(from, to);
    if (entry === undefined || !this.#isDirectory(parentOf(to))) return await refuses(renaming, "not-found");
    if (entry !== null && replaced === null) return await refuses(renaming, "exists");
    if (from !== to && replaced === null && this.#below(to).length > 1) return await refuses(renaming, "not-empty");
    await renaming;
    this.#coverage.rename++;
    if (from === to) return;
    await this.#forget(to);
    for (const path of this.#below(from)) {
      const moved = to + path.slice(from.length);
      this.#entries.set(moved, this.#entries.get(path)!);
      this.#entries.delete(path);
      const handle = this.#handles.get(path);
      if (handle === undefined) continue;
      this.#handles.delete(path);
      this.#handles.set(moved, handle);
      strictEqual(handle.path, moved);
    }
  }

  async #forget(path: string): Promise<void> {
    for (const gone of this.#below(path)) {
      this.#entries.delete(gone);
      await this.#handles.get(gone)?.close();
      this.#handles.delete(gone);
    }
  }

  async #compareDirectory(path: string): Promise<void> {
    const expected = [...this.#entries.keys()]
      .filter((one) => parentOf(one) === path)
      .map((one) => (path === "" ? one : one.slice(path.length + 1)));
    const found = await this.#store.list(path);
    deepStrictEqual(found.map(({ name }) => name).sort(), expected.sort());
    for (const { name, kind } of found) {
      strictEqual(kind, this.#entries.get(path === "" ? name : `${path}/${name}`) === null ? "directory" : "file");
    }
  }

  #isDirectory(path: string): boolean {
    return path === "" || this.#entries.get(path) === null;
  }

  #below(path: string): string[] {
    return [...this.#entries.keys()].filter((one) => one === path || one.startsWith(`${path}/`));
  }
}

/** Bytes without a zero among them, so that a hole shows. */
export function pattern(sizeBytes: number): Uint8Array {
  const bytes = new Uint8Array(sizeBytes);
  for (let index = 0; index < sizeBytes; index++) bytes[index] = (index % 251) + 1;
  return bytes;
}

export async function refuses(promise: Promise<unknown>, kind: StorageErrorKind): Promise<void> {
  await rejects(promise, (error) => isKind(error, kind));
}

export function throwsKind(run: () => unknown, kind: StorageErrorKind): void {
  throws(run, (error) => isKind(error, kind));
}

function isKind(error: unknown, kind: StorageErrorKind): boolean {
  ok(error instanceof StorageError, String(error));
  strictEqual(error.kind, kind, error.message);
  return true;
}

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return one.length === other.length && one.every((byte, index) => byte === other[index]);
}

function parentOf(path: string): string {
  return path.slice(0, Math.max(0, path.lastIndexOf("/")));
}

function concatenate(one: Uint8Array, other: Uint8Array): Uint8Array {
  const all = new Uint8Array(one.length + other.length);
  all.set(one);
  all.set(other, one.length);
  return all;
}
