// Records and receipts as JSON text.
//
// Owns: how bytes are written: a string where they are UTF-8, else {"base64"}; with values=json
//   the value's own text inside {"json"}.
// Never: reads JSON (record-input.ts).
//
// Invariants: no line break in what it gives, so that it fits a line or an event; posting it
//   back appends the same bytes ({"json"} apart from its white space and how numbers are written).

import type { FetchedRecords, LogRecord, ProduceResult } from "../../engine/index.ts";
import { encodeBase64 } from "./base64.ts";
import { errorMember } from "./problem.ts";

export type ValueForm = "string" | "json" | "base64";

// A byte order mark is part of the value.
const utf8 = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function recordJson(record: LogRecord, values: ValueForm): string {
  let headers = "";
  for (const { key, value } of record.headers) {
    headers += `${headers === "" ? "" : ","}[${JSON.stringify(key)},${bytesJson(value, "string")}]`;
  }
  const key = bytesJson(record.key, "string");
  const value = bytesJson(record.value, values);
  return `{"offset":${record.offset},"timestamp":${record.timestamp},"key":${key},"value":${value},"headers":[${headers}]}`;
}

export function fetchedJson(fetched: FetchedRecords, values: ValueForm): string {
  const records = fetched.records.map((record) => recordJson(record, values)).join(",");
  const { logStartOffset, highWatermark, nextOffset } = fetched;
  return `{"records":[${records}],"logStartOffset":${logStartOffset},"highWatermark":${highWatermark},"nextOffset":${nextOffset}}`;
}

export function resultJson(result: ProduceResult): string {
  if ("error" in result) return JSON.stringify({ error: errorMember(result.error) });
  const { partition, offset, timestamp, duplicate } = result;
  return `{"partition":${partition},"offset":${offset},"timestamp":${timestamp}${duplicate ? ',"duplicate":true' : ""}}`;
}

function bytesJson(bytes: Uint8Array | null, form: ValueForm): string {
  if (bytes === null) return "null";
  if (form !== "base64") {
    const text = textOf(bytes);
    if (text !== null) return form === "json" && isJson(text) ? `{"json":${oneLine(text)}}` : JSON.stringify(text);
  }
  return `{"base64":"${encodeBase64(bytes)}"}`;
}

function textOf(bytes: Uint8Array): string | null {
  try {
    return utf8.decode(bytes);
  } catch {
    return null;
  }
}

function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

/** Inside a JSON text a line break is white space only: in a string it is escaped. */
function oneLine(text: string): string {
  return text.replace(/[\r\n]+/g, " ");
}
