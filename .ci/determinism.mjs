// One seed, one history, on every runtime: `node .ci/determinism.mjs [--plans N] [--seed S]`.
//
// Runs the same plans twice under each runtime, and compares traces and histories, event by event hashed,
// between all of them.
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runtime, runtimes, versionOf } from "./runtimes.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const { values } = parseArgs({
  options: { plans: { type: "string", default: "30" }, seed: { type: "string", default: "20261126" } },
});

const seen = new Map();
for (const name of Object.keys(runtimes)) {
  const { command, run, unbuilt } = runtime(name);
  const program = unbuilt ? "properties/simulate/fingerprint.ts" : "dist/properties/simulate/fingerprint.js";
  const started = Date.now();
  const { status, stdout, stderr } = spawnSync(
    command,
    [...run, program, "--plans", values.plans, "--seed", values.seed],
    { encoding: "utf8", maxBuffer: 1 << 28 },
  );
  if (status !== 0) fail(`${name}: the plans did not run alike twice, or not at all (status ${status})\n${stderr}`);
  const lines = stdout.trim().split("\n");
  if (lines.length !== Number(values.plans)) fail(`${name}: ${lines.length} plans ran, not ${values.plans}`);
  seen.set(name, lines);
  console.log(
    `${name.padEnd(7)} ${versionOf(name).padEnd(12)} ${lines.length} plans twice, ${Date.now() - started} ms`,
  );
}
const [first, ...others] = [...seen];
for (const [name, lines] of others) {
  const at = lines.findIndex((line, number) => line !== first[1][number]);
  if (at >= 0) fail(`plan ${at} of seed ${values.seed} differs:\n${first[0]}: ${first[1][at]}\n${name}: ${lines[at]}`);
}
console.log(`the same ${values.plans} traces and histories on ${[...seen.keys()].join(", ")} (seed ${values.seed})`);

function fail(message) {
  console.error(message);
  process.exit(1);
}
