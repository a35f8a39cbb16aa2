// A plan that a file holds: what a failing campaign left in properties/corpus, or somebody wrote.
//
// Owns: that it is one before it is played, and what is said when it is not. Never: plays it.

import { readFileSync } from "node:fs";
import type { SimPlan } from "../sim/plan.ts";

/** A mistake of whoever called; told without a stack. */
export class UsageError extends Error {
  override readonly name = "UsageError";
}

type Members = Readonly<Record<string, unknown>>;

/** UsageError when the file cannot be read, is no JSON, or has no plan. */
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
  const { plan } = file;
  return (
    numbersOf(plan, "plan", ["seed", "chaosMs"]) ??
    mixOf(plan, "network", ["lossPercent", "duplicatePercent", "delayMs", "latePercent"]) ??
    mixOf(plan, "disk", ["syncMs", "otherMs"]) ??
    eachOf(plan, "topics", (topic, where) =>
      isMembers(topic["configs"]) ? numbersOf(topic, where, ["partitions"]) : `'${where}.configs' is no object`,
    ) ??
    eachOf(plan, "actors", part) ??
    eachOf(plan, "faults", part)
  );
}

function part(one: Members, where: string): string | null {
  return typeof one["do"] === "string" ? numbersOf(one, where, ["luck", "atMs"]) : `'${where}.do' is no text`;
}

function mixOf(plan: Members, name: string, members: readonly string[]): string | null {
  const mix = plan[name];
  return isMembers(mix) ? numbersOf(mix, `plan.${name}`, members) : `'plan.${name}' is no object`;
}

function eachOf(plan: Members, name: string, wrong: (one: Members, where: string) => string | null): string | null {
  const list = plan[name];
  if (!Array.isArray(list)) return `'plan.${name}' is no list`;
  for (const [at, one] of list.entries()) {
    const where = `plan.${name}[${at}]`;
    const what = isMembers(one) ? wrong(one, where) : `'${where}' is no object`;
    if (what !== null) return what;
  }
  return null;
}

function numbersOf(from: Members, where: string, names: readonly string[]): string | null {
  const name = names.find((one) => typeof from[one] !== "number");
  return name === undefined ? null : `'${where}.${name}' is no number`;
}

function isMembers(value: unknown): value is Members {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
