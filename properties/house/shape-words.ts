// A shape in the words of a document: `{ offset: whole, key?: string }`.
//
// Owns: asking a shape what it takes: it says what has to be there of whatever is not.

import type { Shape } from "../shapes.ts";

const words: Readonly<Record<string, string>> = {
  "a whole number": "whole",
  "a number": "number",
  "a string": "string",
  "true or false": "boolean",
};
/** A value that a shape of such a word takes. */
const taken: Readonly<Record<string, unknown>> = { whole: 0, number: 0, string: "", boolean: true };
/** No shape takes it but that of anything. */
const wrong: unique symbol = Symbol("wrong");

export function shapeInWords(shape: Shape): string {
  const expected = shape(wrong)?.expected;
  if (expected === undefined) return "anything";
  const orNull = shape(null) === null ? " or null" : "";
  if (expected === "an object") return `{ ${fieldsInWords(fieldsOf(shape))} }${orNull}`;
  if (expected === "an array") {
    const isAnything = shape([wrong]) === null;
    return isAnything ? "[…]" : `[${shapeInWords((value) => shape([value]))}]${orNull}`;
  }
  return `${words[expected] ?? expected}${orNull}`;
}

/** A field that may be missing, and is not rather null, has a `?`. */
export function fieldsInWords(shapes: Readonly<Record<string, Shape>>): string {
  return Object.entries(shapes)
    .map(([name, shape]) => {
      const isOptional = shape(undefined) === null && shape(null) !== null;
      return `${name}${isOptional ? "?" : ""}: ${shapeInWords(shape)}`;
    })
    .join(", ");
}

/** Each field that the shape of an object asks for. */
function fieldsOf(shape: Shape): Record<string, Shape> {
  const known: Record<string, unknown> = {};
  const asked = new Set<string>();
  const value = new Proxy(known, {
    get(target, name): unknown {
      asked.add(String(name));
      return target[String(name)];
    },
  });
  for (let inner = shape(value); inner !== null; inner = shape(value)) {
    const name = /\.(\w+)$/.exec(inner.at)?.[1];
    const word = words[inner.expected];
    if (name === undefined || word === undefined || name in known)
      throw new Error(`a field ${inner.at} of ${inner.expected}: shape-words.ts knows no value for it`);
    known[name] = taken[word];
  }
  return Object.fromEntries(
    [...asked].map((name): [string, Shape] => [name, (one) => shape({ ...known, [name]: one })]),
  );
}
