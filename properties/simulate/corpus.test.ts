// Plans that found something once hold ever after.
//
// A file is `{ found, fixedBy, plan }`: what was violated then, and what was done about it.

import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "../house/repository.ts";
import type { SimPlan } from "../sim/plan.ts";
import { runPlan } from "./campaign.ts";

interface Kept {
  readonly found: string;
  readonly fixedBy: string;
  readonly plan: SimPlan;
}

const folder = join(repositoryRoot(), "properties", "corpus");
const files = readdirSync(folder).filter((name) => name.endsWith(".json"));

test("there is a corpus", () => assert.ok(files.length > 0, `${folder} has no plan`));

for (const file of files) {
  test(`${file} holds`, async () => {
    const { found, fixedBy, plan } = JSON.parse(readFileSync(join(folder, file), "utf8")) as Kept;
    assert.ok(found.length > 0 && fixedBy.length > 0, "a plan says what it found and what was done about it");
    const { found: wrong, tally } = await runPlan(plan);
    assert.equal(wrong, null, `${file}, which found: ${found}`);
    assert.ok(tally.events > 0);
  });
}
