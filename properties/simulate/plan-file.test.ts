import assert from "node:assert/strict";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { repositoryRoot } from "../house/repository.ts";
import { readPlan, UsageError } from "./plan-file.ts";
import { plansOf } from "./seeds.ts";

test("every plan of the corpus, and every one that is drawn, is read as it was written", () => {
  const corpus = join(repositoryRoot(), "properties", "corpus");
  for (const name of readdirSync(corpus)) assert.equal(typeof readPlan(join(corpus, name)).seed, "number");
  within((folder) => {
    const file = join(folder, "drawn.json");
    for (const plan of plansOf(7)) {
      writeFileSync(file, JSON.stringify({ plan }));
      assert.deepEqual(readPlan(file), JSON.parse(JSON.stringify(plan)));
    }
  });
});

test("a file without a plan is named, with what is wrong and where there are plans", () => {
  const plan = plansOf(7, 1)[0];
  const wrong: readonly (readonly [text: string | null, message: RegExp])[] = [
    [null, / cannot be read: ENOENT/],
    ["{", / is no JSON: /],
    ['{"seed":1}', / holds no plan: it has no 'plan'/],
    ["[]", / holds no plan: it has no 'plan'/],
    ['{"plan":{}}', / holds no plan: 'plan\.seed' is no number/],
    [JSON.stringify({ plan: { ...plan, disk: null } }), /'plan\.disk' is no object/],
    [JSON.stringify({ plan: { ...plan, topics: [{ partitions: 1 }] } }), /'plan\.topics\[0\]\.configs' is no object/],
    [JSON.stringify({ plan: { ...plan, actors: {} } }), /'plan\.actors' is no list/],
    [JSON.stringify({ plan: { ...plan, faults: [{ luck: 1, atMs: 1 }] } }), /'plan\.faults\[0\]\.do' is no text/],
  ];
  within((folder) => {
    for (const [at, [text, message]] of wrong.entries()) {
      const file = join(folder, `${at}.json`);
      if (text !== null) writeFileSync(file, text);
      assert.throws(
        () => readPlan(file),
        (error) =>
          error instanceof UsageError &&
          error.message.startsWith(file) &&
          message.test(error.message) &&
          error.message.includes("properties/corpus"),
        text ?? "no file",
      );
    }
  });
});

function within(run: (folder: string) => void): void {
  const folder = mkdtempSync(join(tmpdir(), "moldau-plan-"));
  try {
    run(folder);
  } finally {
    rmSync(folder, { recursive: true });
  }
}
