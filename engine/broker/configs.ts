// A topic's configs, by Kafka's names: what may be set, to what, and what it means when it isn't.
//
// Owns: names, defaults, ranges, the text that is kept and the number that it means.
// Never: acts on a config; the log and the broker read a resolved TopicConfig.
//
// Invariants: kept text is normalised (no blanks, no "+", no leading zeros) and always valid;
//   a number is a safe integer: int64 values beyond 2^53-1 mean 2^53-1 and keep their text.

import { MoldauError } from "../errors.ts";
import { maxRunBytes } from "../limits.ts";
import { type CleanupPolicy, isCompacted } from "../log/cleanup-policy.ts";
import type { ConfigInput, TopicConfigValue } from "./types.ts";

export interface TopicConfig {
  /** -1: unlimited. Milliseconds. */
  readonly retentionMs: number;
  /** Per partition; -1: unlimited. */
  readonly retentionBytes: number;
  readonly segmentBytes: number;
  /** Of a compacted topic at most max.compaction.lag.ms: the active segment is not compacted. */
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
  readonly cleanupPolicy: CleanupPolicy;
  /** How long a tombstone stays after the first pass of compaction that saw it. Milliseconds. */
  readonly deleteRetentionMs: number;
  /** The part of a log's bytes that must be dirty before compaction begins, from 0 to 1. */
  readonly minCleanableDirtyRatio: number;
  /** How young a record must be to be left alone by compaction. Milliseconds. */
  readonly minCompactionLagMs: number;
  /** How old a record may become before compaction begins whatever the ratio. Milliseconds. */
  readonly maxCompactionLagMs: number;
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
  /** A decimal fraction from 0 to 1. */
  readonly ratio?: true;
  readonly choices?: readonly string[];
  /** Other ways to write a choice. */
  readonly aliases?: ReadonlyMap<string, string>;
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
      choices: ["delete", "compact", "compact,delete"],
      aliases: new Map([["delete,compact", "compact,delete"]]),
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
  ["delete.retention.ms", integer("deleteRetentionMs", "86400000", 0, int64Max)],
  ["file.delete.delay.ms", integer("fileDeleteDelayMs", "60000", 0, int64Max)],
  ["flush.messages", integer("flushMessages", int64Max, 1, int64Max)],
  ["flush.ms", integer("flushMs", int64Max, 0, int64Max)],
  ["index.interval.bytes", integer("indexIntervalBytes", "4096", 0, int32Max)],
  ["max.compaction.lag.ms", integer("maxCompactionLagMs", int64Max, 1, int64Max)],
  [
    "max.message.bytes",
    integer("maxMessageBytes", "1048588", 0, String(maxRunBytes), "one request's batches are held in memory at once"),
  ],
  ["message.timestamp.after.max.ms", integer("timestampAfterMaxMs", "3600000", 0, int64Max)],
  ["message.timestamp.before.max.ms", integer("timestampBeforeMaxMs", int64Max, 0, int64Max)],
  ["message.timestamp.type", { key: "timestampType", initial: "CreateTime", choices: ["CreateTime", "LogAppendTime"] }],
  ["min.cleanable.dirty.ratio", { key: "minCleanableDirtyRatio", initial: "0.5", ratio: true }],
  ["min.compaction.lag.ms", integer("minCompactionLagMs", "0", 0, int64Max)],
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
  "follower.replication.throttled.replicas",
  "leader.replication.throttled.replicas",
  "local.retention.bytes",
  "local.retention.ms",
  "message.downconversion.enable",
  "message.format.version",
  "message.timestamp.difference.max.ms",
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
    const isNumber = definition.integer !== undefined || definition.ratio === true;
    config[definition.key] = isNumber ? Math.min(Number(text), Number.MAX_SAFE_INTEGER) : text;
  }
  const resolved = config as unknown as TopicConfig;
  if (!isCompacted(resolved)) return resolved;
  return { ...resolved, segmentMs: Math.min(resolved.segmentMs, resolved.maxCompactionLagMs) };
}

/** INVALID_CONFIG for values that are good each by itself and not together. */
export function checkTogether(texts: ReadonlyMap<string, string>): void {
  const { minCompactionLagMs, maxCompactionLagMs } = resolveConfig(texts);
  if (minCompactionLagMs <= maxCompactionLagMs) return;
  throw new MoldauError(
    "INVALID_CONFIG",
    `config 'min.compaction.lag.ms' (${minCompactionLagMs}) cannot be more than 'max.compaction.lag.ms' (${maxCompactionLagMs})`,
  );
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
  if (definition.ratio === true) return parseRatio(name, value);
  const text = String(value).trim();
  const dense = text.replace(/\s*,\s*/g, ",");
  const choice = definition.aliases?.get(dense) ?? dense;
  if (definition.choices!.includes(choice)) return choice;
  if (definition.later?.includes(dense)) {
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

function parseRatio(name: string, value: string | number | boolean): string {
  const text = String(value).trim();
  const number = /^\+?(\d{1,20}(\.\d{0,20})?|\.\d{1,20})$/.test(text) ? Number(text) : Number.NaN;
  // A number writes what is very small with an exponent, which is not read again.
  if (number >= 0 && number <= 1) return number < 1e-6 ? String(Number(number.toFixed(6))) : String(number);
  throw invalid(name, text, "allowed is a number from 0 to 1, as 0.5");
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
