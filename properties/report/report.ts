// What a check leaves behind: the verdict, what it stands on, and how to have it again.
//
// Owns: the report's shape (`format` 1; a member is added, none ever changes its meaning), and how much of
//   a history it keeps: what the violations name and its surroundings first, then the rest evenly.
// Never: judges, draws or writes a file.

import type { Verdict, Violation } from "../checker/index.ts";
import { Coverage } from "../coverage.ts";
import type { History, HistoryEvent } from "../history.ts";
import { downTimes } from "./lives.ts";

export interface ReportedHistory {
  /** How many events the whole history has. */
  readonly total: number;
  /** What was left out, for people; null: nothing. */
  readonly cut: string | null;
  readonly events: readonly HistoryEvent[];
  /** Where each stands in the whole history, which is what `violations` and `invokedAt` count in. */
  readonly indices: readonly number[];
  /** When each was sent, as far as the history can tell: never later than that. Milliseconds, like `atMs`. */
  readonly sentMs: readonly number[];
  /** By index in the whole history: reads of which only the first and last records were kept, and how many there were. */
  readonly shortened: Readonly<Record<number, number>>;
}

export interface Report {
  readonly format: 1;
  /** What was checked: an address, or what a simulation is called. */
  readonly target: string;
  readonly seed: number;
  /** ISO 8601. */
  readonly startedAt: string;
  readonly seconds: number;
  readonly tool: { readonly moldau: string; readonly runtime: string };
  /** The one command that does the same again. */
  readonly command: string;
  /** What a reader of the verdict has to know: what the target does not offer, what ended early. */
  readonly notes: readonly string[];
  readonly coverage: Readonly<Record<string, number>>;
  readonly verdict: Verdict;
  readonly history: ReportedHistory;
  /** The last of what the restarted command printed. */
  readonly output: string | null;
}

export interface ReportSource {
  readonly target: string;
  readonly seed: number;
  readonly startedAt: Date;
  readonly seconds: number;
  readonly tool: { readonly moldau: string; readonly runtime: string };
  readonly command: string;
  readonly notes?: readonly string[];
  /** Counted from the history when absent. */
  readonly coverage?: Readonly<Record<string, number>>;
  readonly verdict: Verdict;
  readonly history: History;
  readonly output?: string | null;
}

export interface HistoryBounds {
  readonly maxEvents: number;
  /** Over all events. */
  readonly maxRecords: number;
  readonly maxViolations: number;
}

/** About 30 MB of JSON at the most. */
export const reportBounds: HistoryBounds = { maxEvents: 100_000, maxRecords: 250_000, maxViolations: 200 };

/** How many events on either side of one that a violation names are kept whatever the bounds say. */
const surroundings = 200;
/** What is left of a read that is shortened, at either end. */
const keptRecords = 2;
/** ... and of one that a violation names, or that stands beside such a one: an audit is all of a log. */
const namedRecords = 250;

export function createReport(source: ReportSource, bounds: HistoryBounds = reportBounds): Report {
  const { target, seed, startedAt, seconds, tool, command, notes = [], history, output = null } = source;
  const violations = source.verdict.violations.slice(0, bounds.maxViolations);
  const unsaid = source.verdict.violations.length - violations.length;
  return {
    ...{ format: 1, target, seed, startedAt: startedAt.toISOString(), seconds, tool, command },
    notes: unsaid === 0 ? notes : [...notes, `${unsaid} more violations are not listed.`],
    coverage: source.coverage ?? coverageOf(history),
    verdict: { ...source.verdict, violations },
    history: bound(history, violations, bounds),
    output,
  };
}

export function coverageOf(history: History): Record<string, number> {
  const coverage = new Coverage();
  coverage.note(history);
  return Object.fromEntries([...coverage.counts].sort(([a], [b]) => (a < b ? -1 : 1)));
}

function bound(history: History, violations: readonly Violation[], bounds: HistoryBounds): ReportedHistory {
  const named = new Uint8Array(history.length);
  for (const { events } of violations) {
    for (const index of events) {
      named.fill(1, Math.max(0, index - surroundings), Math.min(history.length, index + surroundings + 1));
    }
  }
  const indices = choose(history, named, bounds.maxEvents);
  const records = indices.reduce((sum, index) => sum + recordsOf(history[index] as HistoryEvent), 0);
  // Audits read everything again and again: their middles are what nobody misses.
  const longest = records <= bounds.maxRecords ? Number.POSITIVE_INFINITY : 2 * keptRecords;
  const shortened: Record<number, number> = {};
  const events = indices.map((index) => {
    const event = history[index] as HistoryEvent;
    const half = named[index] === 1 ? namedRecords : keptRecords;
    if (event.kind !== "read" || event.records.length <= Math.max(longest, 2 * half)) return event;
    shortened[index] = event.records.length;
    const kept = [...event.records.slice(0, half), ...event.records.slice(-half)];
    return { ...event, records: kept };
  });
  return {
    total: history.length,
    cut: cutText(history.length - events.length, Object.keys(shortened).length),
    ...{ events, indices, shortened },
    sentMs: indices.map((index) => sentAt(history, index)),
  };
}

/** Named ones, all that is no client's operation, the first answers of each life, then every n-th of the rest. */
function choose(history: History, named: Uint8Array, maxEvents: number): number[] {
  if (history.length <= maxEvents) return history.map((_, index) => index);
  const firstAnswers = new Set(downTimes(history, (index) => index).map(({ to }) => to));
  const isKept = (index: number): boolean =>
    named[index] === 1 ||
    firstAnswers.has(index) ||
    ["crash", "close", "open", "stuck", "fault"].includes(history[index]?.kind ?? "");
  const rest = history.reduce((count, _, index) => count + (isKept(index) ? 0 : 1), 0);
  const room = Math.max(0, maxEvents - (history.length - rest));
  let seen = 0;
  return history.flatMap((_, index) => {
    if (isKept(index)) return [index];
    seen += 1;
    return Math.floor((seen * room) / rest) > Math.floor(((seen - 1) * room) / rest) ? [index] : [];
  });
}

function recordsOf(event: HistoryEvent): number {
  return event.kind === "read" || event.kind === "produce" ? event.records.length : 0;
}

/** The latest that had completed when it was sent: a history keeps the order of sending, not its time. */
function sentAt(history: History, index: number): number {
  const event = history[index] as HistoryEvent;
  return Math.min(event.atMs, history[event.invokedAt - 1]?.atMs ?? 0);
}

function cutText(events: number, reads: number): string | null {
  const parts: string[] = [];
  if (events > 0) parts.push(`${events} of the events, spread evenly over the run`);
  if (reads > 0) parts.push(`the records in the middle of ${reads} reads`);
  if (parts.length === 0) return null;
  return `Left out to keep this report small: ${parts.join(", and ")}. What the violations name, and ${surroundings} events on either side of it, is there; of a read with its first and last ${namedRecords} records.`;
}
