// An error tells the truth about what it left behind.
//
// Owns: correctness.md A 20: `fail` appended nothing, and a conditional append is linearizable.

import type { LogName, Produced } from "../history.ts";
import { tell } from "../history.ts";
import type { IndexedHistory, LogIndex } from "./indexed.ts";
import type { Findings, Invariant } from "./invariant.ts";
import { OffsetSet } from "./offset-set.ts";

export const failuresLeaveNothing: Invariant = {
  name: "A20: what was refused with effect 'none' is never read",
  source: "Jepsen's kafka workload (aborted-read); Jepsen: 'only info may go either way'",
  needs: "an append that was refused, and reads of that log",
  check(history, findings) {
    for (const log of history.logs.values()) {
      const refusedBy = new Int32Array(log.values).fill(-1);
      /** The same batch sent again may have landed. */
      const possible = new Uint8Array(log.values);
      let refused = 0;
      for (const index of log.produces) {
        const failed = history.produced(index).outcome === "fail";
        if (failed) refused++;
        const end = history.endRow(index);
        for (let row = history.firstRow(index); row < end; row++) {
          const value = history.value[row] as number;
          if (failed) refusedBy[value] = index;
          else possible[value] = 1;
        }
      }
      if (refused === 0) continue;
      for (const index of log.reads) {
        findings.look();
        const first = history.firstRow(index);
        const end = history.endRow(index);
        for (let row = first; row < end; row++) {
          const value = history.value[row] as number;
          const by = refusedBy[value] as number;
          if (by < 0 || possible[value] === 1) continue;
          const read = history.read(index);
          const record = read.records[row - first];
          findings.violated(
            log.name,
            [index, by],
            () =>
              `'${record?.value}' is at ${record?.offset} (${tell(read)}) though refused: ${tell(history.event(by))}`,
          );
        }
      }
    }
  },
};

export const conditionalAppends: Invariant = {
  name: "A20: a conditional append lands exactly at the end it expects, and is refused only when the end differs",
  source: "S2's match_seq_num; linearizability of compare-and-set",
  needs: "conditional appends that were acknowledged or refused",
  check(history, findings) {
    const refusals = new Map<LogName, number[]>();
    history.forEach(["produce"], (event, index) => {
      const { log, expectedEndOffset, outcome, offsets, duplicate } = event;
      if (expectedEndOffset === undefined) return;
      if (outcome === "ok" && offsets !== undefined) {
        findings.look();
        if (duplicate !== true && offsets[0] !== expectedEndOffset)
          findings.violated(log, [index], () => `it expected ${expectedEndOffset}: ${tell(event)}`);
      } else if (isMismatch(event)) {
        const ofLog = refusals.get(log);
        if (ofLog === undefined) refusals.set(log, [index]);
        else ofLog.push(index);
      }
    });
    for (const [log, ofLog] of refusals) refusedForNothing(history, history.log(log), ofLog, findings);
    refusedBetweenDescriptions(history, findings);
  },
};

/** The log ended where it was expected before the append was sent, and nobody had appended there when it was refused. */
function refusedForNothing(
  history: IndexedHistory,
  log: LogIndex,
  refusals: readonly number[],
  findings: Findings,
): void {
  const { acknowledged, sent } = recordsAround(history, log, refusals);
  for (const index of refusals) {
    const refusal = history.produced(index);
    const end = refusal.expectedEndOffset as number;
    // Only an acknowledgement from before it was sent, and of this life, says that the log had come so far.
    const { invokedAt } = refusal;
    const cameSoFar = (at: number): boolean => at < invokedAt && !history.crashedBetween(at, invokedAt);
    if (end > 0 && acknowledged.get(end - 1)?.some(cameSoFar) !== true) continue;
    const next = sent.get(end);
    // What a crash took back may have lain there meanwhile.
    if (next === undefined || history.crashedBetween(invokedAt, next)) continue;
    findings.look();
    if (history.event(next).invokedAt > index)
      findings.violated(
        log.name,
        [index, next],
        () =>
          `${tell(refusal)}, expecting ${end}; the log ended there, and the record at ${end} was sent later: ${tell(history.event(next))}`,
      );
  }
}

/** What lies where the refused appends expected the end, and right before it. */
function recordsAround(
  history: IndexedHistory,
  log: LogIndex,
  refusals: readonly number[],
): { readonly acknowledged: ReadonlyMap<number, readonly number[]>; readonly sent: ReadonlyMap<number, number> } {
  const wanted = new OffsetSet();
  for (const index of refusals) {
    const end = history.produced(index).expectedEndOffset as number;
    wanted.add(end);
    if (end > 0) wanted.add(end - 1);
  }
  /** By offset: the acknowledgements of what lay there; a crash may have made room for another one. */
  const acknowledged = new Map<number, number[]>();
  /** By offset: the first attempt to send it. */
  const sent = new Map<number, number>();
  const note = (offset: number, value: number): void => {
    const first = log.firstSent[value] as number;
    if (first >= 0) sent.set(offset, first);
  };
  for (const index of log.produces) {
    if (history.produced(index).outcome !== "ok") continue;
    const end = history.endRow(index);
    for (let row = history.firstRow(index); row < end; row++) {
      const offset = history.offset[row] as number;
      if (!wanted.has(offset)) continue;
      const known = acknowledged.get(offset);
      if (known === undefined) acknowledged.set(offset, [index]);
      else known.push(index);
      note(offset, history.value[row] as number);
    }
  }
  // What had no answer is known by where it lies; an audit shows all that is left.
  for (const index of log.reads) {
    if (history.read(index).manner !== "audit") continue;
    const end = history.endRow(index);
    for (let row = history.firstRow(index); row < end; row++) {
      const offset = history.offset[row] as number;
      if (wanted.has(offset)) note(offset, history.value[row] as number);
    }
  }
  return { acknowledged, sent };
}

function isMismatch(event: Produced): boolean {
  return event.expectedEndOffset !== undefined && event.outcome === "fail" && event.code === "OFFSET_MISMATCH";
}

/** The log was described in quiet before and after a refusal, and ended there both times. */
function refusedBetweenDescriptions(history: IndexedHistory, findings: Findings): void {
  const ends = new Map<LogName, { readonly end: number; readonly index: number }>();
  const refusals = new Map<LogName, number[]>();
  history.forEach(["describe", "crash", "produce"], (event, index) => {
    if (event.kind === "describe" && event.state !== "offline") {
      for (const at of refusals.get(event.log) ?? []) {
        const refusal = history.produced(at);
        findings.look();
        if (refusal.expectedEndOffset === event.logEndOffset)
          findings.violated(
            event.log,
            [at, index],
            () =>
              `${tell(refusal)}, expecting ${refusal.expectedEndOffset}; the log ended there before and after: ${tell(event)}`,
          );
      }
      refusals.delete(event.log);
      if (event.quiet) ends.set(event.log, { end: event.logEndOffset, index });
    } else if (event.kind === "crash") {
      ends.clear();
      refusals.clear();
    } else if (event.kind === "produce" && isMismatch(event)) {
      const known = ends.get(event.log);
      if (known === undefined || known.index >= event.invokedAt || known.end !== event.expectedEndOffset) return;
      const waiting = refusals.get(event.log);
      if (waiting === undefined) refusals.set(event.log, [index]);
      else waiting.push(index);
    }
  });
}
