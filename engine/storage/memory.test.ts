import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import type { Storage, StorageFile } from "../port/storage.ts";
import { StorageError } from "../port/storage.ts";
import type { StorageOperation } from "../port/storage-operation.ts";
import { pattern, refuses, sameBytes, storageContract, throwsKind } from "./contract.test-suite.ts";
import type { MemoryStorage } from "./memory.ts";
import { memoryStorage } from "./memory.ts";
import { readFile } from "./read-file.ts";
import { replaceFile } from "./replace-file.ts";

storageContract("memory", async () => {
  const store = memoryStorage();
  return { store, reopen: async () => store.restart(), cleanup: () => store.close() };
});

const sectorBytes = 512;

test("a crash keeps what was synced, and of the rest any sectors and any length", async () => {
  const written = pattern(5000);
  const syncedBytes = 700;
  const seen = { lost: 0, whole: 0, hole: 0, tornInASector: 0, later: 0 };
  await crashes(1000, async (random) => {
    const store = memoryStorage();
    const file = await createDurably(store, "a");
    file.append(written.subarray(0, syncedBytes));
    await store.sync([file]);
    file.append(written.subarray(syncedBytes, 2000));
    file.append(written.subarray(2000));
    const bytes = await readAll(store.crash(random), "a");
    ok(bytes.length >= syncedBytes && bytes.length <= written.length);
    ok(sameBytes(bytes.subarray(0, syncedBytes), written.subarray(0, syncedBytes)), "synced bytes were lost");
    let holes = 0;
    for (let start = syncedBytes; start < bytes.length; ) {
      const end = Math.min(bytes.length, (Math.floor(start / sectorBytes) + 1) * sectorBytes);
      const sector = bytes.subarray(start, end);
      const isHole = sector.every((byte) => byte === 0);
      if (isHole) holes++;
      else {
        ok(sameBytes(sector, written.subarray(start, end)), "a sector is neither there nor missing");
        if (holes > 0) seen.later++;
      }
      start = end;
    }
    if (holes > 0) seen.hole++;
    if (bytes.length === syncedBytes) seen.lost++;
    if (sameBytes(bytes, written)) seen.whole++;
    if (bytes.length < written.length && bytes.length % sectorBytes !== 0) seen.tornInASector++;
  });
  floor(seen, { lost: 100, whole: 100, hole: 100, tornInASector: 100, later: 100 });
});

test("a sync covers what came before it was called, and nothing after", async () => {
  const seen = { lost: 0, kept: 0 };
  await crashes(200, async (random) => {
    const store = memoryStorage();
    const file = await createDurably(store, "a");
    file.append(pattern(100));
    const syncing = store.sync([file]);
    file.append(pattern(100));
    await syncing;
    const bytes = await readAll(store.crash(random), "a");
    ok(sameBytes(bytes.subarray(0, 100), pattern(100)));
    if (bytes.length === 100) seen.lost++;
    if (bytes.length === 200) seen.kept++;
  });
  floor(seen, { lost: 20, kept: 20 });
});

test("a truncation that was not synced may be undone; synced, it stays", async () => {
  const seen = { undone: 0, kept: 0, keptAppend: 0, mixed: 0 };
  await crashes(500, async (random) => {
    const store = memoryStorage();
    const file = await createDurably(store, "a");
    file.append(pattern(3000));
    await store.sync([file]);
    await file.truncate(1000);
    file.append(new Uint8Array(100).fill(255));
    const bytes = await readAll(store.crash(random), "a");
    ok(sameBytes(bytes.subarray(0, 1000), pattern(1000)), "bytes below the truncation were lost");
    if (bytes.length === 3000 && sameBytes(bytes, pattern(3000))) seen.undone++;
    if (bytes.length === 1000) seen.kept++;
    if (bytes.length === 1100 && bytes[1099] === 255) seen.keptAppend++;
    if (bytes.length === 3000 && bytes[1099] === 255) seen.mixed++;
  });
  floor(seen, { undone: 30, kept: 30, keptAppend: 10, mixed: 10 });
  await crashes(50, async (random) => {
    const store = memoryStorage();
    const file = await createDurably(store, "a");
    file.append(pattern(3000));
    await store.sync([file]);
    await file.truncate(1000);
    await store.sync([file]);
    strictEqual((await readAll(store.crash(random), "a")).length, 1000);
  });
});

test("what was cut off twice and not synced may all be back", async () => {
  const seen = { undone: 0 };
  await crashes(300, async (random) => {
    const store = memoryStorage();
    const file = await createDurably(store, "a");
    file.append(pattern(3000));
    await store.sync([file]);
    await file.truncate(2000);
    await file.truncate(1000);
    const bytes = await readAll(store.crash(random), "a");
    ok([1000, 2000, 3000].includes(bytes.length));
    ok(sameBytes(bytes, pattern(bytes.length)));
    if (bytes.length === 3000) seen.undone++;
  });
  floor(seen, { undone: 10 });
});

test("a name is lost or kept until its directory is synced, whatever was synced of the file", async () => {
  const seen = { lost: 0, kept: 0, onlyOne: 0, noDirectory: 0 };
  await crashes(300, async (random) => {
    const store = memoryStorage();
    await store.makeDirectory("d");
    const files = [store.create("d/a"), store.create("d/b")];
    for (const file of files) file.append(pattern(600));
    await store.sync(files);
    const after = store.crash(random);
    if ((await after.list("")).length === 0) {
      seen.noDirectory++;
      return;
    }
    const names = (await after.list("d")).map(({ name }) => name);
    if (names.length === 0) seen.lost++;
    if (names.length === 1) seen.onlyOne++;
    if (names.length === 2) seen.kept++;
    for (const name of names) deepStrictEqual(await readAll(after, `d/${name}`), pattern(600));
  });
  floor(seen, { lost: 15, kept: 15, onlyOne: 15, noDirectory: 30 });
});

test("a removal may be undone until its directory is synced", async () => {
  const seen = { undone: 0, kept: 0 };
  for (const synced of [false, true]) {
    await crashes(100, async (random) => {
      const store = memoryStorage();
      const file = await createDurably(store, "a");
      file.append(pattern(10));
      await store.sync([file]);
      await store.remove("a");
      if (synced) await store.syncDirectory("");
      const bytes = await readFile(store.crash(random), "a", 10);
      if (synced) strictEqual(bytes, null);
      else if (bytes === null) seen.kept++;
      else {
        seen.undone++;
        deepStrictEqual(bytes, pattern(10));
      }
    });
  }
  floor(seen, { undone: 20, kept: 20 });
});

test("a renamed directory is under one of its names, with all that was durable in it", async () => {
  const seen = { old: 0, renamed: 0 };
  await crashes(200, async (random) => {
    const store = memoryStorage();
    await store.makeDirectory("t-0");
    await store.syncDirectory("");
    const file = await createDurably(store, "t-0/a");
    file.append(pattern(10));
    await store.sync([file]);
    await store.rename("t-0", "t-0.x-delete");
    const after = store.crash(random);
    const [entry, ...others] = await after.list("");
    deepStrictEqual(others, []);
    deepStrictEqual(await readAll(after, `${entry?.name}/a`), pattern(10));
    if (entry?.name === "t-0") seen.old++;
    else seen.renamed++;
  });
  floor(seen, { old: 30, renamed: 30 });
});

test("a failed sync leaves its bytes unsynced for ever; later ones are synced", async () => {
  const seen = { lost: 0, kept: 0 };
  await crashes(300, async (random) => {
    let failing = false;
    const store = memoryStorage({
      onOperation: ({ kind }) => {
        if (failing && kind === "sync") throw new StorageError("io", "injected EIO");
      },
    });
    const file = await createDurably(store, "a");
    file.append(pattern(512));
    await store.sync([file]);
    file.append(pattern(512));
    failing = true;
    await refuses(store.sync([file]), "io");
    failing = false;
    await store.sync([file]);
    file.append(pattern(512));
    await store.sync([file]);
    deepStrictEqual((await readAll(store, "a")).subarray(512, 1024), pattern(512));
    const bytes = await readAll(store.crash(random), "a");
    strictEqual(bytes.length, 1536);
    deepStrictEqual(bytes.subarray(0, 512), pattern(512));
    deepStrictEqual(bytes.subarray(1024), pattern(512));
    if (bytes.subarray(512, 1024).every((byte) => byte === 0)) seen.lost++;
    if (sameBytes(bytes.subarray(512, 1024), pattern(512))) seen.kept++;
  });
  floor(seen, { lost: 30, kept: 30 });
});

test("what a failed sync left is written by the sync after a rewrite; until then a rewrite takes nothing away", async () => {
  const seen = { lost: 0, kept: 0 };
  for (const isSynced of [false, true]) {
    await crashes(200, async (random) => {
      let failing = false;
      const store = memoryStorage({
        onOperation: ({ kind }) => {
          if (failing && kind === "sync") throw new StorageError("io", "injected EIO");
        },
      });
      const file = await createDurably(store, "a");
      file.append(pattern(700));
      await store.sync([file]);
      file.append(pattern(1500).subarray(700));
      failing = true;
      await refuses(store.sync([file]), "io");
      failing = false;
      for (const [from, to] of [
        [500, 900],
        [900, 1500],
      ] as const) {
        await file.rewrite(pattern(1500).subarray(from, to), from);
      }
      if (isSynced) await store.sync([file]);
      file.append(pattern(100));
      const bytes = await readAll(store.crash(random), "a");
      deepStrictEqual(bytes.subarray(0, 700), pattern(700));
      const isWhole = sameBytes(bytes.subarray(0, 1500), pattern(1500));
      if (isSynced) ok(isWhole);
      else seen[isWhole ? "kept" : "lost"]++;
    });
  }
  floor(seen, { lost: 30, kept: 30 });
});

test("what a failed sync left may leave the cache at any read, sector by sector, until it is written again", async () => {
  let evicting = true;
  let failing = false;
  const store = memoryStorage({
    onOperation: ({ kind }) => {
      if (failing && kind === "sync") throw new StorageError("io", "injected EIO");
    },
    evicts: () => evicting,
  });
  const file = await createDurably(store, "a");
  const whole = pattern(2000);
  file.append(whole.subarray(0, 700));
  await store.sync([file]);
  file.append(whole.subarray(700, 1600));
  deepStrictEqual(await readAll(store, "a"), whole.subarray(0, 1600));
  failing = true;
  await refuses(store.sync([file]), "io");
  failing = false;
  evicting = false;
  deepStrictEqual(await readAll(store, "a"), whole.subarray(0, 1600));
  await file.rewrite(whole.subarray(900, 1100), 900);
  file.append(whole.subarray(1600));
  evicting = true;
  const expected = whole.slice();
  expected.fill(0, 700, 900).fill(0, 1100, 1600);
  deepStrictEqual(await readAll(store, "a"), expected);
  evicting = false;
  deepStrictEqual(await readAll(store, "a"), expected);
  await file.rewrite(whole.subarray(700, 1600), 700);
  await store.sync([file]);
  evicting = true;
  deepStrictEqual(await readAll(store, "a"), whole);
  deepStrictEqual(
    await readAll(
      store.crash(() => 0),
      "a",
    ),
    whole,
  );
});

test("a file that is replaced is the old or the new one, wherever the power goes", async () => {
  const seen = { boundaries: 0, old: 0, renewed: 0 };
  const old = pattern(1500);
  const renewed = pattern(1700).reverse();
  await crashes(60, async (random) => {
    for (let boundary = 0; ; boundary++) {
      let left = Number.POSITIVE_INFINITY;
      const store: MemoryStorage = memoryStorage({
        onOperation: () => {
          if (left-- === 0) after = store.crash(random, {});
        },
      });
      let after: MemoryStorage | null = null;
      await replaceFile(store, "c", old);
      left = boundary;
      const replaced = await replaceFile(store, "c", renewed).then(
        () => true,
        () => false,
      );
      const whole = await readAll(after ?? store.crash(random, {}), "c");
      const isNew = sameBytes(whole, renewed);
      ok(isNew || (!replaced && sameBytes(whole, old)), "neither the old nor the new one");
      if (isNew) seen.renewed++;
      else seen.old++;
      if (replaced) break;
      seen.boundaries++;
    }
  });
  // remove, create, append, sync, rename, syncDirectory
  strictEqual(seen.boundaries, 60 * 6);
  floor(seen, { old: 100, renewed: 70 });
});

test("replaceFile leaves the old file and no temporary when it fails", async () => {
  for (const kind of ["append", "sync", "rename"]) {
    let failing = false;
    const store = memoryStorage({
      onOperation: (operation) => {
        if (failing && operation.kind === kind) throw new StorageError("no-space", "injected ENOSPC");
      },
    });
    await replaceFile(store, "c", pattern(10));
    failing = true;
    await refuses(replaceFile(store, "c", pattern(20)), "no-space");
    deepStrictEqual(await readAll(store, "c"), pattern(10));
    deepStrictEqual(await store.list(""), [{ name: "c", kind: "file" }]);
  }
});

test("when all is synced a crash changes nothing, whatever happened before", async () => {
  const seen = { truncated: 0, crashed: 0 };
  const step = fc.record({
    kind: fc.constantFrom("append", "append", "append", "truncate", "sync", "failSync", "replace", "remove", "crash"),
    file: fc.nat(2),
    size: fc.nat(1300),
  });
  await fc.assert(
    fc.asyncProperty(
      fc.array(step, { maxLength: 50, size: "max" }),
      fc.infiniteStream(fc.double({ min: 0, max: 1, maxExcluded: true, noNaN: true })),
      async (steps, chance) => {
        const random = (): number => chance.next().value;
        let failing = false;
        const options = {
          onOperation: ({ kind }: StorageOperation) => {
            if (failing && kind === "sync") throw new StorageError("io", "injected EIO");
          },
        };
        let store = memoryStorage(options);
        const model = new Map<string, Uint8Array>();
        let files = new Map<string, StorageFile>();
        let stamp = 0;
        const durably = async (): Promise<void> => {
          // What a failed sync left can only be made durable by writing it again.
          for (const [name, bytes] of model) {
            await files.get(name)?.close();
            await replaceFile(store, name, bytes);
            files.set(name, await store.open(name));
          }
          await store.syncDirectory("");
        };
        for (const { kind, file: number, size } of steps) {
          const name = `f${number}`;
          if (!files.has(name)) {
            files.set(name, store.create(name));
            model.set(name, new Uint8Array(0));
          }
          const file = files.get(name)!;
          const bytes = model.get(name)!;
          if (kind === "append") {
            const added = new Uint8Array(size).fill((stamp++ % 255) + 1);
            file.append(added);
            model.set(name, new Uint8Array([...bytes, ...added]));
          } else if (kind === "truncate") {
            const kept = Math.min(size, bytes.length);
            await file.truncate(kept);
            model.set(name, bytes.slice(0, kept));
            seen.truncated++;
          } else if (kind === "sync") {
            await store.sync([file]);
          } else if (kind === "failSync") {
            failing = true;
            await refuses(store.sync([file]), "io");
            failing = false;
          } else if (kind === "replace") {
            await file.close();
            await replaceFile(store, name, bytes);
            files.set(name, await store.open(name));
          } else if (kind === "remove") {
            await store.remove(name);
            files.delete(name);
            model.delete(name);
          } else {
            await durably();
            store = store.crash(random, options);
            seen.crashed++;
            deepStrictEqual((await store.list("")).map((entry) => entry.name).sort(), [...model.keys()].sort());
            for (const [path, expected] of model)
              ok(sameBytes(await readAll(store, path), expected), `${path} changed`);
            files = new Map();
            for (const path of model.keys()) files.set(path, await store.open(path));
          }
        }
        strictEqual(
          store.usedBytes(),
          [...model.values()].reduce((sum, bytes) => sum + bytes.length, 0),
        );
      },
    ),
    { numRuns: 150 },
  );
  floor(seen, { truncated: 100, crashed: 100 });
});

test("any appends, truncations and syncs leave a durable file after a last sync", async () => {
  const step = fc.record({
    kind: fc.constantFrom("append", "append", "truncate", "sync", "background"),
    size: fc.nat(1300),
  });
  let overlapped = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { maxLength: 40, size: "max" }), fc.nat(), async (steps, seed) => {
      const random = chanceOf(seed);
      const store = memoryStorage();
      const file = await createDurably(store, "a");
      let bytes = new Uint8Array(0);
      const syncs: Promise<void>[] = [];
      for (const [index, { kind, size }] of steps.entries()) {
        if (kind === "append") {
          const added = new Uint8Array(size).fill((index % 255) + 1);
          file.append(added);
          bytes = new Uint8Array([...bytes, ...added]);
        } else if (kind === "truncate") {
          const truncating = file.truncate(Math.min(size, bytes.length));
          bytes = bytes.slice(0, Math.min(size, bytes.length));
          await truncating;
        } else if (kind === "sync") {
          await store.sync([file]);
        } else {
          overlapped++;
          syncs.push(store.sync([file]));
        }
      }
      await Promise.all(syncs);
      await store.sync([file]);
      const after = store.crash(random);
      ok(sameBytes(await readAll(after, "a"), bytes), "other bytes than were synced");
      ok(sameBytes(await readAll(after.crash(random), "a"), bytes), "a second crash changed what the first one left");
    }),
    { numRuns: 300 },
  );
  ok(overlapped > 300, `${overlapped} overlapped`);
});

test("a full store refuses the whole append and goes on reading", async () => {
  const store = memoryStorage({ capacityBytes: 1000 });
  const file = store.create("a");
  file.append(pattern(900));
  throwsKind(() => file.append(pattern(101)), "no-space");
  strictEqual(file.sizeBytes, 900);
  file.append(pattern(100));
  throwsKind(() => file.append(pattern(1)), "no-space");
  deepStrictEqual((await readAll(store, "a")).subarray(0, 900), pattern(900));
  await file.truncate(500);
  file.append(pattern(500));
  strictEqual(store.usedBytes(), 1000);
  store.setCapacity(1001);
  file.append(pattern(1));
  await store.remove("a");
  strictEqual(store.usedBytes(), 0);
  store.create("b").append(pattern(1001));
});

test("what a hook throws, the operation throws, without an effect", async () => {
  let failing: string | null = null;
  const store = memoryStorage({
    onOperation: ({ kind }) => {
      if (kind === failing) throw new StorageError("io", `injected into ${kind}`);
    },
  });
  const file = await createDurably(store, "a");
  file.append(pattern(10));
  const calls: Readonly<Record<string, () => unknown>> = {
    create: () => store.create("b"),
    open: () => store.open("a"),
    append: () => file.append(pattern(5)),
    read: () => file.read(new Uint8Array(1), 0),
    truncate: () => file.truncate(1),
    syncDirectory: () => store.syncDirectory(""),
    list: () => store.list(""),
    makeDirectory: () => store.makeDirectory("d"),
    rename: () => store.rename("a", "b"),
    remove: () => store.remove("a"),
  };
  for (const [kind, call] of Object.entries(calls)) {
    failing = kind;
    await rejects(async () => call(), { message: `injected into ${kind}` });
    failing = null;
    deepStrictEqual(await store.list(""), [{ name: "a", kind: "file" }]);
    deepStrictEqual(await readAll(store, "a"), pattern(10));
  }
});

test("the hooks see every operation before, the trace after its effect, a sync when it is done", async () => {
  const seen: string[] = [];
  const told =
    (mark: string) =>
    (operation: StorageOperation): void => {
      seen.push(
        `${mark} ${operation.kind} ${operation.paths.join(",")}${operation.sizeBytes === undefined ? "" : ` ${operation.sizeBytes}`}`,
      );
    };
  const store = memoryStorage({ onOperation: told(">"), trace: told("<") });
  const file = store.create("a");
  const other = store.create("b");
  seen.length = 0;
  file.append(pattern(5));
  const syncing = store.sync([file, other]);
  file.append(pattern(1));
  await syncing;
  await store.rename("a", "c");
  deepStrictEqual(seen, [
    "> append a 5",
    "< append a 5",
    "> sync a,b",
    "> append a 1",
    "< append a 1",
    "< sync a 5",
    "< sync b 0",
    "> rename a,c",
    "< rename a,c",
  ]);
});

test("a store that crashed or was restarted is dead, also to a sync under way", async () => {
  for (const end of ["crash", "restart"] as const) {
    const store = memoryStorage();
    const file = await createDurably(store, "a");
    file.append(pattern(10));
    const syncing = store.sync([file]);
    const after = end === "crash" ? store.crash(() => 0) : store.restart();
    await refuses(syncing, "closed");
    throwsKind(() => file.append(pattern(1)), "closed");
    await refuses(store.list(""), "closed");
    strictEqual((await readAll(after, "a")).length, end === "crash" ? 0 : 10);
  }
});

test("the same calls and the same chance give the same disk", async () => {
  const run = async (): Promise<Uint8Array[]> => {
    const store = memoryStorage();
    const files = ["a", "b", "c"].map((name) => store.create(name));
    for (const file of files) file.append(pattern(4000));
    await store.syncDirectory("");
    const after = store.crash(chanceOf(7));
    return await Promise.all(["a", "b", "c"].map((name) => readAll(after, name)));
  };
  deepStrictEqual(await run(), await run());
});

async function createDurably(store: Storage, path: string): Promise<StorageFile> {
  const file = store.create(path);
  await store.syncDirectory(path.slice(0, Math.max(0, path.lastIndexOf("/"))));
  return file;
}

async function readAll(store: Storage, path: string): Promise<Uint8Array> {
  const bytes = await readFile(store, path, Number.MAX_SAFE_INTEGER);
  ok(bytes !== null, `${path} is gone`);
  return bytes;
}

/** Runs with a chance of its own for each number. */
async function crashes(runs: number, run: (random: () => number) => Promise<void>): Promise<void> {
  for (let seed = 1; seed <= runs; seed++) await run(chanceOf(seed));
}

/** A small generator (mulberry32), so that a number replays a run. */
function chanceOf(seed: number): () => number {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** Says which outcome did not occur often enough for the run to prove anything. */
function floor<Outcome extends string>(seen: Record<Outcome, number>, least: Partial<Record<Outcome, number>>): void {
  for (const [outcome, count] of Object.entries<number | undefined>(least)) {
    ok(
      seen[outcome as Outcome] >= (count ?? 0),
      `${outcome}: ${seen[outcome as Outcome]} times, fewer than ${count}: ${JSON.stringify(seen)}`,
    );
  }
}
