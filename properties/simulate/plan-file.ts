// A plan that a file holds: what a failing campaign left in properties/corpus, or somebody wrote.
//
// Owns: that it is one before it is played, and what is said when it is not. Never: plays it.

import { readFileSync } from "node:fs";
import type { SimPlan } from "../sim/plan.ts";
import { isMembers } from "./kinds.ts";
import { planKind } from "./plan-shape.ts";

/** A mistake of whoever called; told without a stack. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

/** UsageError when the file cannot be read, is no JSON, or has no plan, or one with a word or a member that nobody knows. */
export function readPlan(path: string): SimPlan {
  const wrong = (what: string): UsageError =>
    new UsageError(
      `${path} ${what}\na plan is what the files of properties/corpus hold: {"found":…,"fixedBy":…,"plan":{…}}`,
    );
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    throw wrong(`cannot be read: ${(error as Error).message}`);
  }
  let file: unknown;
  try {
    file = JSON.parse(text);
  } catch (error) {
    throw wrong(`is no JSON: ${(error as Error).message}`);
  }
  const missing = missingOf(file);
  if (missing !== null) throw wrong(`holds no plan: ${missing}`);
  return (file as { readonly plan: SimPlan }).plan;
}

/** What a file lacks to be one with a plan, or null. */
function missingOf(file: unknown): string | null {
  if (!isMembers(file) || !isMembers(file["plan"])) return "it has no 'plan'";
  return planKind.wrong(file["plan"], "plan");
}
