// Every invariant, in the order of correctness.md A, and the verdict on a history.
//
// Owns: the list. Each invariant is an export of a file beside this one.

import type { History } from "../history.ts";
import { fields, list, method, sentence, text, that } from "../shapes.ts";
import { oneRecordAKey } from "./cleaning.ts";
import { compactionKeepsOrder, latestOfAKeySurvives, tombstonesOutliveTheirTime } from "./compaction.ts";
import { acknowledgedIsVisible, nothingIsUnseen, nothingPromisedIsLost, progress } from "./durability.ts";
import { epochsAsWritten } from "./epochs.ts";
import {
  commitsSurvive,
  committedWasDelivered,
  membersPollInOrder,
  nothingAfterRevocation,
  oneOwnerAGeneration,
  ownersStartAtTheCommit,
  staleCommitsAreRefused,
} from "./groups.ts";
import { IndexedHistory } from "./indexed.ts";
import { Findings, type Invariant, type Violation } from "./invariant.ts";
import { lentBytesStay } from "./lending.ts";
import { lookUpByTime } from "./look-up.ts";
import { belowTheWatermark, dense, oneOffsetOneValue, oneValueOneOffset, sentAsRead } from "./offsets.ts";
import { boundsMonotone, boundsOrdered, pollsInOrder, sendsInOrder } from "./order.ts";
import { conditionalAppends, failuresLeaveNothing } from "./outcomes.ts";
import { oneOwnerAtATime } from "./owners.ts";
import { producerIdsAreNew, retriesAreRecognised, sequencesWithoutGap, theNextIsAccepted } from "./producers.ts";
import { foundWhole } from "./recovery.ts";
import { deletedStaysDeleted, logStartExplained, retentionHappens } from "./retention.ts";
import { topicsOutlive } from "./topics.ts";

export { HistoryShapeError } from "./history-shapes.ts";
export { IndexedHistory, LogIndex } from "./indexed.ts";
export { Findings, type Invariant, type Violation } from "./invariant.ts";

export const invariants: readonly Invariant[] = [
  oneOffsetOneValue,
  oneValueOneOffset,
  sentAsRead,
  dense,
  sendsInOrder,
  pollsInOrder,
  membersPollInOrder,
  boundsOrdered,
  boundsMonotone,
  belowTheWatermark,
  nothingPromisedIsLost,
  acknowledgedIsVisible,
  topicsOutlive,
  nothingIsUnseen,
  committedWasDelivered,
  progress,
  logStartExplained,
  deletedStaysDeleted,
  retentionHappens,
  latestOfAKeySurvives,
  tombstonesOutliveTheirTime,
  compactionKeepsOrder,
  oneRecordAKey,
  sequencesWithoutGap,
  retriesAreRecognised,
  theNextIsAccepted,
  producerIdsAreNew,
  oneOwnerAGeneration,
  oneOwnerAtATime,
  staleCommitsAreRefused,
  commitsSurvive,
  ownersStartAtTheCommit,
  nothingAfterRevocation,
  lookUpByTime,
  epochsAsWritten,
  foundWhole,
  failuresLeaveNothing,
  conditionalAppends,
  lentBytesStay,
];

export interface Checked {
  readonly invariant: string;
  readonly source: string;
  /** How many times something in the history was held against it. */
  readonly times: number;
  /** How often it was broken; the verdict tells of the first three. */
  readonly violations: number;
}

export interface NotApplicable {
  readonly invariant: string;
  readonly source: string;
  /** What the history lacks. */
  readonly needs: string;
}

export interface Verdict {
  readonly holds: boolean;
  /** At most three of an invariant. */
  readonly violations: readonly Violation[];
  /** Length of the history. */
  readonly events: number;
  /** Those of its events that are a client's operation. */
  readonly operations: number;
  readonly checked: readonly Checked[];
  /** A history that shows nothing of what an invariant is about does not pass it. */
  readonly notApplicable: readonly NotApplicable[];
}

const asInvariants = list(fields({ name: text, source: text, needs: text, check: method }));
const tellsByFindings = that(
  "nothing: it tells what it has looked at by findings.look(), and what it finds by findings.violated(log, events, () => message)",
  (answer) => answer === undefined,
);

/**
 * Holds a history against every invariant, or against some.
 *
 * @throws {HistoryShapeError} for what is no history: with the event, its field, what is there, and what has to be.
 * @throws {TypeError} for an invariant that is none, or whose `check` answers something.
 */
export function judge(history: History, against: readonly Invariant[] = invariants): Verdict {
  const none = asInvariants(against);
  if (none !== null)
    throw new TypeError(
      `${sentence("what judge is to hold it against", none)}: an invariant has name, source, needs and check(history, findings)`,
    );
  const indexed = new IndexedHistory(history);
  const violations: Violation[] = [];
  const checked: Checked[] = [];
  const notApplicable: NotApplicable[] = [];
  for (const invariant of against) {
    const findings = new Findings(invariant);
    const answer: unknown = invariant.check(indexed, findings);
    const told = tellsByFindings(answer);
    if (told !== null) throw new TypeError(sentence(`what check of the invariant '${invariant.name}' answers`, told));
    const { name, source, needs } = invariant;
    violations.push(...findings.violations);
    if (findings.looked === 0 && findings.found === 0) notApplicable.push({ invariant: name, source, needs });
    else checked.push({ invariant: name, source, times: findings.looked, violations: findings.found });
  }
  return {
    holds: violations.length === 0,
    violations,
    events: history.length,
    operations: indexed.operations,
    checked,
    notApplicable,
  };
}
