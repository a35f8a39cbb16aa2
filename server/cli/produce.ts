// `moldau produce`: standard input into a topic.
//
// Owns: what of a line is key and value, and the command's end: everything acknowledged, or an error.
// Never: batches or sends (batch-producer.ts).

import type { Command } from "commander";
import { type Kernel, limits, type RecordToEncode } from "../../engine/index.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import { BatchProducer } from "./batch-producer.ts";
import { Client, type TopicDescription } from "./client.ts";
import { type CommandContext, giveUpAfterMs, oneOf, UserError, urlOption } from "./options.ts";
import { collectHeader, parseInteger, parseSize, unescape } from "./parse.ts";
import { Progress } from "./progress.ts";
import { chunks, lines } from "./records-in.ts";
import { describeOrExplain, examples } from "./topics.ts";

interface Flags {
  readonly url: string;
  readonly partition?: number;
  readonly count?: number;
  readonly key?: string;
  readonly keyDelimiter?: string;
  readonly header?: readonly (readonly [string, string | null])[];
  readonly chunk?: number;
  readonly acks: "all" | "leader" | "none";
}

/** Below Kafka's default for `max.message.bytes`, 1 048 588, with room for the batch's header. Bytes. */
const batchBytes = 1_000_000;
const batchHeaderBytes = 61;
/** Long enough to gather a burst, too short to be felt. Milliseconds. */
const lingerMs = 20;

export function addProduce(program: Command, context: CommandContext): void {
  program
    .command("produce")
    .description("send standard input to a topic: a record a line, or --chunk by chunk")
    .argument("<topic>")
    .option(
      "-p, --partition <number>",
      "to this partition (default: by key, else spread)",
      parseInteger("A partition", 0),
    )
    .option("-n, --count <records>", "stop after so many records", parseInteger("The count", 1))
    .option("-k, --key <key>", "every record's key")
    .option("-K, --key-delimiter <text>", "a line is key, delimiter, value; without the delimiter all is value")
    .option("-H, --header <name=value>", "a header for every record; may be repeated", collectHeader)
    .option("--chunk <size>", "cut the input in chunks of this size instead of lines, e.g. 64KiB", parseSize)
    .option("--acks <acks>", "all: on disk; leader: written; none: received", oneOf("all", "leader", "none"), "all")
    .addOption(urlOption())
    .addHelpText(
      "after",
      examples(
        "echo hello | moldau produce events",
        "printf 'user-7:in\\nuser-9:out\\n' | moldau produce events -K :",
        "tail -F app.log | moldau produce logs -k web-1 -H host=web-1",
        "moldau produce files --chunk 64KiB < archive.tar",
      ),
    )
    .action((topic: string, flags: Flags) => produce(topic, flags, context));
}

async function produce(topic: string, flags: Flags, { runtime }: CommandContext): Promise<void> {
  if (flags.key !== undefined && flags.keyDelimiter !== undefined)
    throw new UserError("give --key or --key-delimiter, not both");
  if (flags.chunk !== undefined && flags.keyDelimiter !== undefined)
    throw new UserError("--key-delimiter is for lines, not for --chunk");
  const { process } = runtime;
  const client = new Client(flags.url);
  const description = await describeOrExplain(client, topic);
  const partitions = description.partitions.length;
  if (flags.partition !== undefined && flags.partition >= partitions) {
    throw new UserError(
      `topic ${topic} has partitions 0 to ${partitions - 1}; there is no partition ${flags.partition}`,
    );
  }
  const kernel: Kernel = await loadWasmKernel();
  const progress = new Progress("produced", process);
  const producer = await BatchProducer.open({
    client,
    kernel,
    topic,
    partitions,
    acks: flags.acks,
    batchBytes: Math.min(batchBytes, maxMessageBytes(description) - batchHeaderBytes),
    lingerMs,
    giveUpAfterMs,
    onAcknowledged: (records, bytes) => progress.add(records, bytes),
  });
  let stopped: (() => void) | undefined;
  const interrupted = new Promise<"interrupted">((resolve) => {
    stopped = () => resolve("interrupted");
  });
  process.onSignal((_, isRepeated) => {
    // Once: send what was read. Twice: leave it.
    if (isRepeated) process.exit(130);
    stopped?.();
  });
  if (process.stdinIsTerminal) process.writeError("a record a line; Ctrl-D ends\n");
  try {
    // The next line may be hours away: a failure does not wait for it.
    await Promise.race([send(producer, flags, runtime.process.stdin()), interrupted, producer.failed]);
    await producer.finish();
  } finally {
    progress.finish();
  }
}

async function send(producer: BatchProducer, flags: Flags, input: AsyncIterable<Uint8Array>): Promise<void> {
  const toRecord = recordMaker(flags);
  const values = flags.chunk === undefined ? lines(input, limits.maxRunBytes) : chunks(input, flags.chunk);
  let left = flags.count ?? Number.POSITIVE_INFINITY;
  for await (const group of values) {
    for (const value of group) {
      // A promise only when there is no room; awaiting each record would cost more than sending it.
      const room = producer.add(toRecord(value), flags.partition);
      if (room !== undefined) await room;
      if (--left === 0) return;
    }
  }
}

export function recordMaker(
  flags: Pick<Flags, "key" | "keyDelimiter" | "header">,
): (line: Uint8Array) => RecordToEncode {
  const encoder = new TextEncoder();
  const key = flags.key === undefined ? null : encoder.encode(flags.key);
  const headers = (flags.header ?? []).map(
    ([name, value]) => [encoder.encode(name), value === null ? null : encoder.encode(value)] as const,
  );
  const delimiter = flags.keyDelimiter === undefined ? undefined : encoder.encode(unescape(flags.keyDelimiter));
  if (delimiter?.length === 0) throw new UserError("--key-delimiter needs at least one character");
  return (line) => {
    const timestamp = Date.now();
    if (delimiter === undefined) return { key, value: line, headers, timestamp };
    const at = indexOf(line, delimiter);
    if (at < 0) return { key: null, value: line, headers, timestamp };
    return { key: line.subarray(0, at), value: line.subarray(at + delimiter.length), headers, timestamp };
  };
}

function indexOf(line: Uint8Array, delimiter: Uint8Array): number {
  for (let at = line.indexOf(delimiter[0] as number); at >= 0; at = line.indexOf(delimiter[0] as number, at + 1)) {
    if (delimiter.every((byte, i) => line[at + i] === byte)) return at;
  }
  return -1;
}

function maxMessageBytes(topic: TopicDescription): number {
  const configured = Number(topic.configs["max.message.bytes"]?.value ?? Number.NaN);
  return Number.isSafeInteger(configured) && configured > batchHeaderBytes ? configured : batchBytes;
}
