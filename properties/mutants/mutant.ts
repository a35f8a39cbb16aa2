// A fault that brokers have had, as something that can be put back.
//
// Owns: the shape, and how an edit is applied to a text.
// Never: touches a file (copy.ts).
//
// An edit's text is found whatever the white space, so that it is the same in the source and in what
// is built of it; for the same reason it holds no types.

import type { Invariant, Violation } from "../checker/index.ts";
import type { SuiteName } from "./suites.ts";

export interface Edit {
  /** Under engine/, without its ending. */
  readonly file: string;
  /** Is there exactly once. */
  readonly find: string;
  readonly replace: string;
}

/** What is put back. */
export interface Fault extends Edit {
  readonly name: string;
  /** More that has to go, where one guard stands behind another. */
  readonly also?: readonly Edit[];
}

/** An invariant that a fault breaks. */
export interface Broken {
  readonly invariant: Invariant;
  /** Its message has this, where the invariant alone says less than what the fault does. */
  readonly saying?: RegExp;
}

export interface Mutant extends Fault {
  /** Who had it: a Jira's key, an issue; "ours" for what this engine could do wrong by its own design. */
  readonly source: string;
  /** What went wrong then; of ours, what would. */
  readonly history: string;
  /** How the edit brings the same about, where this engine has no such line. */
  readonly here?: string;
  /** Whose runs find it. */
  readonly suite: SuiteName;
  /** One of them has to notice. */
  readonly found: readonly Broken[];
}

export class EditError extends Error {}

export function broken(invariant: Invariant, saying?: RegExp): Broken {
  return saying === undefined ? { invariant } : { invariant, saying };
}

export function isOneOf(found: readonly Broken[], { invariant, message }: Violation): boolean {
  return found.some((one) => one.invariant.name === invariant && one.saying?.test(message) !== false);
}

export function editsOf({ file, find, replace, also = [] }: Fault): readonly Edit[] {
  return [{ file, find, replace }, ...also];
}

/** Throws EditError unless what is to be found is there exactly once. */
export function applyEdit(text: string, { file, find, replace }: Edit): string {
  const pattern = patternOf(find);
  const times = [...text.matchAll(pattern)].length;
  if (times !== 1) throw new EditError(`'${find}' is in engine/${file} ${times} times: it has to be there once`);
  return text.replace(pattern, () => replace);
}

function patternOf(find: string): RegExp {
  const words = find.trim().split(/\s+/);
  return new RegExp(words.map((word) => word.replace(/[.*+?^${}()|[\]\\]/g, "\\$&")).join("\\s+"), "g");
}
