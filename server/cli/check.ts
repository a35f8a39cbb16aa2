// `moldau check`: works on a log that runs, kills it meanwhile where it may, and says what of the properties holds.
//
// Owns: the flags, what is printed and written, and the exit code: 0 holds, 1 violated, 2 it could not be run.
// Never: judges (properties/), which is loaded only when it is needed; leaves a process behind that it started.

import { type Command, InvalidArgumentError, Option } from "commander";
import { BrokenPipeError } from "../runtime/runtime.ts";
import { CheckedCommand } from "./checked-command.ts";
import { type CommandContext, Exit, UserError } from "./options.ts";
import { parseEndpoint, parseInteger, parseUrl } from "./parse.ts";
import { count } from "./progress.ts";
import { examples } from "./topics.ts";

type Report = import("../../properties/report/report.ts").Report;

interface CheckFlags {
  readonly target: string;
  readonly seconds: number;
  readonly seed?: number;
  readonly partitions?: number;
  readonly restartCommand?: string;
  readonly kills?: number;
  readonly startSeconds: number;
  readonly healSeconds: number;
  readonly report?: string;
  readonly json?: string;
  readonly keep?: boolean;
}

/** The exit code of a check that could not be run: neither verdict. */
const couldNotRun = 2;
const defaultKills = 5;
const progressEveryMs = 200;
/** Between two lines while nobody has answered yet: a place that says nothing is found out after some 20 s. */
const waitEveryMs = 1000;
const mostMessages = 5;
const shownOutputLines = 20;

export function addCheck(program: Command, context: CommandContext): void {
  program
    .command("check")
    .description("check a log that runs, this one or another: exit 0 holds, 1 violated, 2 could not be run")
    .addOption(
      new Option(
        "-t, --target <address>",
        "the log: kafka://host:port[,host:port], or http[s]://host:port for Moldau's own",
      )
        .argParser(parseTarget)
        .makeOptionMandatory(),
    )
    .option("-s, --seconds <n>", "how long it is worked on", parseInteger("The time", 1, 86_400), 60)
    .option(
      "--seed <n>",
      "draws the work and the faults; drawn anew when left out",
      parseInteger("A seed", 0, 2 ** 31 - 1),
    )
    .option("-p, --partitions <n>", "partitions to work on (3)", parseInteger("The count of partitions", 1, 1000))
    .option("--restart-command <line>", "starts the log; it is run by the shell, killed with SIGKILL and run again")
    .option(
      "--kills <n>",
      `how often it is killed, with --restart-command (${defaultKills})`,
      parseInteger("The count", 0, 10_000),
    )
    .option("--start-seconds <n>", "how long a start may take until it answers", parseInteger("The time", 1, 3600), 60)
    .option(
      "--heal-seconds <n>",
      "how long it may take at the end until all of it answers, and until all of it is read",
      parseInteger("The time", 1, 3600),
      60,
    )
    .option("--report <file>", "write the report as an HTML page (a violated check writes one anyhow)")
    .option("--json <file>", "write the report as JSON")
    .option("--keep", "leave the topics that it made (its groups stay either way, and expire)")
    .addHelpText(
      "after",
      examples(
        "moldau check --target kafka://127.0.0.1:9092 --seconds 60 --seed 7",
        "moldau check --target http://127.0.0.1:8080 --report check.html",
        "moldau check -t http://127.0.0.1:18090 --kills 10 \\\n    --restart-command 'npx moldau serve --http-port 18090 --kafka-port off --data-dir ./checked'",
      ),
    )
    .action((flags: CheckFlags) => check(flags, context));
}

async function check(flags: CheckFlags, context: CommandContext): Promise<void> {
  if (flags.kills !== undefined && flags.restartCommand === undefined) {
    throw new UserError("--kills needs --restart-command: what is killed has to be started again", couldNotRun);
  }
  const { process } = context.runtime;
  demandWritable(flags, process);
  const stop = new AbortController();
  const command = flags.restartCommand === undefined ? null : new CheckedCommand(flags.restartCommand, process);
  process.onSignal((_, isRepeated) => {
    // What was started ends with this process.
    if (isRepeated) process.exit(130);
    process.writeError("\nmoldau: ending the work, then judging what was seen; once more to end at once\n");
    stop.abort();
  });
  let report: Report;
  try {
    report = await run(flags, context, command, stop.signal);
  } catch (error) {
    throw explain(error, context, command);
  } finally {
    await command?.stop().catch((error: Error) => process.writeError(`moldau: ${error.message}\n`));
  }
  await tell(report, flags, context);
}

/** Before the run, so that a mistyped folder does not cost it. */
function demandWritable(
  { report, json }: Pick<CheckFlags, "report" | "json">,
  process: Pick<CommandContext["runtime"]["process"], "checkWritable">,
): void {
  for (const [flag, path] of [
    ["--report", report],
    ["--json", json],
  ] as const) {
    if (path === undefined) continue;
    try {
      process.checkWritable(path);
    } catch (error) {
      throw new UserError(`${flag} ${path} cannot be written: ${(error as Error).message}`, couldNotRun);
    }
  }
}

/** A verdict is told, and is the exit code, whether or not it can be saved or printed. */
export async function tell(
  report: Report,
  flags: Pick<CheckFlags, "report" | "json">,
  context: Pick<CommandContext, "runtime">,
): Promise<void> {
  const page = flags.report ?? (report.verdict.holds ? undefined : `moldau-check-${report.seed}.html`);
  let unsaved: Error | null = null;
  try {
    await write(report, { page, json: flags.json }, context);
  } catch (error) {
    unsaved = error as Error;
  }
  try {
    await print(report, unsaved === null ? page : undefined, context);
  } catch (error) {
    if (!(error instanceof BrokenPipeError)) throw error;
  }
  if (unsaved !== null) context.runtime.process.writeError(`moldau: ${unsaved.message}\n`);
  if (!report.verdict.holds) throw new Exit(1);
  if (unsaved !== null) throw new Exit(couldNotRun);
}

async function run(
  flags: CheckFlags,
  { runtime, version }: CommandContext,
  command: CheckedCommand | null,
  stop: AbortSignal,
): Promise<Report> {
  const seed = flags.seed ?? Math.floor(Math.random() * 2 ** 31);
  const kills = command === null ? 0 : (flags.kills ?? defaultKills);
  const { checkLive } = await import("../../properties/live.ts");
  const line = new ProgressLine(runtime.process);
  if (!runtime.process.stderrIsTerminal)
    runtime.process.writeError(`moldau: checking ${flags.target} for ${flags.seconds} s with seed ${seed}\n`);
  const since = performance.now();
  const waiting = setInterval(() => {
    const seconds = ((performance.now() - since) / 1000).toFixed(0);
    line.show(`waiting for the first answer from ${flags.target}: ${seconds} s`);
  }, waitEveryMs);
  try {
    return await checkLive({
      ...{
        target: flags.target,
        seed,
        seconds: flags.seconds,
        startMs: flags.startSeconds * 1000,
        healMs: flags.healSeconds * 1000,
        stop,
      },
      ...(flags.partitions === undefined ? {} : { partitions: flags.partitions }),
      ...(flags.keep === true ? { keep: true } : {}),
      ...(command === null ? {} : { process: command, kills, output: () => command.output }),
      tool: { moldau: version, runtime: `${runtime.name} ${runtime.version}` },
      command: commandLine({ ...flags, seed }),
      onProgress: ({ elapsedMs, operations, phase }, killed) => {
        clearInterval(waiting);
        line.show(
          `${phase}: ${(elapsedMs / 1000).toFixed(0)} of ${flags.seconds} s, ${count(operations)} operations${kills > 0 ? `, ${killed} of ${kills} kills` : ""}`,
        );
      },
    });
  } finally {
    clearInterval(waiting);
    line.clear();
  }
}

/** What went wrong, and the last that the command printed. */
function explain(error: unknown, { runtime }: CommandContext, command: CheckedCommand | null): unknown {
  const said = command?.output.trim() ?? "";
  const lines = said.split("\n").slice(-shownOutputLines).join("\n  ");
  const output = said === "" ? "" : `\nThe last that \`${command?.line}\` printed:\n  ${lines}`;
  const { name, effect, message, stack } = error as Error & { readonly effect?: unknown };
  if (name === "CouldNotRunError" || effect !== undefined) return new UserError(`${message}${output}`, couldNotRun);
  // A fault of ours says nothing about the log.
  runtime.process.writeError(`moldau: ${stack ?? message}${output}\n`);
  return new Exit(couldNotRun);
}

async function write(
  report: Report,
  { page, json }: { readonly page: string | undefined; readonly json: string | undefined },
  { runtime: { process } }: Pick<CommandContext, "runtime">,
): Promise<void> {
  const save = (path: string, text: string): void => {
    try {
      process.writeTextFile(path, text);
    } catch (error) {
      throw new UserError(`the report could not be written: ${(error as Error).message}`, couldNotRun);
    }
  };
  if (json !== undefined) save(json, `${JSON.stringify(report)}\n`);
  if (page !== undefined) {
    const { reportPage } = await import("../../properties/report/page.ts");
    save(page, reportPage(report));
  }
}

async function print(
  report: Report,
  page: string | undefined,
  { runtime }: Pick<CommandContext, "runtime">,
): Promise<void> {
  const { verdict, target, seed, seconds, notes, coverage } = report;
  const word = verdict.holds ? "holds" : "VIOLATED";
  const lines = [
    `${word}: ${target}, seed ${seed}, ${count(verdict.operations)} operations in ${seconds.toFixed(1)} s`,
    `  ${verdict.checked.length} invariants had something held against them, ${verdict.notApplicable.length} had not (--report names them)`,
    ...notes.map((note) => `  ${note}`),
    ...verdict.violations
      .slice(0, mostMessages)
      .flatMap(({ invariant, source, message }) => ["", `  ${invariant} (${source})`, `    ${message}`]),
  ];
  const more = verdict.violations.length - mostMessages;
  if (more > 0) lines.push("", `  and ${more} more violations`);
  lines.push(
    "",
    "  what happened:",
    ...Object.entries(coverage).map(([name, times]) => `${count(times).padStart(12)}  ${name}`),
    "",
  );
  if (page !== undefined) lines.push(`  report:        ${runtime.process.resolvePath(page)}`);
  lines.push(`  run it again:  ${report.command}`);
  await runtime.process.writeOut(new TextEncoder().encode(`${lines.join("\n")}\n`));
}

/** The line that does the same again, for a shell. */
export function commandLine(flags: CheckFlags): string {
  const words = ["npx", "moldau", "check", "--target", flags.target, "--seconds", flags.seconds, "--seed", flags.seed];
  if (flags.partitions !== undefined) words.push("--partitions", flags.partitions);
  if (flags.restartCommand !== undefined) {
    words.push("--restart-command", flags.restartCommand, "--kills", flags.kills ?? defaultKills);
  }
  if (flags.startSeconds !== undefined && flags.startSeconds !== 60) words.push("--start-seconds", flags.startSeconds);
  if (flags.healSeconds !== undefined && flags.healSeconds !== 60) words.push("--heal-seconds", flags.healSeconds);
  if (flags.keep === true) words.push("--keep");
  if (flags.report !== undefined) words.push("--report", flags.report);
  if (flags.json !== undefined) words.push("--json", flags.json);
  return words.map((word) => quoted(String(word))).join(" ");
}

function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`;
}

export function parseTarget(text: string): string {
  const [, scheme, slashes = "", rest = ""] = /^([a-z][a-z0-9+.-]*):(?!\d+$)(\/*)(.*)$/i.exec(text) ?? [];
  const forms = "Give kafka://host:port, or http://host:port or https://host:port for Moldau's own face.";
  switch (scheme?.toLowerCase()) {
    case undefined: {
      const which = isEndpoint(text) ? ` Which of kafka://${text} and http://${text} is it?` : "";
      throw new InvalidArgumentError(`${forms}${which}`);
    }
    case "http":
    case "https":
      return parseUrl(text);
    case "kafka": {
      const brokers = rest.replace(/\/+$/, "");
      if (slashes !== "//") throw new InvalidArgumentError(`Give kafka://${brokers}, with two slashes.`);
      for (const broker of brokers.split(",")) parseEndpoint(broker);
      return `kafka://${brokers}`;
    }
    default: {
      const place = rest.replace(/\/+$/, "");
      const which = isEndpoint(place)
        ? ` Is it kafka://${place}? Brokers are reached without TLS and without a login.`
        : "";
      throw new InvalidArgumentError(`${scheme}: is not known here. ${forms}${which}`);
    }
  }
}

function isEndpoint(text: string): boolean {
  try {
    parseEndpoint(text);
    return true;
  } catch {
    return false;
  }
}

/** One moving line on a terminal; nothing elsewhere. */
class ProgressLine {
  readonly #process: CommandContext["runtime"]["process"];
  #shown = Number.NEGATIVE_INFINITY;

  constructor(process: CommandContext["runtime"]["process"]) {
    this.#process = process;
  }

  show(text: string): void {
    const now = performance.now();
    if (!this.#process.stderrIsTerminal || now - this.#shown < progressEveryMs) return;
    this.#shown = now;
    this.#process.writeError(`\r\u001b[K${text}`);
  }

  clear(): void {
    if (this.#process.stderrIsTerminal) this.#process.writeError("\r\u001b[K");
  }
}
