// `npm run simulate`: as much virtual time as there is real time for, on all cores, and what it showed.
//
// Owns: the command line, the workers, the summary, and what becomes of a failure: its plan goes to
//   properties/corpus, and the one command that replays it is printed.
// Never: judges. Exit code 0: every run held; 1: one was violated, or all together met too few of the cases that they
//   are for; 2: it could not run.

import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join, relative } from "node:path";
import { fileURLToPath } from "node:url";
import { Worker } from "node:worker_threads";
import { Command, InvalidArgumentError, Option } from "commander";
import { repositoryRoot } from "../house/repository.ts";
import { emptyTally, makingSmallMs, runPlan } from "./campaign.ts";
import type { Failure, FromWorker, WorkerStart } from "./messages.ts";
import { readPlan, UsageError } from "./plan-file.ts";
import { add, conclude, progressLine, summary } from "./summary.ts";
import { WorkTime } from "./work-time.ts";

interface Options {
  readonly hours?: number;
  readonly minutes?: number;
  readonly seconds?: number;
  readonly seed: number;
  readonly workers: number;
  readonly plan?: string;
  /** The options that were given, but for the seed, as they are given again. */
  readonly given: string;
}

/** What a campaign is given, and a single plan is not. */
const ofCampaign = ["hours", "minutes", "seconds", "seed", "workers"] as const;

const root = repositoryRoot();
const corpus = join(root, "properties", "corpus");
const say = (text: string): void => void process.stdout.write(`${text}\n`);

function positive(text: string): number {
  const number = Number(text);
  if (!(number > 0)) throw new InvalidArgumentError("it is to be a number above 0");
  return number;
}

function whole(text: string): number {
  const number = Number(text);
  if (!(Number.isSafeInteger(number) && number >= 0)) throw new InvalidArgumentError("it is to be a whole number");
  return number;
}

/** More threads than that only take each other's time and memory, and hundreds do not come to an end. */
const mostThreads = 4 * availableParallelism();

function threads(text: string): number {
  const number = Number(text);
  if (!(Number.isSafeInteger(number) && number >= 1 && number <= mostThreads))
    throw new InvalidArgumentError(`it is to be a whole number from 1 to ${mostThreads}, four a core here`);
  return number;
}

function parse(): Options {
  const program = new Command("simulate")
    .exitOverride(({ exitCode }) => process.exit(exitCode === 0 ? 0 : 2))
    .description("Simulates a broker, its clients, a bad network and a bad disk, and judges what clients saw.")
    .option("--hours <n>", "of real time", positive)
    .option("--minutes <n>", "of real time", positive)
    .option("--seconds <n>", "of real time; 30 when nothing is said", positive)
    .option("--seed <n>", "of the campaign; drawn when nothing is said", whole)
    .option("--workers <n>", "threads, four a core at most; one a core when nothing is said", threads)
    .addOption(
      new Option(
        "--plan <file>",
        "plays the plan of this file of properties/corpus once, and says what was wrong with it; stands alone",
      ).conflicts([...ofCampaign]),
    );
  program.parse();
  const given = program.opts<Partial<Options>>();
  return {
    ...given,
    seed: given.seed ?? Math.floor(Math.random() * 2 ** 31),
    workers: given.workers ?? availableParallelism(),
    given: ofCampaign
      .filter((name) => name !== "seed" && given[name] !== undefined)
      .map((name) => ` --${name} ${given[name]}`)
      .join(""),
  };
}

async function main(): Promise<number> {
  const options = parse();
  return options.plan === undefined ? campaign(options) : replay(options.plan);
}

// ---- one plan ------------------------------------------------------------------------------

async function replay(path: string): Promise<number> {
  const { found, tally } = await runPlan(readPlan(path));
  say(
    `${path}: ${(tally.simulatedMs / 1000).toFixed(1)} s simulated, ${tally.operations} operations of clients, ${tally.events} events`,
  );
  say(found === null ? "holds" : `violated\n${found}`);
  return found === null ? 0 : 1;
}

// ---- a campaign ----------------------------------------------------------------------------

async function campaign(options: Options): Promise<number> {
  const { seed, workers, given } = options;
  const seconds = (options.hours ?? 0) * 3600 + (options.minutes ?? 0) * 60 + (options.seconds ?? 0) || 30;
  const again = `npm run simulate -- --seed ${seed}${given}`;
  say(`seed ${seed}, ${workers} workers, ${seconds} s; the same again: ${again}`);
  const tally = emptyTally();
  let violated = 0;
  let broken: string | null = null;
  const startedMs = performance.now();
  const time = new WorkTime(workers, () => {
    const { user, system } = process.cpuUsage();
    return { wallMs: performance.now(), processorMs: (user + system) / 1000 };
  });
  const crew = Array.from({ length: workers }, (_, firstUnit) => thread({ seed, firstUnit, step: workers }));
  const stop = (): void => crew.forEach((one) => void one.postMessage("stop"));
  const timer = setTimeout(stop, seconds * 1000);
  process.once("SIGINT", () => {
    say("\nstopping: what is under way is brought to its end");
    stop();
  });
  const progress = (): string =>
    progressLine(tally, {
      ...{ elapsedMs: performance.now() - startedMs, playedMs: time.played().wallMs / workers },
      ...{ violated, makingSmall: time.makingSmall },
    });
  const live = setInterval(() => showProgress(progress()), process.stdout.isTTY ? 500 : 10_000);
  const heard = (message: FromWorker, worker: number): void => {
    if (message.kind === "tally") add(tally, message.tally);
    else if (message.kind === "shrinking") {
      violated += 1;
      time.set(worker, "makes small");
      say(
        `\nviolated (seed ${message.unitSeed}, plan ${message.index}); now its plan is made small, for ${makingSmallMs / 1000} s at most\n${message.found}`,
      );
    } else if (message.kind === "broken") {
      broken ??= message.error;
      stop();
    } else {
      time.set(worker, "plays");
      keep(message.failure);
      stop();
    }
  };
  await Promise.all(
    crew.map(async (one, worker) => {
      await ended(one, (message) => heard(message, worker));
      time.set(worker, "has ended");
    }),
  );
  clearTimeout(timer);
  clearInterval(live);
  const { wallMs, processorMs } = time.played();
  say(`\n${summary(tally, { coreSeconds: wallMs / 1000, processorSeconds: processorMs / 1000 })}`);
  if (broken !== null) {
    process.stderr.write(`${broken}\n`);
    return 2;
  }
  if (violated > 0) {
    say(`${violated} violated`);
    return 1;
  }
  const { text, status } = conclude(tally);
  say(text);
  return status;
}

function thread(start: WorkerStart): Worker {
  const file = fileURLToPath(import.meta.url).endsWith(".ts") ? "./worker.ts" : "./worker.js";
  return new Worker(new URL(file, import.meta.url), {
    workerData: start,
    // Histories live as long as a run does: with room for them the collector looks at them once.
    resourceLimits: { maxYoungGenerationSizeMb: 128 },
  });
}

function ended(one: Worker, heard: (message: FromWorker) => void): Promise<void> {
  return new Promise((resolve) => {
    one.on("message", heard);
    one.on("error", (error) => heard({ kind: "broken", error: error.stack ?? error.message }));
    one.on("exit", (status) => {
      // One that is gone before its time says nothing of the plans that it had.
      if (status !== 0) heard({ kind: "broken", error: `a worker ended with status ${status}` });
      resolve();
    });
  });
}

function showProgress(line: string): void {
  process.stdout.write(process.stdout.isTTY ? `\r${line}\u001b[K` : `${line}\n`);
}

/** Its plan runs with the tests ever after. */
function keep({ unitSeed, index, shrinks, plan, found }: Failure): void {
  mkdirSync(corpus, { recursive: true });
  const path = join(corpus, `found-${unitSeed}-${index}.json`);
  const [name = "", , message = ""] = found.split("\n");
  const note = `${name}: ${message.trim()}`;
  writeFileSync(path, `${JSON.stringify({ found: note, fixedBy: "nobody yet", plan }, null, 2)}\n`);
  const file = relative(process.cwd(), path);
  say(
    `\nviolated, after ${shrinks} shrinks (seed ${unitSeed}, plan ${index}):\n${found}\nplan: ${JSON.stringify(plan)}`,
  );
  say(`again: npm run simulate -- --plan ${file}`);
}

// Whoever reads the summary may have seen enough.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code !== "EPIPE") throw error;
});
process.exitCode = await main().catch((error: unknown) => {
  if (error instanceof UsageError) process.stderr.write(`simulate: ${error.message}\n`);
  else process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
  return 2;
});
