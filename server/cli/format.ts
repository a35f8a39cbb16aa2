// How a record is written out, in kcat's format letters or as JSON.
//
// Owns: the letters. Values and keys are bytes and stay bytes: nothing is decoded and encoded again.
// Never: writes; it gives pieces.

import { InvalidArgumentError } from "commander";
import type { LogRecord } from "../../engine/index.ts";
import { unescape } from "./parse.ts";

export interface Source {
  readonly topic: string;
  readonly partition: number;
}

/** Adds a record's bytes to `into`. */
export type Formatter = (record: LogRecord, source: Source, into: (bytes: Uint8Array) => void) => void;

export const defaultFormat = "%s\\n";

const encoder = new TextEncoder();
const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
const nothing = new Uint8Array(0);

type Piece = (record: LogRecord, source: Source) => Uint8Array;

const text = (of: (record: LogRecord, source: Source) => string | number): Piece => {
  return (record, source) => encoder.encode(String(of(record, source)));
};

const letters: Readonly<Record<string, Piece>> = {
  s: (record) => record.value ?? nothing,
  S: text((record) => record.value?.length ?? -1),
  k: (record) => record.key ?? nothing,
  K: text((record) => record.key?.length ?? -1),
  o: text((record) => record.offset),
  t: text((_, source) => source.topic),
  p: text((_, source) => source.partition),
  T: text((record) => record.timestamp),
  h: text((record) =>
    record.headers.map(({ key, value }) => `${key}=${value === null ? "NULL" : loose.decode(value)}`).join(","),
  ),
  "%": () => encoder.encode("%"),
};
const loose = new TextDecoder();

/** What `--format` takes. Shown in --help. */
export const formatHelp: string = `Format letters, as kcat's:
  %s value   %S its size (-1: null)   %k key        %K its size
  %o offset  %p partition             %t topic      %T timestamp, milliseconds
  %h headers, name=value,...          %% a percent  \\n \\t \\r \\0 \\xHH
  json       one JSON object a line; bytes that are no UTF-8 as {"base64": ".."}`;

export function parseFormat(format: string): Formatter {
  if (format === "json") return formatJson;
  const pieces: Piece[] = [];
  const pattern = /%(.?)|[^%]+/gs;
  for (const [whole, letter] of format.matchAll(pattern)) {
    if (letter === undefined) {
      const fixed = encoder.encode(unescape(whole));
      pieces.push(() => fixed);
      continue;
    }
    const piece = letters[letter];
    if (piece === undefined) throw new InvalidArgumentError(`%${letter} is no format letter. ${formatHelp}`);
    pieces.push(piece);
  }
  return (record, source, into) => {
    for (const piece of pieces) into(piece(record, source));
  };
}

const formatJson: Formatter = (record, source, into) => {
  const line = JSON.stringify({
    topic: source.topic,
    partition: source.partition,
    offset: record.offset,
    timestamp: record.timestamp,
    key: jsonValue(record.key),
    value: jsonValue(record.value),
    headers: record.headers.map(({ key, value }) => [key, jsonValue(value)]),
  });
  into(encoder.encode(`${line}\n`));
};

/** As the HTTP face gives it: a string where the bytes are UTF-8, else base64. */
function jsonValue(bytes: Uint8Array | null): string | null | { base64: string } {
  if (bytes === null) return null;
  try {
    return strict.decode(bytes);
  } catch {
    let binary = "";
    for (const byte of bytes) binary += String.fromCharCode(byte);
    return { base64: btoa(binary) };
  }
}
