// The examples do what they say, and stay as short as they promise.

import assert from "node:assert/strict";
import { readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { after, test } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import type { LogVerdict } from "../library/check-log.ts";
import { type LogAdapter, supportsNothing } from "./contract.ts";
import { contractCases } from "./contract-cases.ts";

const folder = new URL("./", import.meta.url);
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const written: string[] = [];
after(() => {
  for (const file of written) rmSync(file, { force: true });
});

/** The repository's folder of examples, from the sources or from dist/. */
function examples(): URL {
  for (const path of ["../../examples/", "../../../examples/"]) {
    const url = new URL(path, folder);
    try {
      if (readdirSync(url).length > 0) return url;
    } catch {}
  }
  throw new Error("there are no examples");
}

interface Ran {
  readonly verdict: LogVerdict;
  readonly said: string;
  readonly status: number | string | null | undefined;
  readonly module: Readonly<Record<string, unknown>>;
}

/** Runs one with `moldau/properties` being what is tested here; `change` makes another program of it. */
async function run(name: string, change?: (text: string) => string): Promise<Ran> {
  const text = readFileSync(new URL(name, examples()), "utf8");
  assert.ok(text.trimEnd().split("\n").length < 50, `${name} is under 50 lines`);
  assert.ok(text.includes('from "moldau/properties"'));
  const copy = fileURLToPath(
    new URL(`.example-${process.pid}-${change === undefined ? "" : "changed-"}${name}`, folder),
  );
  written.push(copy);
  const door = new URL(`../index.${extension}`, folder).href;
  writeFileSync(copy, (change?.(text) ?? text).replace("moldau/properties", door));
  const said: string[] = [];
  const { log } = console;
  const { exitCode } = process;
  console.log = (line: string) => void said.push(line);
  try {
    const module = (await import(pathToFileURL(copy).href)) as { readonly verdict: LogVerdict };
    return { verdict: module.verdict, said: said.join("\n"), status: process.exitCode, module };
  } finally {
    console.log = log;
    // Bun takes no undefined back.
    process.exitCode = exitCode ?? 0;
  }
}

test("there are three examples", () => {
  assert.deepEqual(readdirSync(examples()).sort(), ["contract.mjs", "hasty-log.mjs", "simple-log.mjs"]);
});

test("the simple log holds", async () => {
  const { verdict, said, status } = await run("simple-log.mjs");
  assert.ok(status !== 1);
  assert.equal(verdict.holds, true, said);
  assert.equal(verdict.runs, 200);
  assert.ok(verdict.operations > 3000);
  const shown = Object.entries(verdict.checked).filter(([, times]) => times > 0);
  assert.ok(shown.length >= 15, said);
  assert.match(said, /^holds: \d+ invariants over 200 plans/);
});

for (const name of ["simple-log.mjs", "hasty-log.mjs"])
  test(`${name} ends with 2, and says why, when it could not be run`, async () => {
    const { said, status } = await run(name, (text) => text.replace("runs: 200", "runs: 0"));
    assert.equal(status, 2);
    assert.match(said, /^checkLog: runs is 0, and has to be a whole number, at least 1, as in .*$/);
  });

test("the log that answers before it has stored is found, with a small plan and who was told what", async () => {
  const { verdict, said, status } = await run("hasty-log.mjs");
  assert.equal(status, 1);
  assert.equal(verdict.holds, false);
  const { plan, violations, history } = verdict.counterexample ?? assert.fail("no counter-example");
  assert.ok(plan.rounds.length <= 2, JSON.stringify(plan));
  assert.ok(plan.rounds.some(({ end }) => end === "crash"));
  assert.ok(plan.rounds.flatMap(({ commands }) => commands).length <= 4, JSON.stringify(plan));
  assert.ok(violations.some(({ invariant }) => /outlives every crash/.test(invariant)));
  assert.ok(history.some(({ kind }) => kind === "crash"));
  assert.match(said, /^violated, after \d+ plans/);
  assert.match(said, /held 'p\d\.\d+' \(p\d produced .* acknowledged at \d+ at \d+ ms in life 1\)/);
});

test("the simple log keeps the contract for adapters, and the hasty one breaks it by name", async () => {
  const failing = async (file: string, name: string, supports: LogAdapter["supports"]): Promise<string[]> => {
    const Log = (await run(file)).module[name] as new () => LogAdapter;
    const failed: string[] = [];
    for (const one of contractCases({ open: () => new Log(), supports, restarts: true }))
      await one.run().catch((error: Error) => failed.push(`${one.name}: ${error.message}`));
    return failed;
  };
  const more = { conditionalAppends: true, lookUpByTime: true };
  assert.deepEqual(await failing("simple-log.mjs", "SimpleLog", { ...supportsNothing, ...more }), []);
  assert.deepEqual(await failing("hasty-log.mjs", "HastyLog", supportsNothing), [
    'has what it acknowledged with acks=all after a crash, and goes on: what lies there after the restart: [], and is to be ["a","b"]',
  ]);
});
