// What people type, as values: sizes, positions, times, headers, configs.
//
// Owns: the syntax, and a message that names what was wrong and what would be right.
// Never: talks to a server.

import { InvalidArgumentError } from "commander";

/** Where to begin, as typed: `-N` is `{ last: N }`, `@time` is `{ timestamp }`. */
export type From = "earliest" | "latest" | number | { readonly last: number } | { readonly timestamp: number };

const units: Readonly<Record<string, number>> = {
  "": 1,
  b: 1,
  kb: 1000,
  mb: 1000 ** 2,
  gb: 1000 ** 3,
  k: 1024,
  m: 1024 ** 2,
  g: 1024 ** 3,
  kib: 1024,
  mib: 1024 ** 2,
  gib: 1024 ** 3,
};

/** `65536`, `64KiB`, `64k`, `1MB`: bytes. */
export function parseSize(text: string): number {
  const match = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text.trim());
  const unit = units[match?.[2]?.toLowerCase() ?? "?"];
  if (match === null || unit === undefined) throw new InvalidArgumentError("Give a size such as 65536, 64KiB or 1MB.");
  const sizeBytes = Math.floor(Number(match[1]) * unit);
  if (!Number.isSafeInteger(sizeBytes) || sizeBytes < 1)
    throw new InvalidArgumentError("Give a size of at least one byte.");
  return sizeBytes;
}

/** A whole number within bounds. */
export function parseInteger(
  name: string,
  smallest: number,
  largest: number = Number.MAX_SAFE_INTEGER,
): (text: string) => number {
  return (text) => {
    const value = /^-?\d+$/.test(text.trim()) ? Number(text) : Number.NaN;
    if (!Number.isSafeInteger(value) || value < smallest || value > largest) {
      const upTo = largest === Number.MAX_SAFE_INTEGER ? `of at least ${smallest}` : `from ${smallest} to ${largest}`;
      throw new InvalidArgumentError(`${name} is a whole number ${upTo}.`);
    }
    return value;
  };
}

/** A yes or no from the environment, where a flag has no value of its own; undefined for anything else. */
export function parseBoolean(text: string): boolean | undefined {
  const word = text.trim().toLowerCase();
  if (word === "true" || word === "1") return true;
  if (word === "false" || word === "0") return false;
  return undefined;
}

export function parseFrom(text: string): From {
  const word = text.trim();
  if (word === "earliest" || word === "latest") return word;
  if (word === "beginning") return "earliest";
  if (word === "end") return "latest";
  if (word.startsWith("@")) return { timestamp: parseTime(word.slice(1)) };
  if (/^-?\d+$/.test(word)) {
    const number = Number(word);
    if (Number.isSafeInteger(number)) return word.startsWith("-") ? { last: -number } : number;
  }
  throw new InvalidArgumentError(
    "Give earliest, latest, an offset (42), a count before the end (-10) or a time (@2026-01-31T08:00Z, @1767225600000).",
  );
}

/** ISO 8601 (without a zone: local time), or milliseconds since 1970. */
function parseTime(text: string): number {
  // Date.parse alone takes "-5" and "tomorrow 1" for dates on some runtimes.
  const isDate = /^\d{4}-\d\d-\d\d(?:$|[T ]\d\d:)/.test(text);
  const milliseconds = /^\d+$/.test(text) ? Number(text) : isDate ? Date.parse(text) : Number.NaN;
  if (Number.isSafeInteger(milliseconds) && milliseconds >= 0) return milliseconds;
  throw new InvalidArgumentError(
    "A time is ISO 8601 (@2026-01-31T08:00:00Z) or milliseconds since 1970 (@1767225600000).",
  );
}

/** Collects `name=value`; `name` alone has no value. */
export function collectHeader(
  text: string,
  before: readonly (readonly [string, string | null])[] = [],
): (readonly [string, string | null])[] {
  const equals = text.indexOf("=");
  if (equals === 0 || text === "") throw new InvalidArgumentError("Give a header as name=value.");
  return [...before, equals < 0 ? [text, null] : [text.slice(0, equals), text.slice(equals + 1)]];
}

/** Collects `name=value` of a topic's config; `name=` goes back to the default where it is altered. */
export function collectConfig(
  text: string,
  before: Readonly<Record<string, string | null>> = {},
): Record<string, string | null> {
  const equals = text.indexOf("=");
  if (equals < 1) throw new InvalidArgumentError("Give a config as name=value, for example retention.ms=3600000.");
  const value = text.slice(equals + 1);
  return { ...before, [text.slice(0, equals)]: value === "" ? null : value };
}

export function parseUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url === undefined || !/^https?:$/.test(url.protocol))
    throw new InvalidArgumentError("Give a URL such as http://127.0.0.1:8080.");
  return url.href.replace(/\/+$/, "");
}

/** A port, or that there is to be none. */
export function parsePortOrOff(text: string): number | "off" {
  if (text === "off" || text === "none") return "off";
  const port = /^\d{1,5}$/.test(text) ? Number(text) : Number.NaN;
  if (port <= 65_535) return port;
  throw new InvalidArgumentError("A port is a number from 0 to 65535, or off.");
}

/** `host:port`, `[::1]:9092`. */
export function parseEndpoint(text: string): { readonly host: string; readonly port: number } {
  const [, bracketed, plain, digits] = /^(?:\[([0-9a-fA-F:.]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text.trim()) ?? [];
  const host = bracketed ?? plain;
  const port = Number(digits);
  if (host !== undefined && port >= 1 && port <= 65_535) return { host, port };
  throw new InvalidArgumentError("Give a host and a port, such as broker.example.org:9092 or [::1]:9092.");
}

export function parseYesOrNo(text: string): boolean {
  const value = text === "yes" ? true : text === "no" ? false : parseBoolean(text);
  if (value !== undefined) return value;
  throw new InvalidArgumentError("It is yes or no.");
}

/** Turns \n, \t, \r, \0, \\ and \xHH into what they stand for. */
export function unescape(text: string): string {
  const named: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0", "\\": "\\" };
  return text.replace(/\\(?:x([0-9a-fA-F]{2})|(.))/g, (whole, hex: string | undefined, letter: string | undefined) =>
    hex === undefined ? (named[letter as string] ?? whole) : String.fromCharCode(Number.parseInt(hex, 16)),
  );
}
