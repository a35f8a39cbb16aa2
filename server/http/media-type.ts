// The forms a body has, and which one a request asks for (RFC 9110, 8.3 and 12.5.1).
//
// Owns: their names and the choice by Accept and Content-Type.
// Never: reads or writes a form.

import { RequestError } from "./problem.ts";

export const mediaTypes = {
  json: "application/json",
  cbor: "application/cbor",
  raw: "application/vnd.kafka.record-batch",
  events: "text/event-stream",
  lines: "application/x-ndjson",
  cborSequence: "application/cbor-seq",
} as const;

export type Form = keyof typeof mediaTypes;

/** The form of a request's body, or UNSUPPORTED_MEDIA_TYPE naming those that are taken here. */
export function bodyForm<F extends Form>(headers: Headers, offered: readonly F[]): F {
  const given = headers.get("content-type");
  const encoding = headers.get("content-encoding");
  if (encoding !== null && encoding.trim().toLowerCase() !== "identity") {
    throw unsupported(`content-encoding ${shown(encoding)} is not taken; send the body as it is`, offered);
  }
  if (given === null) throw unsupported("the request has no content-type", offered);
  const exactly = offered.find((one) => mediaTypes[one] === given);
  if (exactly !== undefined) return exactly;
  const [type = "", ...parameters] = given.toLowerCase().split(";");
  const form = offered.find((one) => mediaTypes[one] === type.trim());
  if (form === undefined) throw unsupported(`content-type ${shown(given)} is not taken here`, offered);
  for (const parameter of parameters) {
    const charset = /^\s*charset\s*=\s*"?([^"\s]*)"?\s*$/.exec(parameter)?.[1];
    if (charset !== undefined && charset !== "utf-8" && charset !== "utf8") {
      throw unsupported(`charset ${shown(charset)} is not taken; text is UTF-8`, offered);
    }
  }
  return form;
}

/** The best of the forms offered, the first one when nothing is asked for; NOT_ACCEPTABLE when none is wanted. */
export function acceptedForm<F extends Form>(accept: string | null, offered: readonly [F, ...F[]]): F {
  if (accept === null || accept.trim() === "" || accept === "*/*") return offered[0];
  const ranges = parseAccept(accept);
  let best: F | undefined;
  let bestQuality = 0;
  for (const form of offered) {
    const quality = qualityOf(mediaTypes[form], ranges);
    if (quality > bestQuality) {
      best = form;
      bestQuality = quality;
    }
  }
  if (best !== undefined) return best;
  const known = offered.map((form) => mediaTypes[form]).join(", ");
  throw new RequestError("NOT_ACCEPTABLE", `accept: ${shown(accept)} allows nothing that is offered here: ${known}`);
}

interface MediaRange {
  readonly range: string;
  readonly quality: number;
}

function parseAccept(accept: string): MediaRange[] {
  return accept.split(",").map((part) => {
    const [range = "", ...parameters] = part.toLowerCase().split(";");
    const quality = parameters
      .map((text) => /^\s*q\s*=\s*([\d.]+)\s*$/.exec(text)?.[1])
      .find((text) => text !== undefined);
    return { range: range.trim(), quality: quality === undefined ? 1 : Math.min(1, Number(quality) || 0) };
  });
}

function qualityOf(type: string, ranges: readonly MediaRange[]): number {
  const subtypes = `${type.slice(0, type.indexOf("/"))}/*`;
  for (const wanted of [type, subtypes, "*/*"]) {
    const found = ranges.find(({ range }) => range === wanted);
    // Named outright wins a draw against a wildcard.
    if (found !== undefined) return found.quality === 0 ? 0 : found.quality + (wanted === type ? 1e-6 : 0);
  }
  return 0;
}

function unsupported(detail: string, offered: readonly Form[]): RequestError {
  const known = offered.map((form) => mediaTypes[form]).join(", ");
  return new RequestError("UNSUPPORTED_MEDIA_TYPE", `${detail}; send one of ${known}`, { accept: known });
}

function shown(text: string): string {
  return JSON.stringify(text.length > 100 ? `${text.slice(0, 100)}...` : text);
}
