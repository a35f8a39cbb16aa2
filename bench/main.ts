// `npm run bench`: measures, with the peers, on the machine at hand, and says which targets are met.
//
// Owns: the command line, the order of work, and the end: whatever happens, no process and no folder
//   is left behind.
// Never: fails because something is slow, unless --check asks for it.

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chosen } from "./benchmarks.ts";
import type { Benchmark, SubjectRuntime } from "./harness/benchmark.ts";
import { drawCurves } from "./harness/chart.ts";
import { describeMachine } from "./harness/machine.ts";
import { machineLines, type Report, type Result, resultLines, runtimeName, verdictLines } from "./harness/report.ts";
import { findRuntime, installPeers } from "./harness/setup.ts";
import { type Options, parseOptions, usage } from "./options.ts";
import type { SuiteOrder } from "./suite.ts";

const here = dirname(fileURLToPath(import.meta.url));
/** The sources' folder, also for what was built into dist/. */
const root = existsSync(join(here, "../tsconfig.json")) ? resolve(here, "..") : resolve(here, "../..");
const say = (line: string): void => void process.stdout.write(`${line}\n`);

let child: ChildProcess | undefined;
let folder: string | undefined;

async function main(): Promise<number> {
  const options = parseOptions(process.argv.slice(2));
  if (typeof options === "string") {
    process.stderr.write(`${options}\n`);
    return 1;
  }
  if (options.help) {
    say(usage);
    return 0;
  }
  const selected = chosen(options.only);
  if (selected.length === 0) {
    process.stderr.write(`nothing has '${options.only}' in its name; --list shows all names\n`);
    return 1;
  }
  if (options.list) {
    for (const { group, name, timed } of selected) say(`${group}: ${name}\n    ${timed}`);
    return 0;
  }

  installPeers(root, say);
  const runtimes = pickRuntimes(options.runtimes);
  mkdirSync(options.folder ?? tmpdir(), { recursive: true });
  folder = mkdtempSync(join(options.folder ?? tmpdir(), "moldau-bench-"));
  const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
  const about = {
    moldau: version,
    machine: describeMachine(folder),
    node: process.versions.node,
    effort: options.effort,
  };
  for (const line of machineLines(about)) say(line);
  const results: Result[] = [];
  const earlier = options.merge ? resultsIn(options.json as string) : [];
  const reportOf = (): Report => ({ ...about, results: merged(earlier, results) });
  const writeReport = (file: string): void => write(file, `${JSON.stringify(reportOf(), shortNumbers, 1)}\n`);
  for (const runtime of runtimes) {
    say(`\n━━ ${runtimeName(runtime)}`);
    for (const group of new Set(selected.map((benchmark) => benchmark.group))) {
      const members = selected.filter((benchmark) => benchmark.group === group);
      await runGroup(members, runtime, options, (result) => {
        results.push(result);
        for (const line of resultLines(result)) say(line);
      });
      // A run takes long: one that is cut keeps what it has.
      if (options.json !== undefined) writeReport(options.json);
    }
  }
  say("");
  for (const line of verdictLines(results)) say(line);
  if (options.json !== undefined) say(`written: ${options.json}`);
  if (options.svg !== undefined) {
    write(options.svg, drawReport(reportOf()));
    say(`written: ${options.svg}`);
  }
  const missed = results.flatMap(({ verdicts }) => verdicts).filter(({ is }) => is !== "pass");
  return options.check && missed.length > 0 ? 1 : 0;
}

function resultsIn(file: string): readonly Result[] {
  return existsSync(file) ? (JSON.parse(readFileSync(file, "utf8")) as Report).results : [];
}

/** The earlier ones in their order, each replaced by its newer one; new ones follow. */
function merged(earlier: readonly Result[], results: readonly Result[]): Result[] {
  const same = (one: Result) => (other: Result) => one.name === other.name && one.runtime === other.runtime;
  return [
    ...earlier.map((result) => results.find(same(result)) ?? result),
    ...results.filter((result) => !earlier.some(same(result))),
  ];
}

function write(file: string, text: string): void {
  mkdirSync(dirname(resolve(file)), { recursive: true });
  writeFileSync(file, text);
}

/** Four digits: more would be noise. */
function shortNumbers(_: string, value: unknown): unknown {
  return typeof value === "number" ? Number(value.toPrecision(4)) : value;
}

/** The curves of the runtime that came first. */
function drawReport({ results, machine }: Report): string {
  const [first] = results;
  const title = `Moldau on ${first?.runtime}, ${machine.cpu}, ${machine.fileSystem}, ${machine.date.slice(0, 10)}`;
  return drawCurves(
    results.filter(({ runtime }) => runtime === first?.runtime),
    title,
    root,
    findRuntime("node", root) as SubjectRuntime,
  );
}

function pickRuntimes(names: readonly SubjectRuntime["name"][] | undefined): SubjectRuntime[] {
  const found: SubjectRuntime[] = [];
  for (const name of names ?? (["node", "bun", "deno"] as const)) {
    const runtime = findRuntime(name, root);
    if (runtime !== null) found.push(runtime);
    else if (names !== undefined)
      throw new Error(`${name} is neither in bench/node_modules, where it is for Linux on x64, nor on the PATH`);
    else say(`NOT MEASURED: ${name}, which is neither in bench/node_modules nor on the PATH`);
  }
  return found;
}

/** A suite's process for each kind of work in the group. */
async function runGroup(
  members: readonly Benchmark[],
  runtime: SubjectRuntime,
  { effort, profile }: Pick<Options, "effort" | "profile">,
  take: (result: Result) => void,
): Promise<void> {
  for (const kind of ["process", "server"] as const) {
    const names = members.filter(({ runs }) => runs === kind).map(({ name }) => name);
    if (names.length === 0) continue;
    // What only starts servers runs under Node whatever they run under: the same load for all.
    const host = kind === "process" ? runtime : (findRuntime("node", root) as SubjectRuntime);
    const program = host.built ? join(root, "dist/bench/suite.js") : join(root, "bench/suite.ts");
    const order: SuiteOrder = {
      names,
      effort,
      runtime,
      folder: folder as string,
      root,
      ...(profile === undefined ? {} : { profiles: resolve(profile) }),
    };
    await runSuite(host, program, order, take);
  }
}

async function runSuite(
  host: SubjectRuntime,
  program: string,
  order: SuiteOrder,
  take: (result: Result) => void,
): Promise<void> {
  const started = spawn(host.command, [...host.arguments, program, JSON.stringify(order)], {
    cwd: root,
    stdio: ["pipe", "pipe", "inherit"],
  });
  child = started;
  const ended = new Promise<string | null>((resolve, reject) => {
    started.once("error", reject);
    started.once("close", (status, signal) => resolve(status === 0 ? null : (signal ?? `status ${status}`)));
  });
  const names = new Set(order.names);
  for await (const line of createInterface({ input: started.stdout as NodeJS.ReadableStream })) {
    const result = JSON.parse(line) as Result;
    names.delete(result.name);
    take(result);
  }
  const failure = await ended;
  child = undefined;
  if (failure !== null || names.size > 0)
    throw new Error(`${runtimeName(order.runtime)}: '${[...names][0]}' ended with ${failure ?? "no result"}`);
}

/** Its standard input ends with us, and so does it; asking is only faster. */
function cleanUp(): void {
  child?.kill("SIGTERM");
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
}

for (const [signal, status] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.on(signal, () => {
    const running = child;
    const finish = (): never => {
      cleanUp();
      process.exit(status);
    };
    if (running === undefined || running.exitCode !== null) finish();
    else {
      running.once("close", finish);
      running.kill("SIGTERM");
    }
  });
}

try {
  process.exitCode = await main();
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`);
  process.exitCode = 1;
} finally {
  cleanUp();
}
