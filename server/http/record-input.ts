// Records as a client writes them in JSON or CBOR, checked by hand and named where they are wrong.
//
// Owns: the tags {"base64"} and {"json"}, and which members a body may have.
// Never: says whether a topic takes the records; the broker does.
//
// Invariants: what a fetch wrote can be posted back as it is, so its other members (offset,
//   nextOffset, ...) are passed over; a member nobody knows is refused; no digit of a number
//   and no half of a surrogate pair is lost in silence.

import { type Acks, limits, type RecordInput } from "../../engine/index.ts";
import { decodeBase64 } from "./base64.ts";
import { invalid } from "./problem.ts";

export interface ProduceBody {
  readonly records: readonly RecordInput[];
  readonly acks: Acks | undefined;
}

/** What the text of a body says about the care its values need, so that most need none. */
export interface Care {
  /** Bytes come as byte strings: the tags are JSON's. */
  readonly binary: boolean;
  /** A \ud800 to \udfff escape is somewhere in it: a string may be no Unicode. */
  readonly surrogates: boolean;
  /** A run of 16 digits is somewhere in it: a number may have lost some. */
  readonly longNumbers: boolean;
}

const binaryCare: Care = { binary: true, surrogates: false, longNumbers: false };
const utf8 = new TextDecoder("utf-8", { fatal: true });
const encoder = new TextEncoder();
const bodyMembers = new Set(["records", "acks", "logStartOffset", "highWatermark", "nextOffset"]);
const recordMembers = new Set(["key", "value", "headers", "timestamp", "partition", "offset"]);
const acksWords = new Set(["all", "leader", "none"]);

export function careOf(text: string): Care {
  return new TextCare(text);
}

/** Only a {"json"} asks for long numbers, and looking for them costs more than the rest of most lines. */
class TextCare implements Care {
  readonly binary = false;
  readonly surrogates: boolean;
  readonly #text: string;
  #longNumbers: boolean | undefined;

  constructor(text: string) {
    this.#text = text;
    this.surrogates = text.includes("\\u") && /\\u[dD][89a-fA-F]/.test(text);
  }

  get longNumbers(): boolean {
    return (this.#longNumbers ??= /\d{16}/.test(this.#text));
  }
}

/** JSON in UTF-8, or INVALID_REQUEST. */
export function decodeJson(bytes: Uint8Array, what: string): { readonly value: unknown; readonly care: Care } {
  const text = decodeText(bytes, what);
  return { value: parseJson(text, what), care: careOf(text) };
}

export function decodeText(bytes: Uint8Array, what: string): string {
  try {
    return utf8.decode(bytes);
  } catch {
    throw invalid(`${what} is not UTF-8`);
  }
}

export function parseJson(text: string, what: string): unknown {
  try {
    return JSON.parse(text);
  } catch (thrown) {
    throw invalid(`${what} is not JSON: ${(thrown as Error).message}`);
  }
}

export function parseProduceBody(value: unknown, care: Care = binaryCare): ProduceBody {
  if (!isMap(value)) throw invalid(`the body is not {"records": [...]}`);
  for (const member of Object.keys(value)) {
    if (!bodyMembers.has(member))
      throw invalid(`${shown(member)} is no member of the body; known are records and acks`);
  }
  const { records, acks } = value;
  if (!Array.isArray(records)) throw invalid("records is not an array");
  if (records.length === 0) throw invalid("records is empty");
  return { records: records.map((record, index) => parseRecord(record, care, index)), acks: parseAcks(acks) };
}

export function parseAcks(acks: unknown): Acks | undefined {
  if (acks === undefined) return undefined;
  if (typeof acks === "string" && acksWords.has(acks)) return acks as Acks;
  throw invalid(`acks is not "all", "leader" or "none"`);
}

/** `index` null: the record stands alone, in a stream. */
export function parseRecord(value: unknown, care: Care = binaryCare, index: number | null = null): RecordInput {
  if (!isMap(value)) throw bad(index, "", "is not an object");
  for (const member of Object.keys(value)) {
    if (!recordMembers.has(member)) throw bad(index, member, "is no member of a record");
  }
  const record: { -readonly [member in keyof RecordInput]: RecordInput[member] } = {
    key: parseBytes(value["key"], care, index, "key"),
    value: parseBytes(value["value"], care, index, "value"),
  };
  const { headers, timestamp, partition } = value;
  if (headers !== undefined && headers !== null) record.headers = parseHeaders(headers, care, index);
  if (timestamp !== undefined && timestamp !== null) {
    if (!Number.isSafeInteger(timestamp))
      throw bad(index, "timestamp", "is not a whole number of milliseconds up to 2^53-1");
    // Kafka's word for none; a log that Kafka's clients wrote may hold it.
    if (timestamp !== -1) record.timestamp = timestamp as number;
  }
  if (partition !== undefined && partition !== null) {
    if (!Number.isSafeInteger(partition) || (partition as number) < 0)
      throw bad(index, "partition", "is not a partition's number");
    record.partition = partition as number;
  }
  return record;
}

function parseHeaders(headers: unknown, care: Care, index: number | null): [string, Uint8Array | string | null][] {
  if (!Array.isArray(headers)) throw bad(index, "headers", `is not an array of ["key", value] pairs`);
  return headers.map((header: unknown, at) => {
    const name = `headers[${at}]`;
    if (!Array.isArray(header) || header.length !== 2) throw bad(index, name, `is not a ["key", value] pair`);
    if (typeof header[0] !== "string") throw bad(index, `${name}[0]`, "is not a string");
    if (care.surrogates) refuseHalves(header[0], index, `${name}[0]`);
    return [header[0], parseBytes(header[1], care, index, `${name}[1]`)];
  });
}

function parseBytes(value: unknown, care: Care, index: number | null, name: string): Uint8Array | string | null {
  if (value === undefined || value === null) return null;
  if (typeof value === "string") {
    if (care.surrogates) refuseHalves(value, index, name);
    return value;
  }
  if (value instanceof Uint8Array) return value;
  if (care.binary) throw bad(index, name, "is neither a byte string, a text string nor null");
  if (!isMap(value)) throw bad(index, name, `is neither a string, {"base64": ..}, {"json": ..} nor null`);
  const tags = Object.keys(value);
  const tag = tags[0];
  if (tags.length !== 1 || (tag !== "base64" && tag !== "json")) {
    throw bad(index, name, `is an object, but neither {"base64": ..} nor {"json": ..}`);
  }
  if (tag === "base64") {
    const bytes = typeof value[tag] === "string" ? decodeBase64(value[tag]) : null;
    if (bytes === null) throw bad(index, `${name}.base64`, "is not base64 (RFC 4648, padded)");
    return bytes;
  }
  try {
    if (care.longNumbers) refuseLostDigits(value[tag], index, `${name}.json`);
    return encoder.encode(JSON.stringify(value[tag]));
  } catch (thrown) {
    if (thrown instanceof RangeError) throw bad(index, `${name}.json`, "nests too deep");
    throw thrown;
  }
}

/** A whole number that a double cannot hold would be stored as another one. */
function refuseLostDigits(value: unknown, index: number | null, name: string): void {
  if (typeof value === "number") {
    if (Number.isInteger(value) && Math.abs(value) > limits.maxSafeOffset) {
      throw bad(index, name, "holds a whole number beyond 2^53-1, which would lose digits; send the JSON as a string");
    }
  } else if (typeof value === "object" && value !== null) {
    for (const [member, inner] of Object.entries(value)) refuseLostDigits(inner, index, `${name}.${member}`);
  }
}

function refuseHalves(text: string, index: number | null, name: string): void {
  if (/\p{Surrogate}/u.test(text)) throw bad(index, name, "holds half of a surrogate pair, which UTF-8 cannot");
}

function isMap(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value) && !(value instanceof Uint8Array);
}

function bad(index: number | null, member: string, fault: string): Error {
  const record = index === null ? "" : `records[${index}]`;
  const path = record !== "" && member !== "" ? `${record}.${member}` : record + member;
  return invalid(`${path === "" ? "the record" : path} ${fault}`);
}

function shown(text: string): string {
  return JSON.stringify(text.length > 60 ? `${text.slice(0, 60)}...` : text);
}
