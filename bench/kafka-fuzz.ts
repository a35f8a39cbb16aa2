// Kafka frames with faults in them, through splitter, decoders and a whole connection:
// `node bench/kafka-fuzz.ts [--count 10000000] [--seed 1]` (built: dist/bench/kafka-fuzz.js).
//
// Owns: the inputs, all of them out of one seed, and what is asked of the outcome: an error is a
//   MoldauError with INVALID_REQUEST, a value weighs no more than its frame allows and can be
//   written again, and a connection answers or ends.
// Never: judges what a value means.

import { resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { Budget, MoldauError } from "../engine/index.ts";
import { serveApis } from "../server/kafka/api-versions.ts";
import { Connection } from "../server/kafka/connection.ts";
import { FrameSplitter } from "../server/kafka/frame.ts";
import {
  isKnownVersion,
  peekRequest,
  readRequest,
  readResponse,
  readVersioned,
  writeRequest,
  writeResponse,
  writeVersioned,
} from "../server/kafka/schema/codec.ts";
import { apis, messages } from "../server/kafka/schema/index.ts";
import type { ApiDefinition, MessageDefinition, Struct, Written } from "../server/kafka/schema/notation.ts";
import { atVersion, sampleOf } from "../server/kafka/schema/sample.test.support.ts";

export interface KafkaFuzzOptions {
  readonly count: number;
  readonly seed: number;
}

export interface KafkaFuzzReport {
  readonly count: number;
  readonly refused: number;
  readonly read: number;
  readonly connections: number;
  /** The first few, in words. */
  readonly faults: readonly string[];
}

type Value = Written<Struct>;

/** A valid input, and how it is read and written. */
interface Subject {
  readonly name: string;
  readonly bytes: Uint8Array;
  /** A stream of frames: what a connection receives. */
  readonly isStream: boolean;
  read(bytes: Uint8Array | Uint8Array[]): unknown;
  write(value: unknown): unknown;
}

/** Nodes, characters and bytes a byte of frame; a struct of few bytes may have dozens of fields. */
const weightPerByte = 60;
/** Of the fields that a version lacks. */
const leastWeight = 400;
/** A connection costs ten times what its two requests do. */
const streamEvery = 16;
const header = { correlationId: 7, clientId: "fuzz" };
const clock = { now: () => 0, monotonic: () => 0, schedule: () => () => {} };
const served = serveApis(
  apis
    .filter(({ name }) => name !== "ApiVersions")
    .map((api) => ({
      api,
      handle() {
        throw new MoldauError("POLICY_VIOLATION", "as it should");
      },
    })),
);

export function fuzzKafka({ count, seed }: KafkaFuzzOptions): KafkaFuzzReport {
  const next = chance(seed);
  const subjects = subjectsOf();
  const streams = subjects.filter(({ isStream }) => isStream);
  const others = subjects.filter(({ isStream }) => !isStream);
  const faults: string[] = [];
  let refused = 0;
  let read = 0;
  let connections = 0;
  for (let done = 0; done < count && faults.length < 10; done++) {
    const kind = next() % streamEvery === 0 ? streams : others;
    const subject = kind[next() % kind.length]!;
    const bytes = damage(subject, subjects, next);
    const pieces = cut(bytes, next);
    try {
      if (subject.isStream) {
        receive(pieces);
        connections += 1;
      } else {
        const value = subject.read(pieces);
        read += 1;
        const weight = weigh(value);
        if (weight > leastWeight + weightPerByte * bytes.length)
          faults.push(`${subject.name}, input ${done}: ${bytes.length} bytes became ${weight}`);
        if (done % 16 === 0) subject.write(value);
      }
    } catch (error) {
      refused += 1;
      if (error instanceof MoldauError && error.code === "INVALID_REQUEST") continue;
      faults.push(`${subject.name}, input ${done}: ${error}: ${[...bytes].join(" ")}`);
    }
  }
  return { count, refused, read, connections, faults };
}

function subjectsOf(): Subject[] {
  const subjects = apis.flatMap((api) => versionsOf(api).flatMap((version) => subjectsOfApi(api, version)));
  return [
    ...subjects,
    ...messages.flatMap((message) => versionsOf(message).map((version) => asMessage(message, version))),
  ];
}

function subjectsOfApi(api: ApiDefinition, version: number): Subject[] {
  const request = concat(writeRequest(api, version, header, sample(api.request, version)));
  const response = concat(writeResponse(api, version, 7, sample(api.response, version)));
  const name = `${api.name} ${version}`;
  return [
    {
      name: `request ${name}`,
      bytes: request,
      isStream: false,
      read: (bytes) => readFrame(bytes as Uint8Array[]),
      write: (value) => writeRequest(api, version, header, value as Value),
    },
    {
      name: `answer ${name}`,
      bytes: response.subarray(4),
      isStream: false,
      read: (bytes) => readResponse(api, version, bytes).response,
      write: (value) => writeResponse(api, version, 7, value as Value),
    },
    { name: `stream ${name}`, bytes: concat([request, request]), isStream: true, read: () => null, write: () => null },
  ];
}

function asMessage(message: MessageDefinition, version: number): Subject {
  return {
    name: `${message.name} ${version}`,
    bytes: writeVersioned(message, version, sample(message.fields, version)),
    isStream: false,
    read: (bytes) => readVersioned(message, bytes).value,
    write: (value) => writeVersioned(message, message.versions[1], value as Value),
  };
}

/** As a connection does, without one. Whatever API the damage made of it. */
function readFrame(pieces: readonly Uint8Array[]): unknown {
  const splitter = new FrameSplitter(1 << 20);
  for (const piece of pieces) splitter.push(piece);
  const frame = splitter.next();
  if (frame === null) throw new MoldauError("INVALID_REQUEST", "more is to come");
  const { apiKey, apiVersion } = peekRequest(frame.bytes);
  const api = apis.find(({ key }) => key === apiKey);
  if (api === undefined || !isKnownVersion(api, apiVersion)) throw new MoldauError("INVALID_REQUEST", "not served");
  return readRequest(api, apiVersion, frame.bytes).request;
}

function receive(pieces: readonly Uint8Array[]): void {
  const budget = new Budget(1 << 20);
  const decoded = new Budget(1 << 26);
  const answers = { totalBytes: 1 << 26, usedBytes: 0 };
  let isPaused = false;
  let hasEnded = false;
  const connection = new Connection({
    apis: served,
    client: { address: "fuzz" },
    logger: { log: () => {} },
    clock,
    budget,
    decoded,
    answers,
    maxFrameBytes: 1 << 20,
    wire: {
      write(_, sent) {
        if (hasEnded) throw new Error("a write after the end");
        sent();
        return true;
      },
      pause: () => void (isPaused = true),
      resume: () => void (isPaused = false),
      end: () => void (hasEnded = true),
    },
  });
  for (const piece of pieces) connection.receive(piece);
  if (!hasEnded && isPaused) throw new Error("it neither reads nor ends");
  connection.closed();
  if (budget.usedBytes !== 0) throw new Error(`${budget.usedBytes} bytes were not given back`);
}

/** One to three faults: bits, bytes, lengths, a cut, a piece of another input. */
function damage(subject: Subject, subjects: readonly Subject[], next: () => number): Uint8Array {
  let bytes = Uint8Array.from(subject.bytes);
  for (let faults = 1 + (next() % 3); faults > 0 && bytes.length > 0; faults--) {
    const at = next() % bytes.length;
    const kind = next() % 8;
    if (kind < 3) bytes[at]! ^= 1 << (next() % 8);
    else if (kind === 3) bytes[at] = [0, 1, 0x7f, 0x80, 0xff][next() % 5]!;
    else if (kind === 4) writeLength(bytes, at, next);
    else if (kind === 5) bytes = bytes.slice(0, at);
    else {
      const other = subjects[next() % subjects.length]!.bytes;
      const from = next() % other.length;
      const piece = other.subarray(from, from + (next() % 40));
      // In its place, or between.
      bytes = concat([bytes.subarray(0, at), piece, bytes.subarray(kind === 6 ? at : at + piece.length)]);
    }
  }
  return bytes;
}

/** What a length must not be: huge, negative, or a varint without an end. */
function writeLength(bytes: Uint8Array, at: number, next: () => number): void {
  const lengths = [
    [0x7f, 0xff, 0xff, 0xff],
    [0xff, 0xff, 0xff, 0xff],
    [0x80, 0, 0, 0],
    [0xff, 0xff, 0xff, 0xff, 0x0f],
    [0x7f, 0xff],
    [0, 1, 0, 0],
    [0xff, 0xff, 0xff, 0xff, 0xff, 0xff],
  ];
  const length = lengths[next() % lengths.length]!;
  bytes.set(length.slice(0, bytes.length - at), at);
}

function cut(bytes: Uint8Array, next: () => number): Uint8Array[] {
  if (next() % 2 === 0) return [bytes];
  const pieces: Uint8Array[] = [];
  for (let at = 0; at < bytes.length; ) {
    const size = 1 + (next() % 90);
    pieces.push(bytes.subarray(at, at + size));
    at += size;
  }
  return pieces;
}

function weigh(value: unknown): number {
  if (typeof value === "string" || value instanceof Uint8Array) return 1 + value.length;
  if (value === null || typeof value !== "object") return 1;
  let weight = 1;
  for (const inner of Object.values(value)) weight += weigh(inner);
  return weight;
}

function versionsOf({ versions: [from, to] }: Pick<ApiDefinition, "versions">): number[] {
  return Array.from({ length: to - from + 1 }, (_, index) => from + index);
}

function sample(struct: Struct, version: number): Value {
  return atVersion(struct, sampleOf(struct), version) as Value;
}

function concat(pieces: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const piece of pieces) {
    whole.set(piece, at);
    at += piece.length;
  }
  return whole;
}

/** xorshift32: the same numbers for the same seed, unsigned. */
function chance(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
}

function main(): void {
  const { values } = parseArgs({
    options: { count: { type: "string", default: "10000000" }, seed: { type: "string", default: "1" } },
  });
  const [count, seed] = [Number(values.count), Number(values.seed)];
  if (!Number.isSafeInteger(count) || count < 1 || !Number.isSafeInteger(seed))
    throw new RangeError("--count takes a whole number above 0, --seed a whole number");
  // Nearly every input is refused, and nobody looks at where.
  Error.stackTraceLimit = 0;
  const from = performance.now();
  const { refused, read, connections, faults } = fuzzKafka({ count, seed });
  const seconds = ((performance.now() - from) / 1000).toFixed(1);
  for (const fault of faults) process.stderr.write(`${fault}\n`);
  const peakMiB = Math.round(process.resourceUsage().maxRSS / 1024);
  process.stdout.write(
    `${count} inputs, seed ${seed}: ${refused} refused, ${read} read, ${connections} connections; ` +
      `${faults.length} faults; ${seconds} s, ${peakMiB} MiB at most\n`,
  );
  if (faults.length > 0) process.exitCode = 1;
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === resolve(process.argv[1])) main();
