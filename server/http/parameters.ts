// Numbers and words in paths, queries and headers: read strictly, refused by name.
//
// Owns: what a whole number looks like, and the query's schema for people and machines alike.
// Never: knows what a parameter is for.

import { z } from "@hono/zod-openapi";
import { limits } from "../../engine/index.ts";
import { invalid } from "./problem.ts";

export interface IntegerRange {
  readonly minimum: number;
  /** 2^53-1. */
  readonly maximum?: number;
}

/** Why the text is no whole number of that range; null when it is one. */
export function integerFault(text: string, range: IntegerRange): string | null {
  const { minimum, maximum = limits.maxSafeOffset } = range;
  const shown = JSON.stringify(text.length > 40 ? `${text.slice(0, 40)}...` : text);
  if (!/^-?\d+$/.test(text)) return `${shown} is not a whole number`;
  if (Number(text) < minimum) return `${shown} is below ${minimum}`;
  if (Number(text) > maximum)
    return `${shown} is over ${maximum}${maximum === limits.maxSafeOffset ? " (2^53-1)" : ""}`;
  return null;
}

export function parseInteger(name: string, text: string, range: IntegerRange): number {
  const fault = integerFault(text, range);
  if (fault !== null) throw invalid(`${name}: ${fault}`);
  return Number(text);
}

export interface IntegerOptions extends IntegerRange {
  readonly description: string;
  readonly example?: number;
  /** Said in the document; the handler applies it. */
  readonly default?: number;
}

/** A query parameter that is a whole number. */
export function integerParameter(options: IntegerOptions): z.ZodOptional<z.ZodType<number, string>> {
  const { description, minimum, maximum = limits.maxSafeOffset, example } = options;
  return z
    .string()
    .transform((text, context) => {
      const fault = integerFault(text, options);
      if (fault === null) return Number(text);
      context.issues.push({ code: "custom", message: fault, input: text });
      return z.NEVER;
    })
    .openapi({
      type: "integer",
      format: "int64",
      minimum,
      maximum,
      ...(example === undefined ? {} : { example }),
      ...(options.default === undefined ? {} : { default: options.default }),
      description,
    })
    .optional();
}

/** Parses by the schema; the first few faults are named with where they lie. */
export function parseBy<T extends z.ZodType>(schema: T, value: unknown, what: string): z.output<T> {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const faults = result.error.issues.slice(0, 5).map(({ path, message }) => {
    const field = path.map(String).join(".");
    return field === "" ? message : `${field}: ${message}`;
  });
  throw invalid(`${what}: ${faults.join("; ")}`);
}

/** A query of single values: one given twice is refused rather than guessed at. */
export function singleValues(queries: Readonly<Record<string, readonly string[]>>): Record<string, string> {
  const single: Record<string, string> = {};
  for (const [name, values] of Object.entries(queries)) {
    if (values.length > 1) throw invalid(`query: ${name} is given ${values.length} times`);
    single[name] = values[0] ?? "";
  }
  return single;
}
