// A fault that brokers have had, as something that can be put back.
//
// Owns: the shape, and how an edit is applied to a text.
// Never: touches a file (copy.ts).
//
// An edit's text is found whatever the white space, so that it is the same in the source and in what
// is built of it; for the same reason it holds no types.

import type { SuiteName } from "./suites.ts";

export interface Edit {
  /** Under engine/, without its ending. */
  readonly file: string;
  /** Is there exactly once. */
  readonly find: string;
  readonly replace: string;
}

export interface Mutant extends Edit {
  readonly name: string;
  /** Who had it: a Jira's key, an issue; "ours" for what this engine could do wrong by its own design. */
  readonly source: string;
  /** What went wrong then; of ours, what would. */
  readonly history: string;
  /** How the edit brings the same about, where this engine has no such line. */
  readonly here?: string;
  /** More that has to go, where one guard stands behind another. */
  readonly also?: readonly Edit[];
  /** Whose runs find it. */
  readonly suite: SuiteName;
  /** The invariants that notice: one of them has to. */
  readonly found: RegExp;
}

export class EditError extends Error {}

export function editsOf({ file, find, replace, also = [] }: Mutant): readonly Edit[] {
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
