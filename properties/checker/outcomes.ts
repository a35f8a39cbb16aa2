// An error tells the truth about what it left behind.
//
// Owns: correctness.md A 20: `fail` appended nothing, and a conditional append is linearizable.

import type { LogName, Produced } from "../history.ts";
import { tell } from "../history.ts";
import type { IndexedHistory, LogIndex } from "./indexed.ts";
import type { Findings, Invariant } from "./invariant.ts";

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
        for (const value of history.valuesOf(index)) {
          if (failed) refusedBy[value] = index;
          else possible[value] = 1;
        }
      }
      if (refused === 0) continue;
      for (const index of log.reads) {
        const read = history.read(index);
        findings.look();
        history.valuesOf(index).forEach((value, place) => {
          const by = refusedBy[value] as number;
          if (by < 0 || possible[value] === 1) return;
          const record = read.records[place];
          findings.violated(
            log.name,
            [index, by],
            () =>
              `'${record?.value}' is at ${record?.offset} (${tell(read)}) though refused: ${tell(history.event(by))}`,
          );
        });
      }
    }
  },
};

export const conditionalAppends: Invariant = {
  name: "A20: a conditional append lands exactly at the end it expects, and is refused only when the end differs",
  source: "S2's match_seq_num; linearizability of compare-and-set",
  needs: "conditional appends that were acknowledged or refused",
  check(history, findings) {
    for (const log of history.logs.values()) {
      for (const index of log.produces) {
        const event = history.produced(index);
        if (event.expectedEndOffset === undefined || event.outcome !== "ok" || event.offsets === undefined) continue;
        findings.look();
        if (event.duplicate !== true && event.offsets[0] !== event.expectedEndOffset)
          findings.violated(log.name, [index], () => `it expected ${event.expectedEndOffset}: ${tell(event)}`);
      }
      refusedForNothing(history, log, findings);
    }
    refusedBetweenDescriptions(history, findings);
  },
};

/** The log ended where it was expected before the append was sent, and nobody had appended there when it was refused. */
function refusedForNothing(history: IndexedHistory, log: LogIndex, findings: Findings): void {
  const refusals = log.produces.filter((index) => isMismatch(history.produced(index)));
  if (refusals.length === 0) return;
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
  const wanted = new Set<number>();
  for (const index of refusals) {
    const end = history.produced(index).expectedEndOffset as number;
    wanted.add(end).add(end - 1);
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
    const { outcome, offsets } = history.produced(index);
    if (outcome !== "ok") continue;
    offsets?.forEach((offset, place) => {
      if (!wanted.has(offset)) return;
      const known = acknowledged.get(offset);
      if (known === undefined) acknowledged.set(offset, [index]);
      else known.push(index);
      note(offset, history.valuesOf(index)[place] as number);
    });
  }
  // What had no answer is known by where it lies; an audit shows all that is left.
  for (const index of log.reads) {
    const { manner, records } = history.read(index);
    if (manner !== "audit") continue;
    records.forEach(({ offset }, place) => {
      if (wanted.has(offset)) note(offset, history.valuesOf(index)[place] as number);
    });
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
  history.events.forEach((event, index) => {
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
