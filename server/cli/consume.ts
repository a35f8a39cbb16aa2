// `moldau consume`: a topic to standard output.
//
// Owns: which offsets of which partitions are read, and when the command ends. A partition's
//   records come in its order; partitions come as they answer.
// Never: more than two answers of a partition in memory.

import type { Command } from "commander";
import { type DecodeOptions, decodeRecords, type LogRecord } from "../../engine/index.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import { BrokenPipeError } from "../runtime/runtime.ts";
import { Client, type RawBatches, retrying, topicPath } from "./client.ts";
import { consumeAsMember } from "./consume-group.ts";
import { defaultFormat, type Formatter, formatHelp, parseFormat } from "./format.ts";
import { type CommandContext, giveUpAfterMs, UserError, urlOption } from "./options.ts";
import { type From, parseFrom, parseInteger } from "./parse.ts";
import { Progress } from "./progress.ts";
import { describeOrExplain, examples } from "./topics.ts";

interface Flags {
  readonly url: string;
  readonly partition?: number;
  readonly count?: number;
  readonly from: From;
  readonly format?: Formatter;
  readonly follow?: boolean;
  readonly raw?: boolean;
  readonly group?: string;
}

/** An answer's size; the first batch comes whole even over it. Bytes. */
const fetchBytes = 1024 * 1024;
/** For all answers that are asked for ahead, of all partitions. Bytes. */
const aheadBytes = 32 * 1024 * 1024;
const followWaitMs = 20_000;
const maxParallelPartitions = 8;
const outputBytes = 1024 * 1024;

export function addConsume(program: Command, context: CommandContext): void {
  program
    .command("consume")
    .description("write a topic's records to standard output, up to its end")
    .argument("<topic>")
    .option("-p, --partition <number>", "this partition only", parseInteger("A partition", 0))
    .option("-n, --count <records>", "stop after so many records", parseInteger("The count", 1))
    .option(
      "-o, --from <position>",
      "earliest, latest, an offset (42), a count before the end (-10), a time (@2026-01-31T08:00Z, @ms)",
      parseFrom,
      "earliest",
    )
    .option("-f, --format <format>", `kcat's letters, or json (default: '${defaultFormat}')`, parseFormat)
    .option("--raw", "values alone, byte after byte, nothing between them")
    .option("--follow", "go on past the end, waiting for more")
    .option(
      "-g, --group <group>",
      "as a member of this group: several share the topic, and each goes on where the group is; --from earliest or latest is where a new group begins",
    )
    .addOption(urlOption())
    .addHelpText("after", `\n${formatHelp}`)
    .addHelpText(
      "after",
      examples(
        "moldau consume events",
        "moldau consume events --from -10 --follow",
        "moldau consume events --from @2026-01-31T08:00:00Z --format '%o %k %s\\n'",
        "moldau consume events -p 0 --from 42 -n 1 --format json",
        "moldau consume files --raw > archive.tar",
        "moldau consume events --group billing --follow",
      ),
    )
    .action((topic: string, flags: Flags) => consume(topic, flags, context));
}

async function consume(topic: string, flags: Flags, { runtime }: CommandContext): Promise<void> {
  const { process } = runtime;
  const groupFrom = flags.from === "earliest" || flags.from === "latest" ? flags.from : null;
  if (flags.group !== undefined && (flags.partition !== undefined || groupFrom === null)) {
    const instead = "moldau groups reset-offsets sets where it goes on";
    throw new UserError(`--group takes no --partition, and --from earliest or latest: ${instead}`, 2);
  }
  const client = new Client(flags.url);
  const description = await describeOrExplain(client, topic);
  const all = description.partitions.map(({ partition }) => partition);
  if (flags.partition !== undefined && !all.includes(flags.partition)) {
    throw new UserError(
      `topic ${topic} has partitions 0 to ${all.length - 1}; there is no partition ${flags.partition}`,
    );
  }
  const partitions = flags.partition === undefined ? all : [flags.partition];
  const progress = new Progress("consumed", process);
  const stop = new AbortController();
  process.onSignal((_, isRepeated) => {
    if (isRepeated) process.exit(130);
    stop.abort();
  });
  const output = new Output(
    (bytes) => process.writeOut(bytes),
    progress,
    flags.count ?? Number.POSITIVE_INFINITY,
    stop,
  );
  if (flags.group !== undefined) {
    const { group, follow = false, count = Number.POSITIVE_INFINITY, raw } = flags;
    const format = raw === true ? null : (flags.format ?? parseFormat(defaultFormat));
    const end = Number.POSITIVE_INFINITY;
    try {
      await consumeAsMember({
        ...{ client, topic, group, from: groupFrom ?? "earliest", follow, count, signal: stop.signal },
        giveUpAfterMs: follow ? Number.POSITIVE_INFINITY : giveUpAfterMs,
        onRetry: (error) => process.writeError(`${error.message}; trying again\n`),
        write: (records, partition) => output.write(records, { topic, partition }, end, format),
      });
    } catch (error) {
      if (!isAbort(error)) throw error;
    } finally {
      progress.finish();
    }
    return;
  }
  const decode = { kernel: await loadWasmKernel(), decompressor: runtime.decompressor };
  const reader: PartitionReader = {
    client,
    topic,
    flags,
    decode,
    output,
    signal: stop.signal,
    maxBytes: Math.max(65_536, Math.min(fetchBytes, Math.floor(aheadBytes / partitions.length))),
    onRetry: (error) => process.writeError(`${error.message}; trying again\n`),
  };
  // Followed partitions each have a request waiting at the server; else a few at a time will do.
  const lanes = flags.follow === true ? partitions.length : Math.min(partitions.length, maxParallelPartitions);
  const waiting = [...partitions];
  const lane = async (): Promise<void> => {
    for (
      let partition = waiting.shift();
      partition !== undefined && !stop.signal.aborted;
      partition = waiting.shift()
    ) {
      await readPartition(reader, partition);
    }
  };
  try {
    const results = await Promise.allSettled(
      Array.from({ length: lanes }, () =>
        lane().catch((error: unknown) => {
          stop.abort();
          throw error;
        }),
      ),
    );
    const reasons = results.flatMap((result) => (result.status === "rejected" ? [result.reason as unknown] : []));
    const failure = reasons.find((reason) => !isAbort(reason));
    if (failure !== undefined && !(failure instanceof BrokenPipeError)) throw failure;
  } finally {
    progress.finish();
  }
}

interface PartitionReader {
  readonly client: Client;
  readonly topic: string;
  readonly flags: Flags;
  readonly decode: Pick<DecodeOptions, "kernel" | "decompressor">;
  readonly output: Output;
  readonly signal: AbortSignal;
  readonly maxBytes: number;
  readonly onRetry: (error: Error) => void;
}

async function readPartition(reader: PartitionReader, partition: number): Promise<void> {
  const { client, topic, flags, output, signal, maxBytes, onRetry } = reader;
  const follow = flags.follow === true;
  const again = { giveUpAfterMs: follow ? Number.POSITIVE_INFINITY : giveUpAfterMs, signal, onRetry: once(onRetry) };
  const format = flags.format ?? parseFormat(defaultFormat);
  const range = await retrying(() => findRange(client, topic, partition, flags.from, signal), again);
  const end = follow ? Number.POSITIVE_INFINITY : range.end;
  let offset = range.start;
  const fetchAt = (at: number): Promise<RawBatches> => {
    const query = { offset: at, maxBytes, waitMs: follow ? followWaitMs : 0 };
    const answer = retrying(() => client.fetchRaw(topic, partition, query, signal), again);
    // It is awaited later, or never once the command ends.
    answer.catch(() => {});
    return answer;
  };
  let next: Promise<RawBatches> | undefined;
  while (offset < end && !signal.aborted) {
    const batches: RawBatches = await (next ?? fetchAt(offset));
    next = undefined;
    if (batches.nextOffset < end && batches.bytes.length > 0) next = fetchAt(batches.nextOffset);
    const records = decodeRecords(batches.bytes, {
      ...reader.decode,
      fromOffset: offset,
      limit: Number.POSITIVE_INFINITY,
      views: true,
    });
    await output.write(records, { topic, partition }, end, flags.raw === true ? null : format);
    // Nothing below the high watermark that the start asked for: it was deleted meanwhile.
    if (batches.bytes.length === 0 && !follow) return;
    offset = Math.max(offset, batches.nextOffset);
  }
}

interface Range {
  readonly start: number;
  readonly end: number;
}

async function findRange(
  client: Client,
  topic: string,
  partition: number,
  from: From,
  signal: AbortSignal,
): Promise<Range> {
  const path = `${topicPath(topic)}/partitions/${partition}/offsets`;
  const { earliest, latest } = await client.json<{ earliest: number; latest: number }>(path, { signal });
  if (from === "earliest") return { start: earliest, end: latest };
  if (from === "latest") return { start: latest, end: latest };
  if (typeof from === "number") {
    if (from >= earliest && from <= latest) return { start: from, end: latest };
    throw new UserError(
      `offset ${from} is out of range: partition ${partition} of ${topic} has ${earliest} to ${latest}`,
    );
  }
  if ("last" in from) return { start: Math.max(earliest, latest - from.last), end: latest };
  const found = await client.json<{ offset: number | null }>(path, { query: { timestamp: from.timestamp }, signal });
  return { start: found.offset ?? latest, end: latest };
}

/** The one way out: records of one answer stay together, and a full pipe holds up all partitions. */
class Output {
  readonly #write: (bytes: Uint8Array) => Promise<void>;
  readonly #progress: Progress;
  readonly #stop: AbortController;
  readonly #buffer = new Uint8Array(outputBytes);
  #filled = 0;
  #left: number;
  #turn: Promise<void> = Promise.resolve();

  constructor(write: (bytes: Uint8Array) => Promise<void>, progress: Progress, count: number, stop: AbortController) {
    this.#write = write;
    this.#progress = progress;
    this.#left = count;
    this.#stop = stop;
  }

  write(
    records: readonly LogRecord[],
    source: { topic: string; partition: number },
    end: number,
    format: Formatter | null,
  ): Promise<void> {
    const turn = this.#turn.then(() => this.#writeNow(records, source, end, format));
    this.#turn = turn.catch(() => {});
    return turn;
  }

  async #writeNow(
    records: readonly LogRecord[],
    source: { topic: string; partition: number },
    end: number,
    format: Formatter | null,
  ): Promise<void> {
    let pieces: Uint8Array[] = [];
    const into = (bytes: Uint8Array): void => void pieces.push(bytes);
    for (const record of records) {
      if (record.offset >= end || this.#left === 0 || this.#stop.signal.aborted) break;
      if (format === null) pieces.push(record.value ?? new Uint8Array(0));
      else format(record, source, into);
      for (const piece of pieces) {
        if (this.#filled + piece.length > outputBytes) await this.#flush();
        if (piece.length > outputBytes) await this.#write(piece);
        else {
          this.#buffer.set(piece, this.#filled);
          this.#filled += piece.length;
        }
      }
      pieces = [];
      this.#left--;
      this.#progress.add(1, (record.key?.length ?? 0) + (record.value?.length ?? 0));
    }
    await this.#flush();
    if (this.#left === 0) this.#stop.abort();
  }

  async #flush(): Promise<void> {
    const filled = this.#buffer.subarray(0, this.#filled);
    this.#filled = 0;
    await this.#write(filled);
  }
}

function once(run: (error: Error) => void): (error: Error) => void {
  let said = false;
  return (error) => {
    if (!said) run(error);
    said = true;
  };
}

function isAbort(reason: unknown): boolean {
  return (reason as { name?: string } | undefined)?.name === "AbortError";
}
