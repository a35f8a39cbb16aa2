// Where each event of a report stands in a picture: lanes, marks, faults and times of being down.
//
// Owns: what shares a lane, what stands over all lanes, and the search for what is near.
// Never: draws, or knows of a page.
//
// Invariant: a lane's marks stand in the order in which they completed.

import type { HistoryEvent, Outcome } from "../history.ts";
import { downTimes } from "./lives.ts";
import type { Report } from "./report.ts";

/** `note`: something seen or told that cannot fail. */
export type MarkOutcome = Outcome | "note";

export interface Mark {
  /** Of its event among those that the report kept. */
  readonly position: number;
  readonly startMs: number;
  readonly endMs: number;
  readonly outcome: MarkOutcome;
  readonly violating: boolean;
}

export interface Lane {
  /** What lanes stand together under: a partition, a group, or the whole log. */
  readonly group: string;
  readonly name: string;
  readonly marks: readonly Mark[];
  /** The longest of its marks: how far back a look for what reaches into a stretch has to begin. */
  readonly longestMs: number;
}

/** Something that happened to the log, over all lanes. */
export interface Sign {
  readonly position: number;
  readonly atMs: number;
  readonly label: string;
  readonly violating: boolean;
}

/** From an end of the log's life to the first answer after it. */
export interface Band {
  readonly fromMs: number;
  readonly toMs: number;
}

export interface Timeline {
  readonly lanes: readonly Lane[];
  readonly signs: readonly Sign[];
  readonly bands: readonly Band[];
  readonly fromMs: number;
  readonly toMs: number;
}

/** The whole log's own lane. */
const whole = "all of it";

export function createTimeline({ history, verdict }: Pick<Report, "history" | "verdict">): Timeline {
  const { events, indices, sentMs } = history;
  const violating = new Set(verdict.violations.flatMap((violation) => violation.events));
  const lanes = new Map<string, { group: string; name: string; marks: Mark[]; longestMs: number }>();
  const signs: Sign[] = [];
  events.forEach((event, position) => {
    const isViolating = violating.has(indices[position] as number);
    const label = signOf(event);
    if (label !== null) {
      if (!isToldByFault(events, position) || isViolating)
        signs.push({ position, atMs: event.atMs, label, violating: isViolating });
      return;
    }
    const { group, name } = placeOf(event);
    const key = `${group}\n${name}`;
    const lane = lanes.get(key) ?? { group, name, marks: [], longestMs: 0 };
    lanes.set(key, lane);
    const startMs = "outcome" in event ? (sentMs[position] ?? event.atMs) : event.atMs;
    lane.marks.push({ position, startMs, endMs: event.atMs, outcome: outcomeOf(event), violating: isViolating });
    lane.longestMs = Math.max(lane.longestMs, event.atMs - startMs);
  });
  const toMs = events.reduce((latest, { atMs }) => Math.max(latest, atMs), 1);
  const atMs = (position: number | null): number => (position === null ? toMs : (events[position]?.atMs ?? toMs));
  const bands = downTimes(events, (position) => indices[position] as number).map(({ from, to }) => ({
    ...{ fromMs: atMs(from), toMs: atMs(to) },
  }));
  return { lanes: [...lanes.values()].sort(byPlace), signs, bands, fromMs: 0, toMs };
}

/** A crash whose cause was told last. */
export function isToldByFault(events: readonly HistoryEvent[], position: number): boolean {
  if (events[position]?.kind !== "crash") return false;
  for (let before = position - 1; before >= 0; before--) {
    const kind = events[before]?.kind ?? "";
    if (["fault", "crash", "close", "open"].includes(kind)) return kind === "fault";
  }
  return false;
}

/** The marks of a lane that reach into a stretch of time. */
export function marksWithin(lane: Lane, fromMs: number, toMs: number): readonly Mark[] {
  const found: Mark[] = [];
  for (let index = firstAtOrAfter(lane.marks, fromMs); index < lane.marks.length; index++) {
    const mark = lane.marks[index] as Mark;
    // What ends later may have begun within.
    if (mark.endMs - lane.longestMs > toMs) break;
    if (mark.startMs <= toMs) found.push(mark);
  }
  return found;
}

/** The mark of a lane that is nearest to a time. */
export function nearestMark(lane: Lane, atMs: number): Mark | null {
  const distance = (mark: Mark): number => (atMs < mark.startMs ? mark.startMs - atMs : Math.max(0, atMs - mark.endMs));
  const at = firstAtOrAfter(lane.marks, atMs);
  let nearest: Mark | null = lane.marks[at - 1] ?? null;
  for (let index = at; index < lane.marks.length; index++) {
    const mark = lane.marks[index] as Mark;
    // None of what is left can begin earlier than this.
    if (nearest !== null && mark.endMs - lane.longestMs - atMs >= distance(nearest)) break;
    if (nearest === null || distance(mark) < distance(nearest)) nearest = mark;
  }
  return nearest;
}

function firstAtOrAfter(marks: readonly Mark[], atMs: number): number {
  let low = 0;
  let high = marks.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((marks[middle] as Mark).endMs < atMs) low = middle + 1;
    else high = middle;
  }
  return low;
}

/** In a word; null for what is no sign but a mark in a lane. */
export function signOf(event: HistoryEvent): string | null {
  switch (event.kind) {
    case "crash":
      return "crash";
    case "close":
      return event.clean === true ? "stop" : "stop, unclean";
    case "open":
      return "start";
    case "stuck":
      return "stuck";
    case "fault":
      return event.what;
    default:
      return null;
  }
}

function placeOf(event: HistoryEvent): { group: string; name: string } {
  switch (event.kind) {
    case "produce":
      return { group: event.log, name: `${event.process} produces` };
    case "read":
      // Members come and go with every restart; a partition has one at a time, or an invariant says so.
      if (event.manner === "group") return { group: event.log, name: `members of ${event.group} are given` };
      return { group: event.log, name: `${event.process} reads${event.manner === "audit" ? " all" : ""}` };
    case "assign":
    case "revoke":
    case "commit":
      return { group: `group ${event.group}`, name: shortId(event.member) };
    case "committed":
      return {
        group: `group ${event.group}`,
        name: event.member === undefined ? "committed offsets" : shortId(event.member),
      };
    default:
      return "log" in event && event.log !== undefined
        ? { group: event.log, name: "the log is asked" }
        : { group: whole, name: "topics and producer ids" };
  }
}

/** The first part of a UUID tells it from the others of a run. */
function shortId(member: string): string {
  return member.replace(/^(.*?)([0-9a-f]{8})-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/, "$1$2");
}

function outcomeOf(event: HistoryEvent): MarkOutcome {
  if ("outcome" in event) return event.outcome;
  return event.kind === "lent" && !event.intact ? "fail" : "note";
}

function byPlace(one: Lane, other: Lane): number {
  const rank = ({ group }: Lane): number => (group === whole ? 2 : group.startsWith("group ") ? 1 : 0);
  if (rank(one) !== rank(other)) return rank(one) - rank(other);
  const compare = new Intl.Collator("en", { numeric: true }).compare;
  return compare(one.group, other.group) || rankOfName(one) - rankOfName(other) || compare(one.name, other.name);
}

function rankOfName({ name }: Lane): number {
  return name.endsWith("produces") ? 0 : name.endsWith("are given") ? 1 : name.includes(" reads") ? 2 : 3;
}
