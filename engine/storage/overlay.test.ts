import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type Storage, StorageError, type StorageFile } from "../port/storage.ts";
import { memoryStorage } from "./memory.ts";
import { overlayStorage } from "./overlay.ts";
import { readFile } from "./read-file.ts";
import { replaceFile } from "./replace-file.ts";

const names = ["a", "b", "d/a", "d/b", "e/a"];
const folders = ["d", "e", "f"];

type Operation =
  | { readonly kind: "append" | "truncate" | "replace"; readonly path: string; readonly bytes: number }
  | { readonly kind: "create" | "remove"; readonly path: string }
  | { readonly kind: "rename"; readonly path: string; readonly to: string };

const path = fc.constantFrom(...names, ...folders);
const operations: fc.Arbitrary<Operation[]> = fc.array(
  fc.oneof(
    fc.record({
      kind: fc.constantFrom("append" as const, "truncate" as const, "replace" as const),
      path: fc.constantFrom(...names),
      bytes: fc.nat(40),
    }),
    fc.record({ kind: fc.constantFrom("create" as const, "remove" as const), path }),
    fc.record({ kind: fc.constant("rename" as const), path, to: path }),
  ),
  { maxLength: 30 },
);

async function begin(): Promise<Storage> {
  const store = memoryStorage();
  for (const folder of ["d", "e"]) await store.makeDirectory(folder);
  for (const name of ["a", "d/a", "e/a"]) store.create(name).append(new TextEncoder().encode(`the bytes of ${name}`));
  return store;
}

/** What an operation came to: "done", or the kind of the error. */
async function perform(store: Storage, operation: Operation): Promise<string> {
  try {
    switch (operation.kind) {
      case "append":
      case "truncate": {
        const file = await store.open(operation.path);
        if (operation.kind === "append") file.append(new Uint8Array(operation.bytes).fill(operation.bytes));
        else await file.truncate(Math.min(operation.bytes, file.sizeBytes));
        await file.close();
        break;
      }
      case "replace":
        await replaceFile(store, operation.path, new Uint8Array(operation.bytes).fill(7));
        break;
      case "create":
        await store.list("");
        if (folders.includes(operation.path)) await store.makeDirectory(operation.path);
        else {
          await store.list(operation.path.includes("/") ? operation.path.slice(0, 1) : "");
          await store.create(operation.path).close();
        }
        break;
      case "remove":
        await store.remove(operation.path);
        break;
      default:
        await store.rename(operation.path, operation.to);
    }
    return "done";
  } catch (error) {
    if (!(error instanceof StorageError)) throw error;
    return error.kind;
  }
}

async function contents(store: Storage, folder = ""): Promise<string[]> {
  const lines: string[] = [];
  for (const { name, kind } of await store.list(folder)) {
    const below = folder === "" ? name : `${folder}/${name}`;
    if (kind === "directory") lines.push(`${below}/`, ...(await contents(store, below)));
    else lines.push(`${below} ${await readFile(store, below, 10_000)}`);
  }
  return lines.sort();
}

test("an overlay does what the store beneath would have done, and leaves that as it is", async () => {
  let done = 0;
  await fc.assert(
    fc.asyncProperty(operations, async (run) => {
      // Which error a move onto a folder gives is a store's own.
      const moves = run.filter((one) => one.kind !== "rename" || !folders.includes(one.to));
      const plain = await begin();
      const beneath = await begin();
      const before = await contents(beneath);
      const overlay = overlayStorage(beneath, 1_000_000);
      for (const operation of moves) {
        const expected = await perform(plain, operation);
        strictEqual(await perform(overlay, operation), expected, JSON.stringify(operation));
        if (expected === "done") done++;
      }
      deepStrictEqual(await contents(overlay), await contents(plain));
      deepStrictEqual(await contents(beneath), before);
    }),
    { numRuns: 300, seed: 20261124 },
  );
  ok(done > 500, `${done} operations were done`);
});

test("every position of a file that was cut and appended to is read as one", async () => {
  const overlay = overlayStorage(await begin(), 1000);
  const file: StorageFile = await overlay.open("a");
  await file.truncate(5);
  file.append(new TextEncoder().encode("XY"));
  file.append(new TextEncoder().encode("Z"));
  await file.truncate(7);
  const whole = "the bXY";
  strictEqual(file.sizeBytes, whole.length);
  for (let from = 0; from <= whole.length; from++) {
    for (let length = 0; length <= whole.length - from + 2; length++) {
      const into = new Uint8Array(length);
      const read = await file.read(into, from);
      strictEqual(new TextDecoder().decode(into.subarray(0, read)), whole.slice(from, from + length));
    }
  }
});

test("beyond its memory it refuses, and says ever after that it did", async () => {
  const overlay = overlayStorage(await begin(), 100);
  const file = await overlay.open("a");
  file.append(new Uint8Array(100));
  strictEqual(overlay.isOverfull, false);
  await rejects(replaceFile(overlay, "b", new Uint8Array(1)), { kind: "no-space" });
  strictEqual(overlay.isOverfull, true);
  await overlay.remove("a");
  await replaceFile(overlay, "b", new Uint8Array(100));
  strictEqual(overlay.isOverfull, true);
});
