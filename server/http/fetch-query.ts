// What a fetch may be asked: where to begin, how much, how long to wait, how to write values.
//
// Owns: the bounds of a fetch and their defaults. Never: fetches.

import { z } from "@hono/zod-openapi";
import { integerFault, integerParameter } from "./parameters.ts";

export const defaultLimit: number = 1000;
const maxLimit = 10_000;
export const defaultFetchBytes: number = 1024 * 1024;
/** Batches of an answer that is written out record by record: it costs several times their bytes. */
export const maxDecodedBytes: number = 4 * 1024 * 1024;
/** Batches of a raw answer: it holds that much of what all of them share until it has left. */
export const maxRawBytes: number = 8 * 1024 * 1024;
const maxFetchBytes = 16 * 1024 * 1024;
const maxWaitMs = 300_000;

const schema = z.strictObject({
  offset: z
    .string()
    .transform((text, context): "earliest" | "latest" | number => {
      if (text === "earliest" || text === "latest") return text;
      const fault = integerFault(text, { minimum: 0 });
      if (fault === null) return Number(text);
      context.issues.push({ code: "custom", message: `${fault}; say earliest, latest or an offset`, input: text });
      return z.NEVER;
    })
    .openapi({
      type: "string",
      default: "earliest",
      description: "`earliest`, `latest` (the high watermark) or an offset",
    })
    .optional(),
  timestamp: integerParameter({
    description: "Begins with the first record at or after this time, in milliseconds; at latest when there is none",
    minimum: 0,
  }),
  limit: integerParameter({
    description: "Records at most. Not for raw batches; an event stream has none unless given",
    minimum: 1,
    maximum: maxLimit,
    default: defaultLimit,
  }),
  maxBytes: integerParameter({
    description:
      "Bytes of batches read at most; one whole batch comes even over it. An answer carries 8388608 at most, forms other than raw 4194304",
    minimum: 1,
    maximum: maxFetchBytes,
    default: defaultFetchBytes,
  }),
  waitMs: integerParameter({
    description: "How long to wait when there is nothing yet; an event stream waits for ever",
    minimum: 0,
    maximum: maxWaitMs,
    default: 0,
  }),
  values: z.enum(["string", "json", "base64"]).optional().openapi({
    description:
      "How values are written in JSON, NDJSON and events: `string` where they are UTF-8, else base64 (the default); `json` where they are JSON, else as string; `base64` always",
  }),
});

export interface FetchQuery {
  readonly offset?: "earliest" | "latest" | number | undefined;
  readonly timestamp?: number | undefined;
  readonly limit?: number | undefined;
  readonly maxBytes?: number | undefined;
  readonly waitMs?: number | undefined;
  readonly values?: "string" | "json" | "base64" | undefined;
}

export const fetchQuery: z.ZodObject & z.ZodType<FetchQuery> = schema;
