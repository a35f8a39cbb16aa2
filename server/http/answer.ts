// Small answers in JSON or CBOR, as agreed on.
//
// Owns: the encoding of whole values. Records have their own writers (records-json.ts, records-cbor.ts).

import { type Form, mediaTypes } from "./media-type.ts";
import { encodeCbor, wholeCbor } from "./records-cbor.ts";
import { respond } from "./respond.ts";

export const jsonOrCbor: readonly [Form, ...Form[]] = ["json", "cbor"];

export function answer(
  form: Form,
  status: number,
  value: unknown,
  headers: Readonly<Record<string, string>> = {},
): Response {
  if (form === "cbor") return respond(status, mediaTypes.cbor, encodeCbor(withIntegers(value)), headers);
  return respond(status, mediaTypes.json, JSON.stringify(value), headers);
}

function withIntegers(value: unknown): unknown {
  if (typeof value === "number") return wholeCbor(value);
  if (Array.isArray(value)) return value.map(withIntegers);
  if (typeof value !== "object" || value === null) return value;
  const members = Object.entries(value).filter(([, member]) => member !== undefined);
  return Object.fromEntries(members.map(([name, member]) => [name, withIntegers(member)]));
}
