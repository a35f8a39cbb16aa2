// `npm run mutants`: puts back every fault, one at a time, and shows that it is noticed.
//
// Owns: the command line, the line of progress, and where results go.
// Never: plays a seed (worker.ts).

import { readFileSync, writeFileSync } from "node:fs";
import { availableParallelism, cpus } from "node:os";
import { join } from "node:path";
import { Command, InvalidArgumentError } from "commander";
import { repositoryRoot } from "../house/repository.ts";
import { work } from "./crew.ts";
import { mutantGroups, mutants } from "./index.ts";
import type { Mutant } from "./mutant.ts";
import {
  type HealthyRun,
  type HuntResult,
  healthyTableOf,
  isKilled,
  type MutantsRun,
  pageOf,
  type Results,
  type Taken,
  tableOf,
} from "./results.ts";
import { type SuiteName, suiteNames } from "./suites.ts";
import type { Task, TaskEnd } from "./worker.ts";

const resultsName = "properties/mutants/results.json";
const pageName = "docs/mutants.md";
/** Seeds of the healthy engine are shared out in pieces of so many. */
const pieceSeeds = 50;
/** Of a mutant: the suite that was made for what it breaks. */
const own = "own";
/** Far from those of the hunts. */
const healthyStream = 1_000_000;

interface Options {
  readonly only?: string;
  readonly limit: number;
  readonly streams: number;
  readonly stream: number;
  readonly workers: number;
  readonly healthy?: number;
  readonly suite?: string;
  readonly json?: string;
  readonly write?: boolean;
  readonly page?: boolean;
}

function whole(text: string): number {
  const number = Number(text);
  if (!Number.isSafeInteger(number) || number < 1) throw new InvalidArgumentError("a whole number from 1 on is wanted");
  return number;
}

const program = new Command("mutants")
  // 1 says that a mutant survived.
  .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
  .description("Puts faults of other brokers back into a copy of the engine, and shows that the suites notice.")
  .option("--only <text>", "only mutants whose name or source has this text")
  .option("--limit <seeds>", "seeds a hunt may take", whole, 10_000)
  .option("--streams <number>", "independent streams of seeds", whole, 5)
  .option("--stream <number>", "the first of them", whole, 1)
  .option("--workers <number>", "threads", whole, availableParallelism())
  .option("--healthy <seeds>", "looks for violations in the engine as it is, in so many seeds over all suites", whole)
  .option(
    "--suite <name>",
    `only with this one: ${suiteNames.join(", ")}, or, for hunts, ${own}: the one that each mutant names; both that and simulation when nothing is said`,
  )
  .option("--json <file>", "writes the results there")
  .option("--write", `writes them to ${resultsName}, and ${pageName} from that`)
  .option("--page", `only writes ${pageName} again`);

async function main(): Promise<number> {
  const options = program.parse().opts<Options>();
  if (options.page === true) {
    writePage(readResults());
    return 0;
  }
  return options.healthy === undefined ? huntAll(options) : lookAtHealthy(options, options.healthy);
}

async function huntAll(options: Options): Promise<number> {
  const { only = "", suite, write } = options;
  const named = suite === undefined || suite === own ? null : suiteOf(suite);
  if (write === true && (only !== "" || (named !== null && named !== "simulation"))) {
    throw new Error(`--write keeps whole runs alone: leave --only out, and of suites name none, ${own} or simulation`);
  }
  const hunted = mutants.filter(({ name, source }) => `${name} ${source}`.toLowerCase().includes(only.toLowerCase()));
  if (hunted.length === 0) throw new Error(`no mutant's name or source has '${only}'`);
  const withOwn = named !== null ? null : await huntWith(options, hunted);
  const bySuite = suite === own ? null : await huntWith(options, hunted, named ?? "simulation");
  save(options, {
    ...(withOwn === null ? {} : { mutants: withOwn }),
    ...(bySuite === null ? {} : { [named === null || named === "simulation" ? "simulation" : "mutants"]: bySuite }),
  });
  return [withOwn, bySuite].every((run) => run === null || run.mutants.every(isKilled)) ? 0 : 1;
}

/** With each one's own suite when none is named. */
async function huntWith(options: Options, hunted: readonly Mutant[], named?: SuiteName): Promise<MutantsRun> {
  const { limit, streams, stream, workers } = options;
  const tasks = hunted.flatMap(({ name, suite }) =>
    Array.from(
      { length: streams },
      (_, at): Task => ({ mutant: name, suite: named ?? suite, stream: stream + at, firstIndex: 0, limit }),
    ),
  );
  const hunts = new Map<string, HuntResult[]>(hunted.map(({ name }) => [name, []]));
  const seconds = await watched(tasks, workers, (task, end) => {
    hunts.get(task.mutant as string)?.push(huntResult(end));
  });
  const run: MutantsRun = {
    taken: taken(workers, seconds),
    ...{ limit, streams },
    mutants: hunted.map(({ name, source, suite }) => ({
      ...{ name, source, suite: named ?? suite, hunts: hunts.get(name) ?? [] },
    })),
  };
  console.log(`${tableOf(run)}, in ${seconds.toFixed(0)} s\n`);
  return run;
}

function suiteOf(text: string): SuiteName {
  const name = suiteNames.find((one) => one === text);
  if (name !== undefined) return name;
  throw new Error(`there is no suite '${text}': ${suiteNames.join(", ")}, or, for hunts, ${own}`);
}

function huntResult(end: TaskEnd | { readonly reason: string }): HuntResult {
  if ("reason" in end) return { seeds: 0, killedBy: null, seconds: 0, others: [end.reason] };
  const { kill, played, others, ms } = end;
  return {
    seeds: played,
    killedBy: kill === null ? null : { seed: kill.seed, invariant: kill.invariant, message: firstLine(kill.message) },
    seconds: Math.round(ms / 100) / 10,
    others: others.map(([what, times]) => `${what} (${times}×)`),
  };
}

/** Without the stack of an error, which is of this machine. */
function firstLine(message: string): string {
  return (message.split("\n")[0] ?? "").slice(0, 300);
}

async function lookAtHealthy(options: Options, seeds: number): Promise<number> {
  if (options.suite === own) {
    throw new Error(
      `--suite ${own} is for hunts: a healthy engine has none of its own. Name one of ${suiteNames.join(", ")}`,
    );
  }
  const names = options.suite === undefined ? suiteNames : [suiteOf(options.suite)];
  const each = Math.ceil(seeds / names.length);
  const tasks: Task[] = [];
  for (let index = 0; index < each; index += pieceSeeds) {
    for (const suite of names) {
      const limit = Math.min(pieceSeeds, each - index);
      tasks.push({ mutant: null, suite, stream: healthyStream + options.stream, firstIndex: index, limit });
    }
  }
  const suites = new Map<SuiteName, { seeds: number; seconds: number; violations: string[] }>(
    names.map((name) => [name, { seeds: 0, seconds: 0, violations: [] }]),
  );
  const seconds = await watched(tasks, options.workers, (task, end) => {
    const of = suites.get(task.suite);
    if (of === undefined) return;
    if ("reason" in end) {
      of.violations.push(`from seed ${task.firstIndex} of stream ${task.stream}: ${end.reason}`);
      return;
    }
    of.seeds += end.played;
    of.seconds += end.ms / 1000;
    of.violations.push(...end.others.map(([what]) => what));
    if (end.kill !== null) of.violations.push(`seed ${end.kill.seed}: ${end.kill.invariant}: ${end.kill.message}`);
  });
  const run: HealthyRun = {
    taken: taken(options.workers, seconds),
    suites: [...suites].map(([suite, of]) => ({ suite, ...of, seconds: Math.round(of.seconds) })),
  };
  console.log(`${healthyTableOf(run)}\nin ${seconds.toFixed(0)} s`);
  save(options, { healthy: run });
  return run.suites.every(({ violations }) => violations.length === 0) ? 0 : 1;
}

/** Sees the tasks through with a line of progress; the seconds that it took. */
async function watched(
  tasks: readonly Task[],
  workers: number,
  ended: (task: Task, end: TaskEnd | { readonly reason: string }) => void,
): Promise<number> {
  const startedMs = performance.now();
  let seeds = 0;
  let tasksEnded = 0;
  let latest = "";
  const isTerminal = process.stderr.isTTY === true;
  const tell = (): void => {
    const seconds = (performance.now() - startedMs) / 1000;
    const line = `${tasksEnded} of ${tasks.length} hunts, ${seeds} seeds, ${(seeds / seconds).toFixed(0)} a second, ${seconds.toFixed(0)} s; ${latest}`;
    process.stderr.write(isTerminal ? `\r\u001b[2K${line.slice(0, (process.stderr.columns ?? 100) - 1)}` : `${line}\n`);
  };
  const timer = setInterval(tell, isTerminal ? 500 : 15_000);
  await work({
    ...{ tasks, workers },
    played: (task, more) => {
      seeds += more;
      latest = `${task.mutant ?? "healthy"}, ${task.suite}`;
    },
    ended: (task, end) => {
      tasksEnded += 1;
      ended(task, end);
    },
  });
  clearInterval(timer);
  tell();
  if (isTerminal) process.stderr.write("\n");
  return (performance.now() - startedMs) / 1000;
}

function taken(workers: number, seconds: number): Taken {
  const [cpu] = cpus();
  return {
    date: new Date().toISOString().slice(0, 10),
    machine: `${cpu?.model ?? "unknown"}, ${cpus().length} cores`,
    runtime: `Node ${process.versions.node}`,
    ...{ workers, seconds: Math.round(seconds) },
  };
}

function save({ json, write }: Options, part: Partial<Results>): void {
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(part, null, 2)}\n`);
  if (write !== true) return;
  const results = { ...readResults(), ...part };
  writeFileSync(join(repositoryRoot(), resultsName), `${JSON.stringify(results, null, 2)}\n`);
  writePage(results);
}

function readResults(): Results {
  return JSON.parse(readFileSync(join(repositoryRoot(), resultsName), "utf8")) as Results;
}

function writePage(results: Results): void {
  writeFileSync(join(repositoryRoot(), pageName), pageOf(results, mutantGroups));
}

try {
  process.exitCode = await main();
} catch (error) {
  console.error(error instanceof Error ? error.message : String(error));
  process.exitCode = 2;
}
