// Every invariant, in the order of correctness.md A.
//
// Owns: the list, and a violation's shape. Each invariant is a file's export beside this one.

import type { History, Invariant } from "../history.ts";
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
}

/** Holds a history against every invariant; at most three messages each. */
export function judge(history: History): Violation[] {
  const violations: Violation[] = [];
  for (const { name, source, check } of invariants) {
    for (const message of check(history).slice(0, 3)) violations.push({ invariant: name, source, message });
  }
  return violations;
}
