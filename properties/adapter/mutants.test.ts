// Each historical fault, put back into a copy of the engine, is found by the plans.

import assert from "node:assert/strict";
import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import fc from "fast-check";
import { runsFactor, seed } from "../check.ts";
import type { Violation } from "../checker/index.ts";
import type { executeCompaction } from "../compaction.ts";
import { compactionPlans, compactionScript } from "../compaction-plans.ts";
import { type Mutant, mutants } from "../mutants.ts";
import { killedThenPowerless, type Plan, plans } from "../plan.ts";
import type { execute } from "../run.ts";

const here = fileURLToPath(import.meta.url);
const ending = here.endsWith(".ts") ? ".ts" : ".js";
const root = fileURLToPath(new URL("../..", import.meta.url));
const folders: string[] = [];

after(() => {
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The suite's folder, over an engine with the fault. */
function folderOf({ name, file, find, replace }: Mutant): string {
  const folder = mkdtempSync(join(tmpdir(), "moldau-mutant-"));
  folders.push(folder);
  const isSource = (path: string): boolean => !/\.test\./.test(path) && !/\/(house|adapter)$/.test(path);
  cpSync(join(root, "engine"), join(folder, "engine"), { recursive: true, filter: isSource });
  cpSync(join(root, "properties"), join(folder, "properties"), { recursive: true, filter: isSource });
  writeFileSync(join(folder, "package.json"), '{"type":"module"}');
  const path = join(folder, "engine", `${file}${ending}`);
  const text = readFileSync(path, "utf8");
  assert.equal(text.split(find).length - 1, 1, `${name}: '${find}' is to be in engine/${file} exactly once`);
  writeFileSync(
    path,
    text.replace(find, () => replace),
  );
  return folder;
}

async function withMutant(mutant: Mutant): Promise<typeof execute> {
  const path = join(folderOf(mutant), "properties", `run${ending}`);
  const module = (await import(pathToFileURL(path).href)) as { readonly execute: typeof execute };
  return module.execute;
}

/** Lives of a compacted topic, one after the other, and what was wrong with each. */
async function* compactedLives(mutant: Mutant): AsyncGenerator<readonly Violation[], void> {
  const path = join(folderOf(mutant), "properties", `compaction${ending}`);
  const { executeCompaction: run } = (await import(pathToFileURL(path).href)) as {
    readonly executeCompaction: typeof executeCompaction;
  };
  for (const plan of fc.sample(compactionPlans(), { seed, numRuns: budget })) yield (await run(plan)).violations;
  for (let write = 1; write < 300; write += 3) {
    yield (await run(compactionScript(seed), { crashAtWrites: [write] })).violations;
  }
}

async function* lives(mutant: Mutant): AsyncGenerator<readonly Violation[], void> {
  if (mutant.suite === "compaction") return yield* compactedLives(mutant);
  const run = await withMutant(mutant);
  for (const plan of drawn) yield (await run(plan)).violations;
}

const budget = Math.round(150 * Math.max(1, runsFactor));
const drawn: readonly Plan[] = [
  ...fc.sample(plans(), { seed, numRuns: budget }),
  ...Array.from({ length: 60 }, (_, index) => killedThenPowerless(seed + index, 1 + (index % 15))),
];

for (const mutant of mutants) {
  test(`killed: ${mutant.name}`, async () => {
    let tried = 0;
    for await (const violations of lives(mutant)) {
      tried += 1;
      const found = violations.find(({ invariant }) => mutant.found.test(invariant));
      if (found === undefined) continue;
      console.log(`${mutant.name}: killed by plan ${tried} of MOLDAU_SEED=${seed}: ${found.message.slice(0, 300)}`);
      return;
    }
    assert.fail(`${mutant.name}: survived ${tried} plans of MOLDAU_SEED=${seed}`);
  });
}

test("not a fault: every few batches are synced ahead of the flush", async () => {
  const run = await withMutant({
    name: "syncs ahead",
    file: "broker/partition",
    find: "log.appendedBytes - this.#aheadTo >= syncAheadBytes",
    replace: "log.appendedBytes - this.#aheadTo >= 150",
    found: /./,
  });
  for (const plan of drawn) assert.deepEqual((await run(plan)).violations, []);
});
