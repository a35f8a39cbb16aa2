import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import process from "node:process";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import type { StorageFile } from "../../../engine/port/storage.ts";
import { StorageError } from "../../../engine/port/storage.ts";
import type { StorageOperation } from "../../../engine/port/storage-operation.ts";
import { pattern, refuses, storageContract, throwsKind } from "../../../engine/storage/contract.test-suite.ts";
import { readFile } from "../../../engine/storage/read-file.ts";
import type { OpenFile } from "./open-files.ts";
import { fileStorage, openFileStorage } from "./storage.ts";

for (const maxOpenFiles of [512, 1]) {
  storageContract(`files, ${maxOpenFiles} open`, async () => {
    const folder = makeFolder();
    let store = await openFileStorage(folder, { maxOpenFiles });
    return {
      store,
      reopen: async () => (store = await openFileStorage(folder, { maxOpenFiles })),
      cleanup: async () => {
        await store.close();
        rmSync(folder, { recursive: true });
      },
    };
  });
}

inFolder("a folder is made with those above it, and left as it was but for what was stored", async (folder) => {
  const inner = join(folder, "x", "y");
  const store = await openFileStorage(inner);
  strictEqual(readdirSync(inner).length, 1);
  deepStrictEqual(await store.list(""), []);
  store.create("a").append(pattern(3));
  await store.close();
  deepStrictEqual(readdirSync(inner), ["a"]);
  deepStrictEqual(new Uint8Array(readFileSync(join(inner, "a"))), pattern(3));
});

inFolder("fileStorage opens at its first awaited operation, and not before", async (folder) => {
  const store = fileStorage(join(folder, "data"));
  deepStrictEqual(readdirSync(folder), []);
  throwsKind(() => store.create("a"), "closed");
  deepStrictEqual(await store.list(""), []);
  store.create("a");
  await refuses(openFileStorage(join(folder, "data")), "locked");
  await store.close();
  await (await openFileStorage(join(folder, "data"))).close();

  const never = fileStorage(join(folder, "other"));
  await never.close();
  await refuses(never.list(""), "closed");
  ok(!existsSync(join(folder, "other")));
});

inFolder("a folder is held once in a process, until it is closed", async (folder) => {
  const store = await openFileStorage(folder);
  const error = await openFileStorage(folder).catch((error: unknown) => error);
  ok(error instanceof StorageError);
  strictEqual(error.kind, "locked");
  match(error.message, /this process already/);
  ok(error.message.includes(folder));
  await store.close();
  await (await openFileStorage(folder)).close();
});

inFolder("of many that open at once one holds the folder, also over what the dead left", async (folder) => {
  for (let round = 0; round < 5; round++) {
    leaveStale(folder, round);
    const results = await Promise.allSettled(Array.from({ length: 6 }, () => openFileStorage(folder)));
    const held = results.filter((result) => result.status === "fulfilled");
    for (const result of results)
      if (result.status === "rejected") strictEqual((result.reason as StorageError).kind, "locked");
    strictEqual(held.length, 1);
    await refuses(openFileStorage(folder), "locked");
    await held[0]!.value.close();
    deepStrictEqual(readdirSync(folder), []);
  }
});

inFolder("a second process is refused by the first one's id; a killed one's folder is free", async (folder) => {
  const holder = startChild("hold", folder);
  const { held, pid } = await holder.said();
  strictEqual(held, true);
  const error = await openFileStorage(folder).catch((error: unknown) => error);
  ok(error instanceof StorageError);
  strictEqual(error.kind, "locked");
  ok(error.message.includes(`process ${String(pid)}`), error.message);

  holder.process.kill("SIGKILL");
  await holder.ended;
  strictEqual(readdirSync(folder).length, 1, "the killed one left its socket");
  const store = await openFileStorage(folder);
  strictEqual(readdirSync(folder).length, 1, "what it left is cleared away");
  await store.close();
});

inFolder("of many processes that start at once one holds the folder", async (folder) => {
  leaveStale(folder, 0);
  const children = Array.from({ length: 4 }, () => startChild("hold", folder));
  const answers = await Promise.all(children.map((child) => child.said()));
  deepStrictEqual(answers.map(({ held, kind }) => (held === true ? "held" : kind)).sort(), [
    "held",
    "locked",
    "locked",
    "locked",
  ]);
  for (const child of children) child.process.stdin?.end();
  await Promise.all(children.map((child) => child.ended));
});

inFolder("a process that holds a folder and has nothing to do ends", async (folder) => {
  const child = startChild("leave", folder);
  strictEqual((await child.said()).held, true);
  strictEqual(await child.ended, 0);
  await (await openFileStorage(folder)).close();
});

inFolder("a folder whose path is longer than a socket's address is locked too", async (folder) => {
  const long = join(folder, "n".repeat(100), "m".repeat(100));
  const store = await openFileStorage(long);
  await refuses(openFileStorage(long), "locked");
  await store.close();
  deepStrictEqual(readdirSync(long), []);
  await (await openFileStorage(long)).close();
});

inFolder("what cannot be the data folder is named, with what to do", async (folder) => {
  writeFileSync(join(folder, "file"), "");
  for (const path of [join(folder, "file"), join(folder, "file", "below")]) {
    const error = await openFileStorage(path).catch((error: unknown) => error);
    ok(error instanceof StorageError);
    strictEqual(error.kind, "exists");
    match(error.message, /is a file; choose another folder/);
  }
  for (const path of unwritable(folder)) {
    const error = await openFileStorage(path).catch((error: unknown) => error);
    ok(error instanceof StorageError);
    strictEqual(error.kind, "permission", error.message);
    ok(error.message.includes(path), error.message);
    match(error.message, /choose another folder/);
  }
});

inFolder(
  "a disk that fills up in mid append: the file keeps its size, and goes on when there is room",
  async (folder) => {
    // A limit on the size of files stops a write half-way, as a full disk does.
    const child = startChild("fill", folder, "trap '' XFSZ; ulimit -f 2500; exec \"$@\"");
    const { kind, sizes, sizeBytes, tail } = (await child.said()) as Record<string, unknown>;
    strictEqual(kind, "no-space");
    const [counted, onDisk] = sizes as [number, number];
    ok(counted > 0 && counted % 300_000 === 0, `${counted} bytes`);
    strictEqual(onDisk, counted);
    strictEqual(sizeBytes, counted + 100);
    deepStrictEqual(tail, [7, 8, 8]);
    strictEqual(await child.ended, 0);
  },
);

inFolder("descriptors are bounded, and files that lost theirs go on", async (folder) => {
  for (const maxOpenFiles of [1, 4]) {
    const store = await openFileStorage(join(folder, String(maxOpenFiles)), { maxOpenFiles });
    const files = Array.from({ length: 30 }, (_, index) => store.create(`f${index}`));
    for (let round = 0; round < 3; round++) {
      for (const [index, file] of files.entries()) file.append(new Uint8Array(1000).fill(index + 1));
      // Three more may be in the middle of a sync.
      ok(descriptorsIn(folder) <= 2 * maxOpenFiles + 3, `${descriptorsIn(folder)} descriptors while nothing is synced`);
    }
    await Promise.all(files.map((file) => store.sync([file])));
    await descriptorsFallTo(maxOpenFiles, folder, "when all is synced");
    await Promise.all(
      files.map(async (file, index) => {
        const into = new Uint8Array(3000);
        strictEqual(await file.read(into, 0), 3000);
        deepStrictEqual(into, new Uint8Array(3000).fill(index + 1));
      }),
    );
    await descriptorsFallTo(maxOpenFiles, folder, "when all is read");
    await store.close();
    strictEqual(descriptorsIn(folder), 0);
  }
});

inFolder("a file without a descriptor is found while a rename of its directory is under way", async (folder) => {
  const store = await openFileStorage(folder, { maxOpenFiles: 1 });
  await store.makeDirectory("d");
  const file = store.create("d/a");
  file.append(new Uint8Array([1]));
  const other = store.create("other");
  await store.sync([file]);
  do await store.sync([other]);
  while (descriptorsIn(join(folder, "d")) > 0);
  const renaming = store.rename("d", "e");
  for (let turn = 0; turn < 5; turn++) await null;
  // Another thread renames; nothing else of ours runs before the append.
  for (const end = performance.now() + 500; !existsSync(join(folder, "e")) && performance.now() < end; );
  file.append(new Uint8Array([2]));
  await renaming;
  strictEqual(file.path, "e/a");
  deepStrictEqual(await readFile(store, "e/a", 9), new Uint8Array([1, 2]));
  await store.close();
});

inFolder(
  "a file that lost its descriptor is found where a rename took it, never another of its name",
  async (folder) => {
    const store = await openFileStorage(folder, { maxOpenFiles: 1 });
    await store.makeDirectory("d");
    const moved = store.create("d/a");
    moved.append(new Uint8Array([1]));
    const replaced = store.create("b");
    replaced.append(new Uint8Array([2]));
    const renamed = store.create("c");
    renamed.append(new Uint8Array([3]));
    await store.sync([moved, replaced, renamed]);
    const renaming = store.rename("d", "e");
    moved.append(new Uint8Array([4]));
    await renaming;
    await store.rename("c", "b");
    await store.makeDirectory("d");
    store.create("d/a").append(new Uint8Array([9]));
    moved.append(new Uint8Array([5]));
    renamed.append(new Uint8Array([6]));
    deepStrictEqual(await readFile(store, "e/a", 9), new Uint8Array([1, 4, 5]));
    deepStrictEqual(await readFile(store, "b", 9), new Uint8Array([3, 6]));
    for (let index = 0; index < 4; index++) store.create(`other${index}`).append(new Uint8Array([7]));
    await readsItsOwn(replaced, [2]);
    // Behind the store's back.
    writeFileSync(join(folder, "new"), "xx");
    renameSync(join(folder, "new"), join(folder, "b"));
    for (let index = 0; index < 4; index++) await readFile(store, `other${index}`, 9);
    await readsItsOwn(renamed, [3, 6]);
    await store.close();
  },
);

inFolder(
  "the hooks see every operation before, the trace a sync when it is done with the bytes it covered",
  async (folder) => {
    const seen: string[] = [];
    const told =
      (mark: string) =>
      ({ kind, paths, sizeBytes }: StorageOperation): void =>
        void seen.push(`${mark} ${kind} ${paths}${sizeBytes === undefined ? "" : ` ${sizeBytes}`}`);
    const store = await openFileStorage(folder, { onOperation: told(">"), trace: told("<") });
    const file = store.create("a");
    file.append(pattern(5));
    const syncing = store.sync([file]);
    file.append(pattern(1));
    await syncing;
    await store.syncDirectory("");
    deepStrictEqual(seen, [
      ...["> create a", "< create a", "> append a 5", "< append a 5", "> sync a"],
      ...["> append a 1", "< append a 1", "< sync a 5", "> syncDirectory ", "< syncDirectory "],
    ]);
    await store.close();
  },
);

inFolder("what is written over itself is written: the system takes it for changed", async (folder) => {
  const store = await openFileStorage(folder);
  const file = store.create("a");
  file.append(pattern(1_500_000));
  await store.sync([file]);
  const path = join(folder, "a");
  utimesSync(path, 1, 1);
  await file.rewrite(new Uint8Array(0), 1_500_000);
  strictEqual(statSync(path).mtimeMs, 1000);
  // In one turn, so that no sync begins half-way.
  const rewriting = file.rewrite(pattern(1_500_000).subarray(700_000), 700_000);
  ok(statSync(path).mtimeMs > 1000);
  await rewriting;
  await store.sync([file]);
  deepStrictEqual(await readFile(store, "a", 2_000_000), pattern(1_500_000));
  await store.close();
});

inFolder("a sync that began before a file is written over itself leaves it to the next", async (folder) => {
  const store = await openFileStorage(folder);
  const file = store.create("a");
  file.append(pattern(3_000_000));
  const counted = (file as unknown as { openFile(): OpenFile }).openFile();
  const syncing = store.sync([file]);
  const rewriting = file.rewrite(pattern(3_000_000), 0);
  await Promise.all([syncing, rewriting]);
  deepStrictEqual([counted.changes, counted.syncedChanges], [2, 1]);
  await store.sync([file]);
  deepStrictEqual([counted.changes, counted.syncedChanges], [2, 2]);
  await store.close();
});

inFolder("injected faults come out as they are, without an effect; a failed sync breaks its file", async (folder) => {
  let failing: string | null = null;
  const store = await openFileStorage(folder, {
    onOperation: ({ kind }) => {
      if (kind === failing) throw new StorageError("no-space", `injected into ${kind}`);
    },
  });
  const file = store.create("a");
  file.append(pattern(10));
  failing = "append";
  throwsKind(() => file.append(pattern(10)), "no-space");
  strictEqual(file.sizeBytes, 10);
  failing = "rename";
  await refuses(store.rename("a", "b"), "no-space");
  failing = "sync";
  await refuses(store.sync([file]), "no-space");
  failing = null;
  throwsKind(() => file.append(pattern(1)), "io");
  await refuses(store.sync([file]), "io");
  deepStrictEqual(await readFile(store, "a", 10), pattern(10));
  await store.close();
});

inFolder("what lies in the folder besides files and directories is told as other", async (folder) => {
  const path = join(folder, "foreign");
  const server = createServer().listen(path);
  await new Promise((resolve) => server.once("listening", resolve));
  const store = await openFileStorage(folder);
  deepStrictEqual(await store.list(""), [{ name: "foreign", kind: "other" }]);
  await store.close();
  server.close();
});

function makeFolder(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), "moldau-storage-")));
}

function inFolder(what: string, run: (folder: string) => Promise<void>): void {
  test(what, async () => {
    const folder = makeFolder();
    try {
      await run(folder);
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
}

/** Folders that cannot be written, also by root, for whom permission bits mean nothing. */
function unwritable(folder: string): string[] {
  if (process.getuid?.() === 0) return ["/sys", "/sys/moldau"];
  const path = join(folder, "closed");
  mkdirSync(path);
  chmodSync(path, 0o555);
  return [path, join(path, "below")];
}

/** A handle whose file lost its name reads its own bytes or says that it is gone: never another's. */
async function readsItsOwn(file: StorageFile, own: readonly number[]): Promise<void> {
  const into = new Uint8Array(own.length);
  try {
    await file.read(into, 0);
    deepStrictEqual([...into], own);
  } catch (error) {
    ok(error instanceof StorageError, String(error));
    strictEqual(error.kind, "not-found");
  }
}

/** A lock's file that nobody listens on. */
function leaveStale(folder: string, number: number): void {
  writeFileSync(join(folder, `.lock-${"0".repeat(15)}${number}.sock`), "");
}

/** How many descriptors of this process are for files in the folder; 0 where the system does not tell. */
function descriptorsIn(folder: string): number {
  if (!existsSync("/proc/self/fd")) return 0;
  let count = 0;
  for (const name of readdirSync("/proc/self/fd")) {
    try {
      if (readlinkSync(`/proc/self/fd/${name}`).startsWith(`${folder}/`)) count++;
    } catch {
      // Closed since it was listed.
    }
  }
  return count;
}

/** A sync of the store's own may still be under way, for which Deno takes a second descriptor of the file. */
async function descriptorsFallTo(most: number, folder: string, when: string): Promise<void> {
  for (let waits = 0; descriptorsIn(folder) > most && waits < 200; waits++) await delay(10);
  ok(descriptorsIn(folder) <= most, `${descriptorsIn(folder)} descriptors ${when}`);
}

interface Child {
  readonly process: ChildProcess;
  /** Its one line. */
  said(): Promise<Record<string, unknown>>;
  readonly ended: Promise<number | null>;
}

function startChild(task: string, folder: string, shell: string = 'exec "$@"'): Child {
  const built = import.meta.url.endsWith(".js");
  const program = fileURLToPath(new URL(`./storage.test-child.${built ? "js" : "ts"}`, import.meta.url));
  const flags = "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];
  const child = spawn("/bin/sh", ["-c", shell, "sh", process.execPath, ...flags, program, task, folder], {
    stdio: ["pipe", "pipe", "inherit"],
  });
  let heard = "";
  const ended = new Promise<number | null>((resolve) => child.once("close", (code) => resolve(code)));
  const line = new Promise<string>((resolve, reject) => {
    child.stdout.setEncoding("utf8");
    child.stdout.on("data", (text: string) => {
      heard += text;
      if (heard.includes("\n")) resolve(heard);
    });
    void ended.then((code) => reject(new Error(`${task} ended with ${code} and said ${JSON.stringify(heard)}`)));
  });
  return { process: child, said: async () => JSON.parse(await line) as Record<string, unknown>, ended };
}

inFolder("a file in use keeps its descriptor while many others come and go", async (folder) => {
  // With fewer, the hand comes round to it twice between two uses.
  const store = await openFileStorage(folder, { maxOpenFiles: 16 });
  await store.list("");
  const hot = store.create("hot");
  const cold = Array.from({ length: 40 }, (_, at) => store.create(`cold${at}`));
  const descriptorOf = (name: string): string | undefined =>
    readdirSync("/proc/self/fd").find((fd) => {
      try {
        return readlinkSync(`/proc/self/fd/${fd}`) === join(folder, name);
      } catch {
        return false;
      }
    });
  hot.append(new Uint8Array(1));
  await store.sync([hot, ...cold]);
  await hot.read(new Uint8Array(1), 0);
  const descriptor = descriptorOf("hot");
  ok(descriptor !== undefined);
  for (const file of cold) {
    strictEqual(await hot.read(new Uint8Array(1), 0), 1);
    await file.read(new Uint8Array(1), 0);
    file.append(new Uint8Array(1));
    await store.sync([file]);
    strictEqual(descriptorOf("hot"), descriptor);
  }
  ok(descriptorsIn(folder) <= 16);
  await store.close();
});
