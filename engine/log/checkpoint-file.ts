// Kafka's small text files, between their bytes and their meaning.
//
//   recovery-point-offset-checkpoint,          leader-epoch-checkpoint
//   log-start-offset-checkpoint
//   0                  version                 0          version
//   2                  entries                 1          entries
//   events 0 41        topic partition offset  7 0        epoch, its first offset
//   events 1 0
//
//   partition.metadata                         meta.properties (Java's Properties)
//   version: 0                                 version=1
//   topic_id: 4yVYgJpKTzmCWSSsLOtTJA           node.id=1
//
// Owns: the formats. A malformed file is null, and the caller decides whether it can be rebuilt.
// Never: files, or what an entry means.
//
// Invariant: parse(format(x)) equals x.

import type { EpochEntry } from "./leader-epochs.ts";

const encoder = new TextEncoder();

/** Entries are keyed "topic partition". */
export function formatOffsetCheckpoint(entries: ReadonlyMap<string, number>): Uint8Array {
  return formatLines([...entries].map(([key, offset]) => `${key} ${offset}`));
}

export function parseOffsetCheckpoint(bytes: Uint8Array): Map<string, number> | null {
  const rows = parseLines(bytes, 3);
  if (rows === null) return null;
  const entries = new Map<string, number>();
  for (const [topic, partitionText, offsetText] of rows) {
    const partition = parseNumber(partitionText!);
    const offset = parseNumber(offsetText!);
    if (partition === null || offset === null) return null;
    const key = `${topic} ${partition}`;
    if (entries.has(key)) return null;
    entries.set(key, offset);
  }
  return entries;
}

/** One offset and nothing else: fence-checkpoint and compaction-checkpoint, which are Moldau's own. */
export function formatOffset(offset: number): Uint8Array {
  return encoder.encode(`${offset}\n`);
}

export function parseOffset(bytes: Uint8Array): number | null {
  const text = new TextDecoder().decode(bytes).trim();
  return /^\d{1,16}$/.test(text) && Number.isSafeInteger(Number(text)) ? Number(text) : null;
}

export function formatEpochCheckpoint(entries: readonly EpochEntry[]): Uint8Array {
  return formatLines(entries.map((entry) => `${entry.epoch} ${entry.startOffset}`));
}

export function parseEpochCheckpoint(bytes: Uint8Array): EpochEntry[] | null {
  const rows = parseLines(bytes, 2);
  if (rows === null) return null;
  const entries: EpochEntry[] = [];
  for (const [epochText, startText] of rows) {
    const epoch = parseNumber(epochText!);
    const startOffset = parseNumber(startText!);
    if (epoch === null || startOffset === null) return null;
    const last = entries.at(-1);
    if (last !== undefined && (epoch <= last.epoch || startOffset <= last.startOffset)) return null;
    entries.push({ epoch, startOffset });
  }
  return entries;
}

/** `separator` is "=" for Java's Properties, ": " for partition.metadata. */
export function formatProperties(entries: ReadonlyMap<string, string>, separator: "=" | ": " = "="): Uint8Array {
  let text = "";
  for (const [key, value] of entries) text += `${escapeKey(key)}${separator}${escapeValue(value)}\n`;
  return encoder.encode(text);
}

/** Reads both kinds, comments (# and !) and escapes; a line without a separator is a key with an empty value, as in Java. */
export function parseProperties(bytes: Uint8Array): Map<string, string> | null {
  const text = decode(bytes);
  if (text === null) return null;
  const entries = new Map<string, string>();
  for (const line of joinContinuedLines(text)) {
    const split = findSeparator(line);
    const rest = line.slice(split).replace(/^[ \t\f]*[=:]?[ \t\f]*/, "");
    const key = unescape(line.slice(0, split));
    const value = unescape(rest);
    if (key === null || value === null) return null;
    entries.set(key, value);
  }
  return entries;
}

function formatLines(lines: readonly string[]): Uint8Array {
  return encoder.encode(`0\n${lines.length}\n${lines.map((line) => `${line}\n`).join("")}`);
}

function parseLines(bytes: Uint8Array, columns: number): string[][] | null {
  const text = decode(bytes);
  // A file whose last line lacks its end was cut, perhaps in the middle of a number.
  if (text === null || !text.endsWith("\n")) return null;
  const lines = text.slice(0, -1).split(/\r?\n/);
  if (lines[0]!.trim() !== "0") return null;
  const count = parseNumber(lines[1]?.trim() ?? "");
  if (count === null || count !== lines.length - 2) return null;
  const rows = lines.slice(2).map((line) => line.trim().split(/\s+/));
  return rows.every((row) => row.length === columns) ? rows : null;
}

function parseNumber(text: string): number | null {
  if (!/^\d{1,16}$/.test(text)) return null;
  const value = Number(text);
  return Number.isSafeInteger(value) ? value : null;
}

function decode(bytes: Uint8Array): string | null {
  try {
    return new TextDecoder("utf-8", { fatal: true }).decode(bytes);
  } catch {
    return null;
  }
}

const escapes: Readonly<Record<string, string>> = { "\t": "\\t", "\n": "\\n", "\r": "\\r", "\f": "\\f" };

function escapeValue(text: string): string {
  // A leading blank would be taken for part of the separator.
  return text.replace(/[\\=:#!\t\n\r\f]|^ /g, (found) => escapes[found] ?? `\\${found}`);
}

function escapeKey(text: string): string {
  return text.replace(/[\\=:#! \t\n\r\f]/g, (found) => escapes[found] ?? `\\${found}`);
}

function unescape(text: string): string | null {
  let broken = false;
  const plain = text.replace(/\\(u[0-9a-fA-F]{4}|[^])?/g, (_, escaped: string | undefined) => {
    if (escaped === undefined || escaped === "u") broken = true;
    if (escaped === undefined) return "";
    if (escaped.length === 5) return String.fromCharCode(Number.parseInt(escaped.slice(1), 16));
    return { t: "\t", n: "\n", r: "\r", f: "\f" }[escaped] ?? escaped;
  });
  return broken ? null : plain;
}

function findSeparator(line: string): number {
  for (let at = 0; at < line.length; at += 1) {
    if (line[at] === "\\") at += 1;
    else if (/[=: \t\f]/.test(line[at]!)) return at;
  }
  return line.length;
}

function joinContinuedLines(text: string): string[] {
  const lines: string[] = [];
  let open: string | null = null;
  for (const raw of text.split(/\r\n|\n|\r/)) {
    const line = raw.replace(/^[ \t\f]+/, "");
    if (open === null && (line === "" || line[0] === "#" || line[0] === "!")) continue;
    const whole: string = (open ?? "") + line;
    const continues = /\\*$/.exec(line)![0].length % 2 === 1;
    open = continues ? whole.slice(0, -1) : null;
    if (!continues) lines.push(whole);
  }
  if (open !== null && open !== "") lines.push(open);
  return lines;
}
