// Where each runtime that we support is found, and how it runs a program or the tests.
//
// Owns: that knowledge, once, for every script in this folder.
// Never: installs anything (`npm ci --prefix .ci` does) or quietly leaves a runtime out.
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { fileURLToPath } from "node:url";

const modules = fileURLToPath(new URL("node_modules/", import.meta.url));

/**
 * `run` precedes a program's path; `unbuilt` says whether TypeScript runs as it is.
 * `node` is whatever Node runs this script: Node 20 in CI.
 */
export const runtimes = {
  node: { command: process.execPath, run: [], unbuilt: false },
  node22: { command: `${modules}node22/bin/node`, run: [], unbuilt: true },
  node24: { command: `${modules}node24/bin/node`, run: [], unbuilt: true },
  bun: { command: `${modules}bun/bin/bun`, run: ["run"], unbuilt: true },
  deno: { command: `${modules}deno/deno`, run: ["run", "-A", "--no-check", "--quiet"], unbuilt: true },
};

/** The runtime of that name; exits with a clear message when it is not there. */
export function runtime(name) {
  const found = runtimes[name];
  if (found === undefined) fail(`no runtime '${name}'; there are ${Object.keys(runtimes).join(", ")}`);
  if (!existsSync(found.command)) fail(`runtime '${name}' is missing: run \`npm ci --prefix .ci\` first`);
  return { name, ...found };
}

/** What the runtime says of its version, on one line. */
export function versionOf(name) {
  return execFileSync(runtime(name).command, ["--version"], { encoding: "utf8" }).split("\n")[0].trim();
}

function fail(message) {
  console.error(message);
  process.exit(1);
}

// `node .ci/runtimes.mjs` proves that all of them are there.
if (process.argv[1] === fileURLToPath(import.meta.url)) {
  for (const name of Object.keys(runtimes)) console.log(`${name.padEnd(7)} ${versionOf(name)}`);
}
