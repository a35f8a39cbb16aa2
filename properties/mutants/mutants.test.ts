// The list fits the engine as it is today, and the page says what the last run found.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { invariants } from "../checker/index.ts";
import { repositoryRoot } from "../house/repository.ts";
import { ending, root } from "./copy.ts";
import { mutantGroups, mutants } from "./index.ts";
import { applyEdit, editsOf, isOneOf } from "./mutant.ts";
import { everyKiller, isKilled, pageOf, type Results } from "./results.ts";

const trees = new Map([
  ["source", { folder: repositoryRoot(), ending: ".ts" }],
  ["what is run", { folder: root, ending }],
]);

for (const [tree, { folder, ending: end }] of trees) {
  test(`the text of every mutant is in the engine exactly once: ${tree}`, () => {
    for (const mutant of mutants) {
      // Several edits of one file come one after the other.
      const texts = new Map<string, string>();
      for (const edit of editsOf(mutant)) {
        const text = texts.get(edit.file) ?? readFileSync(join(folder, "engine", `${edit.file}${end}`), "utf8");
        const changed = applyEdit(text, edit);
        assert.notEqual(changed, text, `${mutant.name} changes nothing`);
        texts.set(edit.file, changed);
      }
    }
  });
}

test("a text that is not there, or there twice, is refused", () => {
  const edit = { file: "log/log", find: "one\n  two", replace: "three" };
  assert.throws(() => applyEdit("one three", edit), /0 times/);
  assert.throws(() => applyEdit("one two one two", edit), /2 times/);
  assert.equal(applyEdit("zero one\n\t two $& four", { ...edit, replace: "$&" }), "zero $& $& four");
});

test("every mutant has a name of its own, a source and a history", () => {
  assert.equal(new Set(mutants.map(({ name }) => name)).size, mutants.length);
  for (const { name, source, history } of mutants) {
    assert.match(source, /^(KAFKA-\d+(, KAFKA-\d+)*|KIP-\d+|redpanda#\d+|ours)$/, name);
    assert.match(history, /^[A-Z].{30,}\.$/, name);
  }
});

const results = JSON.parse(readFileSync(join(repositoryRoot(), "properties/mutants/results.json"), "utf8")) as Results;

test("the last run hunted every mutant, with its suite and with the simulation, and killed it", () => {
  for (const run of [results.mutants, results.simulation]) {
    assert.deepEqual(
      run.mutants.filter((one) => !isKilled(one)).map(({ name }) => name),
      [],
    );
    const hunted = new Set(run.mutants.map(({ name }) => name));
    assert.deepEqual(
      mutants.filter(({ name }) => !hunted.has(name)).map(({ name }) => name),
      [],
    );
  }
  assert.deepEqual(
    results.healthy.suites.flatMap(({ violations }) => violations),
    [],
  );
});

test("whatever noticed a mutant is one of the invariants that docs/properties.md lists", () => {
  const listed = new Set(invariants.map(({ name }) => name));
  assert.deepEqual(
    [...everyKiller(results)].filter((name) => !listed.has(name)),
    [],
  );
});

test("every mutant names invariants of the list", () => {
  for (const { name, found } of mutants) {
    assert.ok(found.length > 0, name);
    for (const { invariant } of found) assert.ok(invariants.includes(invariant), `${name}: ${invariant.name}`);
  }
});

test("what noticed a mutant in the last run is what the mutant names", () => {
  const found = new Map(mutants.map((mutant) => [mutant.name, mutant.found]));
  for (const { name, hunts } of [...results.mutants.mutants, ...results.simulation.mutants]) {
    for (const { killedBy } of hunts) {
      if (killedBy === null) continue;
      const violation = { ...killedBy, source: "", events: [] };
      assert.ok(isOneOf(found.get(name) ?? [], violation), `${name}: ${killedBy.invariant}: ${killedBy.message}`);
    }
  }
});

test("docs/mutants.md says what properties/mutants/results.json holds", () => {
  const page = readFileSync(join(repositoryRoot(), "docs/mutants.md"), "utf8");
  assert.equal(page, pageOf(results, mutantGroups), "run `npm run mutants -- --page`");
});
