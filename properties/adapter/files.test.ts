// The same plans over real files and in real time: what holds in the virtual world holds here.
//
// A crash here is the death of the process: what was written is in the system's cache. Loss of
// power is for the virtual disk, and the order of syncs for sync-order.test.ts.
//
// Source: correctness.md A 1-8, 15, 18-20.

import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileStorage } from "../../server/runtime/node/storage.ts";
import { check } from "../check.ts";
import { execute } from "../lives/run.ts";
import { plans } from "../plan.ts";
import { type Storage, StorageError, type StorageFile } from "../subject.ts";
import type { Medium, Time } from "../world.ts";

class RealTime implements Time {
  readonly #started = performance.now();

  get nowMs(): number {
    return performance.now() - this.#started;
  }

  schedule(delayMs: number, run: () => void): () => void {
    const timer = setTimeout(run, delayMs);
    return () => clearTimeout(timer);
  }

  async until(done: () => boolean, limitMs: number): Promise<boolean> {
    const deadlineMs = this.nowMs + limitMs;
    while (!done()) {
      if (this.nowMs >= deadlineMs) return false;
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
    return true;
  }

  async pass(durationMs: number): Promise<void> {
    await this.until(() => false, durationMs);
  }
}

/** A folder; a life's end closes what it held, without a sync. */
function folderMedium(folder: string): Medium {
  let store: Storage | null = null;
  const end = async (): Promise<void> => {
    await store?.close();
    store = null;
  };
  return {
    storage(hooks) {
      store = fileStorage(folder, hooks);
      return store;
    },
    losePower: end,
    endProcess: end,
    outside: lookInto(folder),
  };
}

/** Reading past the store, which holds the folder's lock. */
function lookInto(folder: string): Storage {
  const refuse = (): never => {
    throw new StorageError("permission", "only looking");
  };
  return {
    manifest: { name: "folder", durable: true },
    async list(path) {
      const entries = await readdir(join(folder, path), { withFileTypes: true });
      return entries.map((entry) => ({
        name: entry.name,
        kind: entry.isFile() ? ("file" as const) : ("directory" as const),
      }));
    },
    async open(path): Promise<StorageFile> {
      const bytes = new Uint8Array(await readFile(join(folder, path)));
      return {
        path,
        sizeBytes: bytes.length,
        append: refuse,
        rewrite: refuse,
        truncate: refuse,
        async read(into, position) {
          const part = bytes.subarray(position, position + into.length);
          into.set(part);
          return part.length;
        },
        async close() {},
      };
    },
    create: refuse,
    sync: refuse,
    syncDirectory: refuse,
    makeDirectory: refuse,
    rename: refuse,
    remove: refuse,
    async close() {},
  };
}

test("a broker on real files keeps every invariant, through restarts and kills", async () => {
  await check(
    {
      name: "plans on real files",
      runs: 15,
      limitMs: 35_000,
      // What happens when is real time's choice: these are far below the usual.
      floors: { crashes: 4, "clean restarts": 20, rolls: 5, "produce ok": 40, "look-ups with a record": 100 },
    },
    plans({ maxRounds: 5 }),
    async (plan, coverage) => {
      const folder = await mkdtemp(join(tmpdir(), "moldau-files-"));
      try {
        const outer = { time: new RealTime(), medium: folderMedium(folder), latency: false };
        return (await execute(plan, { coverage, outer })).violations;
      } finally {
        await rm(folder, { recursive: true, force: true });
      }
    },
  );
});
