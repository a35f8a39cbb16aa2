// Damaged folders on a real disk: the store that only reads finds what the one in memory finds,
// changes nothing, and what it foretells is what a start does.
//
// Source: docs/log-tool.md.

import { deepStrictEqual, ok, rejects, strictEqual } from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmod, mkdtemp, readdir, rename, rm, symlink } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { openReadOnlyStorage } from "../../server/runtime/node/read-only-storage.ts";
import { fileStorage } from "../../server/runtime/node/storage.ts";
import { webClock } from "../../server/runtime/web/world.ts";
import { check } from "../check.ts";
import { damage, damagePlans } from "../damage.ts";
import { fill, folderPlans, type Image, imageOf, toyCodec, writeFolder } from "../folder.ts";
import { draw } from "../random.ts";
import {
  type Finding,
  kernel,
  MoldauError,
  memoryStorage,
  openBroker,
  predictStart,
  type Storage,
  StorageError,
  verifyDataFolder,
} from "../subject.ts";

const plans = fc.record({ folder: folderPlans, damages: fc.array(damagePlans, { minLength: 1, maxLength: 4 }) });
const seed = 7;

async function findingsOf(storage: Storage): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of verifyDataFolder({ storage, kernel, decompressor: toyCodec })) findings.push(finding);
  const key = ({ file, position, kind }: Finding): string => `${file} ${position} ${kind}`;
  return findings.sort((one, other) => (key(one) < key(other) ? -1 : 1));
}

function sorted(image: Image): [string, Uint8Array][] {
  return [...image].sort(([one], [other]) => (one < other ? -1 : 1));
}

/** Stores have words of their own for a folder that is not there. */
function inGeneral(note: string): string {
  return note.replace(/(list [^:]+: ENOENT|[^: ]+ is not a directory)$/, "not there");
}

async function inFolder(image: Image, run: (folder: string) => Promise<void>): Promise<void> {
  const folder = await mkdtemp(join(tmpdir(), "moldau-damage-"));
  try {
    const storage = fileStorage(folder);
    await fill(storage, image);
    await storage.close();
    await run(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

function world(): Pick<Parameters<typeof predictStart>[0], "kernel" | "clock" | "entropy"> {
  const random = draw(seed, "entropy");
  return { kernel, clock: webClock, entropy: { fill: (bytes) => random.fill(bytes) } };
}

test("on files, verify finds the same, writes nothing, and foretells the start", async () => {
  await check(
    { name: "damaged files", runs: 18, floors: { damages: 20, starts: 12, "findings on files": 30 } },
    plans,
    async ({ folder: plan, damages }, coverage) => {
      const { image } = await writeFolder(plan);
      for (const one of damages) {
        const damaged = damage(image, one)?.image;
        if (damaged === undefined) continue;
        coverage.add("damages");
        const memory = memoryStorage();
        await fill(memory, damaged);
        const expected = await findingsOf(memory);
        await inFolder(damaged, async (folder) => {
          const storage = await openReadOnlyStorage(folder, { lock: true });
          const found = await findingsOf(storage);
          const foretold = await predictStart({ storage, ...world() });
          deepStrictEqual(sorted(await imageOf(storage)), sorted(damaged));
          await storage.close();
          deepStrictEqual(found, expected);
          coverage.add("findings on files", found.length);
          try {
            const broker = await openBroker({ storage: fileStorage(folder), logger: { log: () => {} }, ...world() });
            const { truncatedBytes, rebuiltIndexes, notes } = broker.report;
            await broker.close();
            strictEqual(foretold.outcome, "opens");
            deepStrictEqual(
              [truncatedBytes, rebuiltIndexes, notes.map(inGeneral)],
              [foretold.truncatedBytes, foretold.rebuiltIndexes, foretold.notes.map(inGeneral)],
            );
            coverage.add("starts");
          } catch (error) {
            if (!(error instanceof MoldauError)) throw error;
            deepStrictEqual(
              [foretold.outcome, inGeneral(foretold.reason ?? "")],
              ["refused", inGeneral(error.message)],
            );
            coverage.add("starts refused");
          }
        });
      }
      return [];
    },
  );
});

test("the store that only reads refuses every change, and a folder that somebody has", async () => {
  const { image } = await writeFolder({
    ...{ seed: 1, partitions: [1], batches: 4, segmentBytes: 600, indexIntervalBytes: 0 },
    ...{ lives: 1, end: "closed", deletes: false },
  });
  await inFolder(image, async (folder) => {
    const storage = await openReadOnlyStorage(folder, { lock: true });
    const refused = (error: unknown): boolean => error instanceof StorageError && error.kind === "permission";
    const file = await storage.open("meta.properties");
    ok(file.sizeBytes > 0);
    for (const change of [
      async () => void storage.create("new"),
      () => storage.makeDirectory("new"),
      () => storage.rename("meta.properties", "new"),
      () => storage.remove("meta.properties"),
      async () => file.append(new Uint8Array(1)),
      () => file.truncate(0),
    ]) {
      await rejects(async () => change(), refused);
    }
    await file.close();
    const other = fileStorage(folder);
    await rejects(other.list(""), { kind: "locked" });
    await storage.close();
    await other.list("");
    await rejects(openReadOnlyStorage(folder, { lock: true }), { kind: "locked" });
    await other.close();
    await chmod(folder, 0o500);
    try {
      const again = await openReadOnlyStorage(folder, { lock: true });
      deepStrictEqual(await findingsOf(again), []);
      await again.close();
    } finally {
      await chmod(folder, 0o700);
    }
    deepStrictEqual(
      (await readdir(folder)).filter((name) => name.startsWith(".lock")),
      [],
    );
  });
});

test("pipes and dead links that bear the names of files are found, and nobody waits for them", async () => {
  const { image } = await writeFolder({
    ...{ seed: 1, partitions: [1], batches: 12, segmentBytes: 600, indexIntervalBytes: 0 },
    ...{ lives: 1, end: "closed", deletes: false },
  });
  await inFolder(image, async (folder) => {
    const partition = "topic0-0";
    const names = (await readdir(join(folder, partition))).sort();
    const named = (ending: string): string => `${partition}/${names.find((name) => name.endsWith(ending))}`;
    // A link that leads to a file is that file, to the broker too.
    const elsewhere = join(folder, ".moved");
    await rename(join(folder, named(".log")), elsewhere);
    await symlink(elsewhere, join(folder, named(".log")));
    const irregular = [named(".index"), named(".snapshot"), `${partition}/leader-epoch-checkpoint`, "meta.properties"];
    for (const path of irregular) {
      await rm(join(folder, path));
      execFileSync("mkfifo", [join(folder, path)]);
    }
    const dead = named(".timeindex");
    await rm(join(folder, dead));
    await symlink(join(folder, "nowhere"), join(folder, dead));
    const storage = await openReadOnlyStorage(folder, { lock: true });
    const found = (await findingsOf(storage)).filter(({ kind }) => kind === "not-a-file");
    deepStrictEqual(found.map(({ file }) => file).sort(), [...irregular, dead].sort());
    ok(found.every(({ severity }) => severity === "error"));
    deepStrictEqual((await predictStart({ storage, ...world() })).outcome, "refused");
    await storage.close();
  });
});
