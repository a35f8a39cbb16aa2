// A check of a log that runs: work, faults, verdict and report, from the first connection to the clearing up.
//
// Owns: the order of it all, and that what it made is cleared away, however it ends.
// Never: reads a command line, prints, or writes a file; starts no process itself.

import type { LogAdapter } from "./adapter/contract.ts";
import { openAdapter } from "./adapter/open.ts";
import { otherAddress } from "./adapter/other-address.ts";
import { judge, type Verdict } from "./checker/index.ts";
import type { History } from "./history.ts";
import { createReport, type Report } from "./report/report.ts";
import { type Progress, runWorkload } from "./workload/index.ts";
import { type KillableProcess, killAndRestart } from "./workload/kills.ts";

export interface LiveCheck {
  /** `kafka://host:port`, `http://host:port`. */
  readonly target: string;
  readonly seed: number;
  readonly seconds: number;
  readonly operations?: number;
  readonly partitions?: number;
  /** The log's process, when it is to be killed; it is started first. */
  readonly process?: KillableProcess;
  readonly kills?: number;
  /** How long the log may take until it answers for the first time. */
  readonly startMs: number;
  /** How long it may take, when the faults have ended, until it answers everything, and then until it is all read. */
  readonly healMs: number;
  /** Leaves the topics it made. */
  readonly keep?: boolean;
  /** Ends the work early; what was seen is judged all the same. */
  readonly stop?: AbortSignal;
  readonly onProgress?: (progress: Progress, kills: number) => void;
  /** For the report. */
  readonly tool: { readonly moldau: string; readonly runtime: string };
  readonly command: string;
  readonly output?: () => string;
}

/** There is no verdict: the log, or what is needed to reach it, isn't there. The message says what to do. */
export class CouldNotRunError extends Error {
  constructor(message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "CouldNotRunError";
  }
}

/** Half of them are for the work, in about 1 GB of memory; what the end of it reads comes on top. */
const maxRecords = 4_000_000;

/** Rejects with CouldNotRunError when the log can't be reached, or when what is needed to reach it isn't there. */
export async function checkLive(check: LiveCheck): Promise<Report> {
  const { target, seed, seconds, process, stop, onProgress } = check;
  if (process !== undefined) {
    await demandSilence(target);
    process.start();
  }
  const adapter = await firstAnswer(check);
  let killed = 0;
  try {
    const result = await runWorkload({
      ...{ adapter, seed, seconds, maxRecords, healMs: check.healMs },
      ...(check.operations === undefined ? {} : { operations: check.operations }),
      ...(check.partitions === undefined ? {} : { partitions: check.partitions }),
      ...(stop === undefined ? {} : { signal: stop }),
      ...(process === undefined
        ? {}
        : {
            faults: killAndRestart({
              ...{ process, kills: check.kills ?? 0, seconds, seed, answerMs: check.startMs },
              onKill: (kill) => (killed = kill),
              ...(stop === undefined ? {} : { stop }),
            }),
          }),
      onProgress: (progress) => onProgress?.(progress, killed),
    });
    if (check.keep !== true) await clearUp(adapter, result.topics);
    const notes = notesOf(adapter, check, result.history);
    if (result.seconds < seconds && check.operations === undefined && stop?.aborted !== true)
      notes.push(`The history was full before the time was: the work ended after ${Math.round(result.seconds)} s.`);
    const verdict = judge(result.history);
    demandRecords(result.history, verdict, target);
    const ended = result.coverage["fault: ended by itself"] ?? 0;
    if (ended > 0) notes.push(`The log's process ended by itself, without having been killed: ${ended} times.`);
    return createReport({
      ...{ target, seed, seconds: result.seconds, startedAt: new Date(result.startedAt), tool: check.tool },
      ...{ command: check.command, notes, coverage: result.coverage },
      ...{ verdict, history: result.history },
      output: check.output?.() ?? null,
    });
  } finally {
    await adapter.close();
  }
}

/** Nothing is against a log in which nothing could be stored, and nothing is shown of it either. */
export function demandRecords(history: History, verdict: Verdict, target: string): void {
  if (!verdict.holds || history.some((event) => event.kind === "read" && event.records.length > 0)) return;
  const refused = history.findLast((event) => event.kind === "produce" && event.outcome !== "ok");
  const why = refused?.kind === "produce" && refused.code !== undefined ? ` (${refused.code})` : "";
  throw new CouldNotRunError(`${target} answers, but nothing could be stored there and read${why}: nothing is shown`);
}

/** Another log where the command's is to listen would be checked in its stead, and never killed. */
async function demandSilence(target: string): Promise<void> {
  const other = await openAdapter(target).catch(() => null);
  if (other === null) return;
  await other.close();
  throw new CouldNotRunError(
    `something answers at ${target} already, before the command was started: stop it, or give the command another port`,
  );
}

/** A log that is stuck keeps them; the verdict is not about that. */
async function clearUp(adapter: LogAdapter, topics: readonly string[]): Promise<void> {
  for (const topic of topics) await adapter.deleteTopic?.(topic).catch(() => {});
}

/** What was not tried, because the log does not offer it or nobody asked for it. */
function notesOf(
  { supports, deleteTopic }: LogAdapter,
  { process, stop, kills = 0 }: LiveCheck,
  history: History,
): string[] {
  const lacks = [
    supports.idempotence ? null : "idempotent producers",
    supports.conditionalAppends ? null : "conditional appends",
    supports.groups === "none" ? "groups" : null,
    supports.deleteRecords ? null : "deleting records",
    supports.lookUpByTime ? null : "look-ups by time",
    supports.listTopics ? null : "lists of topics",
    deleteTopic === undefined ? "deleting topics" : null,
  ].filter((name) => name !== null);
  const notes: string[] = [];
  if (stop?.aborted === true) notes.push("It was stopped early: what was seen until then is judged.");
  if (lacks.length > 0) notes.push(`Not tried, because it is not offered there: ${lacks.join(", ")}.`);
  if (history.some((event) => event.kind === "create topic" && event.id === event.topic))
    notes.push(
      "Topics are known by their names there: one lost and made anew under its name is not told from the old one.",
    );
  if (process === undefined || kills === 0) notes.push("Nothing was killed: nothing is shown about crashes.");
  return notes;
}

const lookEveryMs = 250;

/** The adapter, once the log answers: one that was just started takes a while. */
async function firstAnswer({ target, process, startMs, stop }: LiveCheck): Promise<LogAdapter> {
  const since = performance.now();
  const ended = process
    ?.ended()
    .then((how) => new CouldNotRunError(`the command did not stay: ${how}${inForeground(how)}`));
  for (;;) {
    try {
      return await openAdapter(target);
    } catch (error) {
      const { effect, code, message } = error as Error & { readonly effect?: unknown; readonly code?: unknown };
      if (code === "KAFKAJS_NOT_INSTALLED") throw new CouldNotRunError(message, error);
      if (effect === undefined) {
        const instead = (await withoutPath(target)) ?? "is it the log?";
        throw new CouldNotRunError(`${target} answers, but not as it should (${message}): ${instead}`, error);
      }
      if (process === undefined) {
        const ask = "is it running, is that where it listens, and is it kafka://, http:// or https://?";
        const instead = (await insteadOf(target, error)) ?? `${ask} --restart-command starts one`;
        throw new CouldNotRunError(`no answer from ${target} (${message}): ${instead}`, error);
      }
      if (stop?.aborted === true)
        throw new CouldNotRunError(`it was stopped before ${target} had answered (${message})`, error);
      if (performance.now() - since > startMs) {
        const ask = "does it listen there? --start-seconds gives it longer";
        const instead = (await insteadOf(target, error)) ?? ask;
        const within = `within ${Math.round(startMs / 1000)} s`;
        throw new CouldNotRunError(`the command did not answer at ${target} ${within} (${message}): ${instead}`, error);
      }
    }
    const pause = new Promise<undefined>((resolve) => setTimeout(resolve, lookEveryMs, undefined));
    const failure = await Promise.race([ended, pause]);
    if (failure !== undefined) throw failure;
  }
}

/** Whoever ends well and early has left the log to another process, which nobody could kill for sure. */
function inForeground(how: string): string {
  return how.endsWith("status 0")
    ? ". It has to stay in the foreground as long as the log runs: leave out an & at its end, and start no daemon"
    : "";
}

async function insteadOf(target: string, error: unknown): Promise<string | null> {
  return (await withoutPath(target)) ?? (await otherAddress(target, error));
}

/** The address of the server, in a clause, when the log answers there and the target goes on behind it. */
async function withoutPath(target: string): Promise<string | null> {
  const [server] = /^https?:\/\/[^/?#]+(?=.)/.exec(target) ?? [];
  if (server === undefined) return null;
  const adapter = await openAdapter(server).catch(() => null);
  await adapter?.close();
  return adapter === null ? null : `the log answers without what follows the server: give ${server}`;
}
