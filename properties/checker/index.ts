// Every invariant, in the order of correctness.md A.
//
// Owns: the list, and a violation's shape. Each invariant is a file's export beside this one.

import type { History, Invariant, LogName } from "../history.ts";
import { acknowledgedIsVisible, nothingPromisedIsLost, progress, topicsOutlive } from "./durability.ts";
import { lentBytesStay } from "./lending.ts";
import { lookUpByTime } from "./look-up.ts";
import { dense, oneOffsetOneValue, oneValueOneOffset, sentAsRead } from "./offsets.ts";
import { boundsMonotone, boundsOrdered, pollsInOrder, sendsInOrder } from "./order.ts";
import { conditionalAppends, failuresLeaveNothing } from "./outcomes.ts";
import { producerIdsAreNew, retriesAreRecognised, sequencesWithoutGap, theNextIsAccepted } from "./producers.ts";
import { logStartExplained, retentionHappens } from "./retention.ts";

export const invariants: readonly Invariant[] = [
  oneOffsetOneValue,
  oneValueOneOffset,
  sentAsRead,
  dense,
  sendsInOrder,
  pollsInOrder,
  boundsOrdered,
  boundsMonotone,
  nothingPromisedIsLost,
  acknowledgedIsVisible,
  topicsOutlive,
  progress,
  logStartExplained,
  retentionHappens,
  sequencesWithoutGap,
  retriesAreRecognised,
  theNextIsAccepted,
  producerIdsAreNew,
  lookUpByTime,
  failuresLeaveNothing,
  conditionalAppends,
  lentBytesStay,
];

export interface Violation {
  readonly invariant: string;
  readonly source: string;
  readonly message: string;
  /** Where it shows, when that is one log. */
  readonly log?: LogName;
  /** Indices into the history; the first is the one to mark. */
  readonly events: readonly number[];
}

export interface Verdict {
  readonly holds: boolean;
  readonly violations: readonly Violation[];
  /** Length of the history. */
  readonly events: number;
  /** Those of its events that are a client's operation. */
  readonly operations: number;
}

/** Holds a history against every invariant; at most three violations each. */
export function judge(history: History): Verdict {
  const violations: Violation[] = [];
  for (const { name, source, check } of invariants) {
    for (const message of check(history).slice(0, 3)) violations.push({ invariant: name, source, message, events: [] });
  }
  return {
    holds: violations.length === 0,
    violations,
    events: history.length,
    operations: history.reduce((count, { kind }) => count + (operations.has(kind) ? 1 : 0), 0),
  };
}

const operations: ReadonlySet<string> = new Set([
  ..."produce|read|look up|delete records|allocate producer|create topic|delete topic|commit|committed".split("|"),
]);
