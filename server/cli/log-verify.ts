// `moldau log verify`: what is wrong with a data folder, and what the next start would do.
//
// Owns: how findings are printed and counted, and the exit code: 0 nothing is wrong, 1 there are
//   errors, 2 it could not be read.
// Never: finds anything itself (engine/log/inspect, engine/broker/inspect).

import { parsePartitionFolder } from "../../engine/broker/topic-name.ts";
import {
  type Finding,
  predictStart,
  type Severity,
  type StartPrediction,
  type VerifyCounts,
  type VerifyOptions,
  verifyDataFolder,
  verifyPartitionFolder,
} from "../../engine/index.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import { parseSegmentFileName } from "../../engine/log/segment-names.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { webClock, webEntropy } from "../runtime/web/world.ts";
import { LineOutput } from "./log-output.ts";
import { demandPartition, openTarget, type Target, unreadable } from "./log-target.ts";
import { Exit, UserError } from "./options.ts";
import { count, size } from "./progress.ts";

export interface VerifyFlags {
  readonly topic?: string;
  readonly partition?: number;
  readonly limit?: number;
  readonly shallow?: boolean;
  readonly trial: boolean;
  readonly json?: boolean;
}

const defaultLimit = 1000;
const progressEveryMs = 250;

export async function verify(path: string, flags: VerifyFlags, runtime: Runtime): Promise<void> {
  const { process } = runtime;
  const stop = new AbortController();
  process.onSignal((_, isRepeated) => {
    if (isRepeated) process.exit(130);
    stop.abort();
  });
  const target = await openTarget(runtime, path);
  const report = new Report(runtime, flags, stop.signal);
  try {
    const options: VerifyOptions = {
      storage: target.storage,
      kernel: await loadWasmKernel(),
      signal: stop.signal,
      progress: (bytes) => report.progress(bytes),
      ...(flags.shallow === true ? {} : { decompressor: runtime.decompressor }),
    };
    const counts = await report.take(await findingsOf(target, flags, options));
    const start =
      flags.trial && target.isDataFolder && target.file === undefined && !stop.signal.aborted
        ? await predictStart({ storage: target.storage, kernel: options.kernel, clock: webClock, entropy: webEntropy })
        : null;
    await report.finish(counts, start);
  } finally {
    await target.storage.close();
  }
  if (stop.signal.aborted) throw new Exit(130);
  if (report.counted.error > 0) throw new Exit(1);
}

type Findings = AsyncGenerator<Finding, VerifyCounts>;

async function findingsOf(target: Target, flags: VerifyFlags, options: VerifyOptions): Promise<Findings> {
  const { folder, file, storage } = target;
  if (file !== undefined) {
    const name = parseSegmentFileName(file.slice(file.lastIndexOf("/") + 1));
    if (name === null || folder === undefined) {
      throw new UserError(
        `${file} is no file of a segment: give a .log, .index, .timeindex or .snapshot, a partition's folder, or the data folder`,
        unreadable,
      );
    }
    const bases = (await storage.list(folder))
      .flatMap((entry) => {
        const parsed = parseSegmentFileName(entry.name);
        return parsed?.kind === "log" ? [parsed.offset] : [];
      })
      .sort((a, b) => a - b);
    const segment = bases.findLast((base) => base <= name.offset) ?? bases[0];
    return verifyFolder(target, folder, options, (base) => base === segment);
  }
  if (folder !== undefined) return verifyFolder(target, folder, options);
  const { topic, partition } = flags;
  if (partition !== undefined && topic === undefined) throw new UserError("--partition needs --topic", unreadable);
  if (topic !== undefined) await demandPartition(target, topic, partition);
  return verifyDataFolder(options, {
    ...(topic === undefined ? {} : { topic }),
    ...(partition === undefined ? {} : { partition }),
  });
}

/** A partition's folder: with what its data folder recorded, where it lies in one. */
export function verifyFolder(
  { isDataFolder }: Target,
  folder: string,
  options: VerifyOptions,
  only?: (baseOffset: number) => boolean,
): Findings {
  const named = parsePartitionFolder(folder);
  if (!isDataFolder || named === null) return verifyPartitionFolder(options, folder, only);
  return verifyDataFolder(options, { ...named, ...(only === undefined ? {} : { only }) });
}

class Report {
  readonly counted: Record<Severity, number> = { error: 0, warning: 0, note: 0 };
  readonly #runtime: Runtime;
  readonly #flags: VerifyFlags;
  readonly #signal: AbortSignal;
  readonly #output: LineOutput;
  readonly #began: number = performance.now();
  #printed = 0;
  #bytes = 0;
  #shown = 0;
  #isLineOpen = false;

  constructor(runtime: Runtime, flags: VerifyFlags, signal: AbortSignal) {
    this.#runtime = runtime;
    this.#flags = flags;
    this.#signal = signal;
    this.#output = new LineOutput(runtime.process);
  }

  /** Prints findings as they come; null when it was interrupted. */
  async take(findings: Findings): Promise<VerifyCounts | null> {
    const limit = this.#flags.limit ?? defaultLimit;
    try {
      for (;;) {
        const { done, value } = await findings.next();
        if (done === true) return value;
        this.counted[value.severity] += 1;
        if (this.#printed === limit) continue;
        this.#printed += 1;
        this.#clearLine();
        if (this.#flags.json === true) await this.#output.json({ type: "finding", ...value });
        else await this.#output.line(findingLine(value));
        if (this.#runtime.process.stdoutIsTerminal) await this.#output.flush();
      }
    } catch (error) {
      if (!this.#signal.aborted) throw error;
      return null;
    }
  }

  progress(bytes: number): void {
    this.#bytes += bytes;
    const { process } = this.#runtime;
    const now = performance.now();
    if (!process.stderrIsTerminal || now - this.#shown < progressEveryMs) return;
    this.#shown = now;
    process.writeError(`\r\u001b[K${this.#speed()}`);
    this.#isLineOpen = true;
  }

  async finish(counts: VerifyCounts | null, start: StartPrediction | null): Promise<void> {
    this.#clearLine();
    const { error, warning, note } = this.counted;
    const more = error + warning + note - this.#printed;
    if (this.#flags.json === true) {
      await this.#output.json({
        type: "summary",
        complete: counts !== null,
        ...{ errors: error, warnings: warning, notes: note, unprinted: more },
        ...counts,
        durationMs: Math.round(performance.now() - this.#began),
        start,
      });
    } else {
      if (more > 0) await this.#output.line(`and ${count(more)} more, not printed (--limit)`);
      if (counts === null) await this.#output.line(`interrupted after ${this.#speed()}`);
      else {
        const { segments, batches, records } = counts;
        await this.#output.line(
          `${plural(segments, "segment")}, ${plural(batches, "batch", "batches")}, ${plural(records, "record")}: ${this.#speed()}`,
        );
      }
      await this.#output.line(`${plural(error, "error")}, ${plural(warning, "warning")}, ${plural(note, "note")}`);
      if (start !== null) for (const line of startLines(start)) await this.#output.line(line);
    }
    await this.#output.flush();
  }

  #speed(): string {
    const seconds = Math.max(0.001, (performance.now() - this.#began) / 1000);
    return `${size(this.#bytes)} in ${seconds.toFixed(1)} s (${size(this.#bytes / seconds)}/s)`;
  }

  #clearLine(): void {
    if (this.#isLineOpen) this.#runtime.process.writeError("\r\u001b[K");
    this.#isLineOpen = false;
  }
}

export function findingLine({ severity, kind, file, position, offset, message }: Finding): string {
  const place = [
    ...(position === undefined ? [] : [`byte ${position}`]),
    ...(offset === undefined ? [] : [`offset ${offset}`]),
  ].join(", ");
  return `${severity.padEnd(7)}  ${file}${place === "" ? "" : ` at ${place}`}: ${kind}: ${message}`;
}

function startLines(start: StartPrediction): string[] {
  if (start.outcome === "refused") return [`The next start would be refused: ${start.reason}`];
  if (start.outcome === "unknown") return [`What the next start would do is not known: ${start.reason}`];
  const cut = start.truncatedBytes === 0 ? "cut nothing" : `cut ${count(start.truncatedBytes)} bytes`;
  const rebuilt = start.rebuiltIndexes === 0 ? "" : `, rebuild ${plural(start.rebuiltIndexes, "index", "indexes")}`;
  const offline = start.offline.length === 0 ? "" : `, leave ${plural(start.offline.length, "partition")} OFFLINE`;
  return [
    `The next start would open the folder, ${cut}${rebuilt}${offline}${start.notes.length > 0 ? ", and say:" : ""}`,
    ...start.notes.map((note) => `  ${note}`),
  ];
}

function plural(number: number, one: string, many: string = `${one}s`): string {
  return `${count(number)} ${number === 1 ? one : many}`;
}
