// A topic's configs, by Kafka's names: what may be set, to what, and what it means when it isn't.
//
// Owns: names, defaults, ranges, the text that is kept and the number that it means.
// Never: acts on a config; the log and the broker read a resolved TopicConfig.
//
// Invariants: kept text is normalised (no blanks, no "+", no leading zeros) and always valid;
//   a number is a safe integer: int64 values beyond 2^53-1 mean 2^53-1 and keep their text.

import { MoldauError } from "../errors.ts";
import { maxRunBytes } from "../limits.ts";
import type { ConfigInput, TopicConfigValue } from "./types.ts";

export interface TopicConfig {
  /** -1: unlimited. Milliseconds. */
  readonly retentionMs: number;
  /** Per partition; -1: unlimited. */
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  readonly segmentMs: number;
  /** The largest record batch, header included. */
  readonly maxMessageBytes: number;
  readonly timestampType: "CreateTime" | "LogAppendTime";
  /** How far a record's timestamp may lie ahead of the broker's clock. */
  readonly timestampAfterMaxMs: number;
  /** How far it may lie behind. */
  readonly timestampBeforeMaxMs: number;
  readonly indexIntervalBytes: number;
  readonly segmentIndexBytes: number;
  readonly fileDeleteDelayMs: number;
  readonly minInsyncReplicas: number;
  readonly cleanupPolicy: "delete";
  readonly compressionType: "producer";
  /** Accepted for Kafka's sake: what is acknowledged is synced anyway. */
  readonly flushMessages: number;
  readonly flushMs: number;
  /** Kafka has it for the whole broker; here a topic may set it. */
  readonly producerIdExpirationMs: number;
}

const int32Max = "2147483647";
const int64Max = "9223372036854775807";

interface Integer {
  readonly min: number;
  /** Decimal digits, because int64 has more of them than a number. */
  readonly max: string;
  /** Said instead of the bare range where a user would wonder. */
  readonly why?: string;
}

interface Definition {
  readonly key: keyof TopicConfig;
  readonly initial: string;
  readonly integer?: Integer;
  readonly choices?: readonly string[];
  /** Valid in Kafka, not here yet. */
  readonly later?: readonly string[];
}

const integer = (key: keyof TopicConfig, initial: string, min: number, max: string, why?: string): Definition => ({
  key,
  initial,
  integer: why === undefined ? { min, max } : { min, max, why },
});

const definitions: ReadonlyMap<string, Definition> = new Map<string, Definition>([
  [
    "cleanup.policy",
    {
      key: "cleanupPolicy",
      initial: "delete",
      choices: ["delete"],
      later: ["compact", "compact,delete", "delete,compact"],
    },
  ],
  [
    "compression.type",
    {
      key: "compressionType",
      initial: "producer",
      choices: ["producer"],
      later: ["uncompressed", "gzip", "snappy", "lz4", "zstd"],
    },
  ],
  ["file.delete.delay.ms", integer("fileDeleteDelayMs", "60000", 0, int64Max)],
  ["flush.messages", integer("flushMessages", int64Max, 1, int64Max)],
  ["flush.ms", integer("flushMs", int64Max, 0, int64Max)],
  ["index.interval.bytes", integer("indexIntervalBytes", "4096", 0, int32Max)],
  [
    "max.message.bytes",
    integer("maxMessageBytes", "1048588", 0, String(maxRunBytes), "one request's batches are held in memory at once"),
  ],
  ["message.timestamp.after.max.ms", integer("timestampAfterMaxMs", "3600000", 0, int64Max)],
  ["message.timestamp.before.max.ms", integer("timestampBeforeMaxMs", int64Max, 0, int64Max)],
  ["message.timestamp.type", { key: "timestampType", initial: "CreateTime", choices: ["CreateTime", "LogAppendTime"] }],
  ["min.insync.replicas", integer("minInsyncReplicas", "1", 1, "1", "there is one broker, so one replica")],
  ["producer.id.expiration.ms", integer("producerIdExpirationMs", "86400000", 1, int32Max)],
  ["retention.bytes", integer("retentionBytes", "-1", -1, int64Max, "-1 is unlimited")],
  ["retention.ms", integer("retentionMs", "604800000", -1, int64Max, "-1 is unlimited")],
  ["segment.bytes", integer("segmentBytes", "1073741824", 14, int32Max)],
  ["segment.index.bytes", integer("segmentIndexBytes", "10485760", 4, int32Max)],
  ["segment.ms", integer("segmentMs", "604800000", 1, int64Max)],
]);

/** Kafka's topic configs that mean something Moldau does not do (yet). */
const unsupported: ReadonlySet<string> = new Set([
  "compression.gzip.level",
  "compression.lz4.level",
  "compression.zstd.level",
  "delete.retention.ms",
  "follower.replication.throttled.replicas",
  "leader.replication.throttled.replicas",
  "local.retention.bytes",
  "local.retention.ms",
  "max.compaction.lag.ms",
  "message.downconversion.enable",
  "message.format.version",
  "message.timestamp.difference.max.ms",
  "min.cleanable.dirty.ratio",
  "min.compaction.lag.ms",
  "preallocate",
  "remote.log.copy.disable",
  "remote.log.delete.on.disable",
  "remote.storage.enable",
  "segment.jitter.ms",
  "unclean.leader.election.enable",
]);

export const configNames: readonly string[] = [...definitions.keys()];

/** Checks every name and value and gives the text to keep. Throws INVALID_CONFIG at the first bad one. */
export function parseConfigs(input: ConfigInput): Map<string, string> {
  const texts = new Map<string, string>();
  for (const [name, value] of Object.entries(input)) texts.set(name, parseValue(name, value));
  return texts;
}

/** INVALID_CONFIG unless there is such a config; for a name that comes without a value. */
export function validateConfigName(name: string): void {
  definitionOf(name);
}

/** What the texts and the defaults mean. */
export function resolveConfig(texts: ReadonlyMap<string, string>): TopicConfig {
  const config: Record<string, string | number> = {};
  for (const [name, definition] of definitions) {
    const text = texts.get(name) ?? definition.initial;
    config[definition.key] = definition.integer === undefined ? text : Math.min(Number(text), Number.MAX_SAFE_INTEGER);
  }
  return config as unknown as TopicConfig;
}

export function describeConfigs(texts: ReadonlyMap<string, string>): Record<string, TopicConfigValue> {
  const described: Record<string, TopicConfigValue> = {};
  for (const [name, definition] of definitions) {
    const text = texts.get(name);
    described[name] =
      text === undefined ? { value: definition.initial, source: "default" } : { value: text, source: "topic" };
  }
  return described;
}

function definitionOf(name: string): Definition {
  const definition = definitions.get(name);
  if (definition !== undefined) return definition;
  if (unsupported.has(name)) throw new MoldauError("INVALID_CONFIG", `config '${name}' is not supported yet`);
  const nearest = nearestName(name);
  const hint = nearest === null ? `known are ${configNames.join(", ")}` : `did you mean '${nearest}'?`;
  throw new MoldauError("INVALID_CONFIG", `there is no config '${name}'; ${hint}`);
}

function parseValue(name: string, value: string | number | boolean): string {
  const definition = definitionOf(name);
  if (definition.integer !== undefined) return parseInteger(name, definition.integer, value);
  const text = String(value).trim();
  if (definition.choices!.includes(text)) return text;
  const compact = text.replace(/\s+/g, "");
  if (definition.later?.includes(compact)) {
    throw new MoldauError(
      "INVALID_CONFIG",
      `config '${name}' cannot be '${text}': not supported yet; allowed is ${definition.choices!.join(" or ")}`,
    );
  }
  throw invalid(name, text, `allowed is ${definition.choices!.join(" or ")}`);
}

function parseInteger(name: string, range: Integer, value: string | number | boolean): string {
  const allowed = `allowed is a whole number from ${range.min} to ${range.max}${range.why === undefined ? "" : ` (${range.why})`}`;
  const text = typeof value === "number" ? integerText(name, value, allowed) : String(value).trim();
  const parts = /^([+-]?)0*(\d+)$/.exec(text);
  if (parts === null) throw invalid(name, text, allowed);
  const digits = parts[2]!;
  const negative = parts[1] === "-" && digits !== "0";
  // Beyond 2^53 a number is too coarse to tell int64's maximum from its neighbour: compare digits.
  const tooGreat =
    !negative && (digits.length > range.max.length || (digits.length === range.max.length && digits > range.max));
  const tooSmall = negative ? -Number(digits) < range.min : Number(digits) < range.min;
  if (tooGreat || tooSmall) throw invalid(name, text, allowed);
  return negative ? `-${digits}` : digits;
}

function integerText(name: string, value: number, allowed: string): string {
  // JSON's 9223372036854775807 arrives as the double 2^63.
  if (value === 2 ** 63) return int64Max;
  if (Number.isInteger(value) && !Number.isSafeInteger(value)) {
    throw new MoldauError(
      "INVALID_CONFIG",
      `config '${name}' cannot be ${value}: a number beyond 2^53-1 loses digits, give it as a string; ${allowed}`,
    );
  }
  return String(value);
}

function invalid(name: string, text: string, allowed: string): MoldauError {
  const shown = text.length > 80 ? `${text.slice(0, 80)}...` : text;
  return new MoldauError("INVALID_CONFIG", `config '${name}' cannot be '${shown}': ${allowed}`);
}

/** The known name that a typo was probably meant to be. */
function nearestName(name: string): string | null {
  if (name.length > 64) return null;
  const plain = plainName(name);
  let nearest: string | null = null;
  let nearestDistance = Math.max(1, Math.floor(plain.length / 4)) + 1;
  for (const known of configNames) {
    const distance = editDistance(plain, plainName(known));
    if (distance < nearestDistance) {
      nearest = known;
      nearestDistance = distance;
    }
  }
  return nearest;
}

function plainName(name: string): string {
  return name.toLowerCase().replace(/[^a-z0-9]/g, "");
}

function editDistance(from: string, to: string): number {
  let previous = Array.from({ length: to.length + 1 }, (_, index) => index);
  for (let row = 1; row <= from.length; row += 1) {
    const current = [row];
    for (let column = 1; column <= to.length; column += 1) {
      const replaced = previous[column - 1]! + (from[row - 1] === to[column - 1] ? 0 : 1);
      current.push(Math.min(replaced, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[to.length]!;
}
