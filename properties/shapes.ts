// Shapes of values that others hand in, and what is told of a value that has not the one it has to have.
//
// Owns: the few words that a shape is written with. A value that is as it should be costs no text and no object, so
//   that a million are looked at in passing.
// Never: knows what a value means. Of a caller's options it throws; what else is wrong is the caller's to tell.

/** Where in a value it is wrong (`.records[3].offset`, empty for the value itself), what is there, and what has to be. */
export interface Wrong {
  readonly at: string;
  readonly found: string;
  readonly expected: string;
}

/** What is wrong with a value; null when nothing is. */
export type Shape = (value: unknown) => Wrong | null;

const longest = 80;

function shown(value: unknown): string {
  if (typeof value === "function") return "a function";
  if (typeof value === "object" && value !== null && !Array.isArray(value) && Object.keys(value).length === 0)
    return "an object without properties";
  const text = typeof value === "bigint" ? `${value}n` : (JSON.stringify(value) ?? String(value));
  return text.length > longest ? `${text.slice(0, longest)}…` : text;
}

function wrong(value: unknown, expected: string): Wrong {
  return { at: "", found: shown(value), expected };
}

function within(at: string, inner: Wrong): Wrong {
  return { ...inner, at: `${at}${inner.at}` };
}

/** `at` names the whole value: `the answer`. */
export function sentence(at: string, { at: inner, found, expected }: Wrong): string {
  return `${at}${inner} is ${found}, and has to be ${expected}`;
}

export function that(what: string, holds: (value: unknown) => boolean): Shape {
  return (value) => (holds(value) ? null : wrong(value, what));
}

export function oneOf(...words: readonly string[]): Shape {
  const all = words.map((word) => `"${word}"`);
  const what = all.length === 1 ? `${all[0]}` : `${all.slice(0, -1).join(", ")} or ${all.at(-1)}`;
  return that(what, (value) => words.includes(value as string));
}

/** The other, or nothing: who means nothing writes either. */
export function or(other: null | undefined, shape: Shape): Shape {
  return (value) => (value === undefined || value === other ? null : shape(value));
}

export function list(shape: Shape): Shape {
  return (value) => {
    if (!Array.isArray(value)) return array(value);
    for (let index = 0; index < value.length; index++) {
      const inner = shape(value[index]);
      if (inner !== null) return within(`[${index}]`, inner);
    }
    return null;
  };
}

export function fields(shapes: Readonly<Record<string, Shape>>): Shape {
  const names = Object.keys(shapes);
  const inners = Object.values(shapes);
  return (value) => {
    if (typeof value !== "object" || value === null) return wrong(value, "an object");
    for (let at = 0; at < names.length; at++) {
      const name = names[at] as string;
      const inner = (inners[at] as Shape)((value as Readonly<Record<string, unknown>>)[name]);
      if (inner !== null) return within(`.${name}`, inner);
    }
    return null;
  };
}

/** A list that has something in it. */
export function someOf(shape: Shape): Shape {
  const some = list(shape);
  return (value) => (Array.isArray(value) && value.length > 0 ? some(value) : wrong(value, "a list, and not empty"));
}

export function atLeast(least: number): Shape {
  return that(
    `a whole number, at least ${least}`,
    (value) => Number.isSafeInteger(value) && (value as number) >= least,
  );
}

/**
 * Holds what a caller was given as its options to what they have to be.
 *
 * @throws {TypeError} that names the option, what is there, what has to be, and how the call is written.
 */
export function demandOptions(
  caller: string,
  shapes: Readonly<Record<string, Shape>>,
  options: unknown,
  example: string,
): void {
  const inner = fields(shapes)(options);
  if (inner === null) return;
  const { at, found, expected } = inner;
  const what = at === "" ? "what it is given" : at.slice(1);
  throw new TypeError(`${caller}: ${what} is ${found}, and has to be ${expected}, as in ${example}`);
}

export const array: Shape = that("an array", Array.isArray);
export const anything: Shape = () => null;
export const whole: Shape = that("a whole number", Number.isSafeInteger);
export const number: Shape = that("a number", Number.isFinite);
export const positive: Shape = that("a number above 0", (value) => Number.isFinite(value) && (value as number) > 0);
export const text: Shape = that("a string", (value) => typeof value === "string");
export const boolean: Shape = that("true or false", (value) => typeof value === "boolean");
export const method: Shape = that("a function", (value) => typeof value === "function");
export const textOrNull: Shape = that("a string or null", (value) => value === null || typeof value === "string");
