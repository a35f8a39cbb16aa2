// A mistake on the command line is told from a mutant that survived.

import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

/** What precedes a program's path on the runtime that runs this. */
const verb = "Bun" in globalThis ? ["run"] : "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";

const wrong: readonly (readonly [command: "mutants" | "simulate", args: readonly string[], message: RegExp])[] = [
  ["mutants", ["--only"], /argument missing/],
  ["mutants", ["--limit", "0"], /a whole number from 1 on/],
  ["mutants", ["--foo"], /unknown option '--foo'/],
  ["mutants", ["--suite", "nonsense"], /there is no suite 'nonsense': lives, .*simulation, or, for hunts, own$/m],
  ["mutants", ["--healthy", "1", "--suite", "own"], /--suite own is for hunts/],
  ["simulate", ["--workers", "0"], /a whole number from 1 to \d+, four a core here/],
  ["simulate", ["--workers", "100000"], /a whole number from 1 to \d+, four a core here/],
  ...["hours", "minutes", "seconds", "seed", "workers"].map(
    (name) =>
      [
        "simulate",
        ["--plan", "/no/plan.json", `--${name}`, "1"],
        new RegExp(`'--plan <file>' cannot be used with option '--${name} <n>'`),
      ] as const,
  ),
  [
    "simulate",
    ["--plan", "/no/plan.json"],
    /^simulate: \/no\/plan\.json cannot be read: ENOENT.*\n.*properties\/corpus.*\n$/,
  ],
];

for (const [command, args, message] of wrong) {
  test(`${command} ${args.join(" ")} says what is wrong, and ends with 2`, () => {
    const main = fileURLToPath(new URL(`../${command}/main.${extension}`, import.meta.url));
    const { status, stderr } = spawnSync(process.execPath, [...verb, main, ...args], { encoding: "utf8" });
    assert.match(stderr, message);
    assert.doesNotMatch(stderr, /^ +at /m);
    assert.equal(status, 2);
  });
}
