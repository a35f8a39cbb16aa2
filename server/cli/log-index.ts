// `moldau log index`: the indexes of a partition's segments: what they cover, whether they are
// right, and where they lead.
//
// Owns: the table of segments, the look-up step by step, and --rebuild, the only thing a `log`
//   command writes.
// Never: rebuilds from a .log that is damaged.

import { parsePartitionFolder, partitionFolder } from "../../engine/broker/topic-name.ts";
import {
  defaultIndexIntervalBytes,
  type Finding,
  type LookedUp,
  listSegments,
  lookUpOffset,
  lookUpTimestamp,
  MoldauError,
  openEntries,
  readIndexInterval,
  rebuildIndex,
} from "../../engine/index.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import { parseSegmentFileName, segmentFileName } from "../../engine/log/segment-names.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { LineOutput } from "./log-output.ts";
import { demandPartition, openTarget, type Target, unreadable } from "./log-target.ts";
import { findingLine, verifyFolder } from "./log-verify.ts";
import { Exit, UserError } from "./options.ts";

export interface IndexFlags {
  readonly topic?: string;
  readonly partition?: number;
  readonly offset?: number;
  readonly timestamp?: number;
  readonly rebuild?: boolean;
  readonly interval?: number;
  readonly json?: boolean;
}

export async function index(path: string, flags: IndexFlags, runtime: Runtime): Promise<void> {
  const { process } = runtime;
  const stop = new AbortController();
  process.onSignal((_, isRepeated) => {
    if (isRepeated) process.exit(130);
    stop.abort();
  });
  const target = await openTarget(runtime, path);
  const output = new LineOutput(process);
  let damaged = false;
  try {
    const folder = await folderOf(target, flags);
    const command = new IndexCommand(target, folder, flags, output, runtime, stop.signal);
    if (flags.offset !== undefined || flags.timestamp !== undefined) await command.lookUp();
    else if (flags.rebuild === true) await command.rebuild();
    else damaged = await command.show();
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    await target.storage.close();
  }
  await output.flush();
  if (stop.signal.aborted) throw new Exit(130);
  if (damaged) throw new Exit(1);
}

/** A segment has that many findings at most; the rest is counted by `log verify`. */
const maxFindings = 1000;

async function folderOf(target: Target, { topic, partition = 0 }: IndexFlags): Promise<string> {
  const { folder, file, root } = target;
  if (folder !== undefined) return folder;
  if (file !== undefined)
    throw new UserError(`${file} has no index: give a .log, an .index or a .timeindex`, unreadable);
  if (topic === undefined) {
    throw new UserError(`${root} is a data folder: say which partition, with --topic and --partition`, unreadable);
  }
  await demandPartition(target, topic, partition);
  return partitionFolder(topic, partition);
}

class IndexCommand {
  readonly #target: Target;
  readonly #folder: string;
  readonly #flags: IndexFlags;
  readonly #output: LineOutput;
  readonly #runtime: Runtime;
  readonly #signal: AbortSignal;

  constructor(
    target: Target,
    folder: string,
    flags: IndexFlags,
    output: LineOutput,
    runtime: Runtime,
    signal: AbortSignal,
  ) {
    this.#target = target;
    this.#folder = folder;
    this.#flags = flags;
    this.#output = output;
    this.#runtime = runtime;
    this.#signal = signal;
  }

  /** The segment that the path names, or all of the folder. */
  async #bases(): Promise<number[]> {
    const { storage, file } = this.#target;
    let bases: number[];
    try {
      bases = await listSegments(storage, this.#folder);
    } catch (error) {
      throw new UserError(error instanceof Error ? error.message : String(error), unreadable);
    }
    if (file === undefined) return bases;
    const named = parseSegmentFileName(file.slice(file.lastIndexOf("/") + 1));
    const chosen = bases.filter((base) => base === named?.offset);
    if (chosen.length === 0) throw new UserError(`${file} belongs to no .log that is there`, unreadable);
    return chosen;
  }

  /** Shows what each index covers and what is wrong with it; true when something is. */
  async show(): Promise<boolean> {
    const bases = await this.#bases();
    let isWrong = false;
    let found: Finding[] = [];
    let at = 0;
    const showUpTo = async (end: number): Promise<void> => {
      for (; at < end; at += 1) {
        await this.#showOne(bases[at] as number, found);
        found = [];
      }
    };
    for await (const { finding, base } of this.#findings(bases)) {
      await showUpTo(bases.indexOf(base, at));
      isWrong ||= isWrongIndex(finding);
      if (found.length < maxFindings) found.push(finding);
    }
    await showUpTo(bases.length);
    return isWrong;
  }

  async #showOne(base: number, findings: readonly Finding[]): Promise<void> {
    this.#signal.throwIfAborted();
    const log = `${this.#folder}/${segmentFileName(base, "log")}`;
    const positions = await this.#span(base, "index");
    const times = await this.#span(base, "timeindex");
    if (this.#flags.json === true) {
      return this.#output.json({ type: "index", file: log, baseOffset: base, offsets: positions, times, findings });
    }
    const offsets = positions === null ? "none" : spanText(positions, (value) => String(base + value));
    const timeText = times === null ? "none" : spanText(times, timeOf);
    await this.#output.line(`${log}: offset index ${offsets}; time index ${timeText}`);
    for (const finding of findings) await this.#output.line(findingLine(finding));
  }

  /** What is wrong with these segments' logs and indexes, segment by segment. */
  async *#findings(
    bases: readonly number[],
  ): AsyncGenerator<{ readonly finding: Finding; readonly base: number }, void> {
    const chosen = new Set(bases);
    const kernel = await loadWasmKernel();
    const options = { storage: this.#target.storage, kernel, signal: this.#signal };
    for await (const finding of verifyFolder(this.#target, this.#folder, options, (base) => chosen.has(base))) {
      const { file, kind } = finding;
      if (kind === "unreadable") throw new UserError(`${file}: ${finding.message}`, unreadable);
      // How segments fit each other is not their indexes' matter.
      if (!file.startsWith(`${this.#folder}/`) || kind === "segment-gap" || kind === "segment-overlap") continue;
      const named = parseSegmentFileName(file.slice(this.#folder.length + 1));
      if (named === null || named.kind === "snapshot" || !chosen.has(named.offset)) continue;
      yield { finding, base: named.offset };
    }
  }

  async #span(base: number, kind: "index" | "timeindex"): Promise<Span | null> {
    const entries = await openEntries(this.#target.storage, `${this.#folder}/${segmentFileName(base, kind)}`, kind);
    if (entries === null) return null;
    try {
      let count = 0;
      let first: number | null = null;
      let last: number | null = null;
      for (let entry = await entries.next(); entry !== null; entry = await entries.next()) {
        this.#signal.throwIfAborted();
        first ??= entry.key;
        last = entry.key;
        count += 1;
      }
      return { entries: count, first, last };
    } finally {
      await entries.file.close();
    }
  }

  async lookUp(): Promise<void> {
    const { storage } = this.#target;
    const { offset, timestamp } = this.#flags;
    const found =
      offset !== undefined
        ? await lookUpOffset(storage, this.#folder, offset)
        : await lookUpTimestamp(storage, this.#folder, timestamp as number);
    if (this.#flags.json === true) return this.#output.json({ type: "lookUp", offset, timestamp, found });
    if (found === null) return this.#output.line("not found: the log ends before it");
    for (const line of lookUpLines(found)) await this.#output.line(line);
  }

  /** As the topic has it; the default where there is no data folder to ask. */
  async #interval(): Promise<number> {
    const { storage, isDataFolder } = this.#target;
    const topic = parsePartitionFolder(this.#folder)?.topic;
    if (!isDataFolder || topic === undefined) return defaultIndexIntervalBytes;
    try {
      const interval = await readIndexInterval(storage, await loadWasmKernel(), topic);
      return interval ?? defaultIndexIntervalBytes;
    } catch (error) {
      if (!(error instanceof MoldauError)) throw error;
      throw new UserError(
        `nothing was written: ${error.message}. Say the topic's index.interval.bytes, with --interval`,
      );
    }
  }

  async rebuild(): Promise<void> {
    const bases = await this.#bases();
    const { storage, root } = this.#target;
    for await (const { finding } of this.#findings(bases)) {
      if (finding.file.endsWith(".log")) throw new UserError(`nothing was written: ${findingLine(finding)}`);
    }
    const indexIntervalBytes = this.#flags.interval ?? (await this.#interval());
    // The lock changes hands: the store that reads gives it to the one that writes.
    await storage.close();
    const writable = await this.#runtime.openStorage(root);
    try {
      const kernel = await loadWasmKernel();
      for (const baseOffset of bases) {
        this.#signal.throwIfAborted();
        const options = { kernel, folder: this.#folder, baseOffset, indexIntervalBytes };
        const refusal = await rebuildIndex({ storage: writable, ...options });
        const log = `${this.#folder}/${segmentFileName(baseOffset, "log")}`;
        if (refusal !== null) throw new UserError(`${log}: not rebuilt: ${refusal}`);
        if (this.#flags.json === true) await this.#output.json({ type: "rebuilt", file: log });
        else await this.#output.line(`${log}: index and time index made anew`);
      }
    } finally {
      await writable.close();
    }
  }
}

/** Whether an index leads astray, or its .log does; one with too few entries is only slower. */
function isWrongIndex({ severity, kind, file }: Finding): boolean {
  return file.endsWith("index") ? kind !== "index-sparse" : severity === "error";
}

function timeOf(milliseconds: number): string {
  const date = new Date(milliseconds);
  return Number.isNaN(date.getTime()) ? `${milliseconds} ms` : date.toISOString();
}

interface Span {
  readonly entries: number;
  readonly first: number | null;
  readonly last: number | null;
}

function spanText({ entries, first, last }: Span, show: (value: number) => string): string {
  if (entries === 0) return "empty";
  return `${entries} ${entries === 1 ? "entry" : "entries"}, ${show(first as number)} to ${show(last as number)}`;
}

function lookUpLines({ file, entry, isEntryRight, from, walkedBatches, batch }: LookedUp): string[] {
  const begins =
    entry === null
      ? "no entry lies before it: from the segment's first byte"
      : isEntryRight
        ? `by the entry at byte ${entry.position} of the index: from byte ${from}`
        : `the entry at byte ${entry.position} of the index is wrong: from the segment's first byte`;
  return [
    `segment   ${file}`,
    `index     ${begins}`,
    `walk      ${walkedBatches} ${walkedBatches === 1 ? "batch" : "batches"}`,
    `batch     at byte ${batch.position}: offsets ${batch.baseOffset} to ${batch.lastOffset}, latest time ${batch.maxTimestamp}`,
  ];
}
