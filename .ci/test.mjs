// Runs the tests: `node .ci/test.mjs [--runtime node|node22|node24|bun|deno] [--unbuilt] [part of a path ...]`.
//
// Owns: which files are tests, and that none of them is passed over: under CI=true a skipped
//   or todo test, a test file that did not run, or a run without tests is a failure.
// Node runs the built files in dist/ (--unbuilt: the sources); Bun and Deno always run the sources.
import { spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { availableParallelism, tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runtime } from "./runtimes.mjs";

process.chdir(fileURLToPath(new URL("..", import.meta.url)));
const usage = `Usage: npm test -- [part of a path ...]
       node .ci/test.mjs [--runtime node|node22|node24|bun|deno] [--unbuilt] [part of a path ...]

Runs the test files with one of these parts in their paths, such as properties/checker; all of them without any.
npm test builds first. Node runs the built files in dist/ (--unbuilt: the sources); Bun and Deno always run the sources.`;
const { values, positionals } = readArguments();
if (values.help) {
  console.log(usage);
  process.exit(0);
}
const { name, command } = runtime(values.runtime);
const isNode = name.startsWith("node");
const built = isNode && !values.unbuilt;

const roots = ["engine", "server", "properties", "bench"].map((folder) => (built ? `dist/${folder}` : folder));
if (!roots.every((root) => existsSync(root))) fail("nothing is built: run `npm run build` first");
const tests = roots
  .flatMap((root) => readdirSync(root, { recursive: true }).map((file) => `./${join(root, file)}`))
  .filter((file) => file.endsWith(built ? ".test.js" : ".test.ts") && !file.includes("node_modules"))
  .sort();
if (tests.length === 0) fail(`no test files${built ? " in dist/: run `npm run build` first" : ""}`);
const files = tests.filter((file) => positionals.length === 0 || positionals.some((part) => file.includes(part)));
if (files.length === 0)
  fail(`none of the ${tests.length} test files has ${positionals.map((part) => `'${part}'`).join(" or ")} in its path`);

const scratch = mkdtempSync(join(tmpdir(), "moldau-test-"));
const results = join(scratch, "results");
const args = isNode
  ? [
      ...["--test", `--test-concurrency=${availableParallelism()}`],
      ...["--test-reporter=spec", "--test-reporter-destination=stdout"],
      ...["--test-reporter=./.ci/count-tests.mjs", `--test-reporter-destination=${results}`],
    ]
  : name === "bun"
    ? ["test", "--timeout", "60000", "--reporter=junit", `--reporter-outfile=${results}`]
    : ["test", "-A", "--no-check", "--quiet", `--junit-path=${results}`];
const run = spawnSync(command, [...args, ...files], { stdio: ["ignore", "inherit", "inherit"] });
let report;
try {
  report = readFileSync(results, "utf8");
} catch {
  fail(`${name}: the run left no report (${run.error?.message ?? run.signal ?? `status ${run.status}`})`);
} finally {
  rmSync(scratch, { recursive: true, force: true });
}
if (run.status !== 0) process.exit(run.status ?? 1);

if (process.env.CI === "true") {
  const counts = isNode ? JSON.parse(report) : countJunit(report);
  if (counts.tests === 0) fail(`${name}: no test ran`);
  if (counts.passedOver.length > 0) fail(`${name}: skipped or todo: ${counts.passedOver.join("; ")}`);
  // Bun and Deno leave a file without tests out of their report.
  const silent = isNode ? counts.silent : files.filter((file) => !report.includes(file.slice(2)));
  if (silent.length > 0) fail(`${name}: no test of these files ran: ${silent.join(", ")}`);
}

function readArguments() {
  try {
    return parseArgs({
      options: {
        runtime: { type: "string", default: "node" },
        unbuilt: { type: "boolean", default: false },
        help: { type: "boolean", short: "h", default: false },
      },
      allowPositionals: true,
    });
  } catch (error) {
    return fail(`${error.message}\n\n${usage}`);
  }
}

function countJunit(xml) {
  const cases = [...xml.matchAll(/<testcase\b([^>]*?)(?:\/>|>([\s\S]*?)<\/testcase>)/g)];
  const passedOver = cases
    .filter(([, , body]) => body?.includes("<skipped"))
    .map(([, attributes]) => /\bname="([^"]*)"/.exec(attributes)?.[1] ?? "unnamed");
  return { tests: cases.length, passedOver };
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
