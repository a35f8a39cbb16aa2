// An error tells the truth about what it left behind.
//
// Owns: correctness.md A 20: `fail` appended nothing, and a conditional append is linearizable.

import type { History, Invariant, LogName, Produced } from "../history.ts";
import { tell } from "../history.ts";

export const failuresLeaveNothing: Invariant = {
  name: "A20: what was refused with effect 'none' is never read",
  source: "Jepsen's kafka workload (aborted-read); Jepsen: 'only info may go either way'",
  check(history: History): string[] {
    const messages: string[] = [];
    const refused = new Map<string, Produced>();
    const possible = new Set<string>();
    for (const event of history) {
      if (event.kind !== "produce") continue;
      for (const record of event.records) {
        const key = `${event.log} ${record.value}`;
        if (event.outcome === "fail") refused.set(key, event);
        else possible.add(key); // the same batch sent again may have landed
      }
    }
    for (const event of history) {
      if (event.kind !== "read" || event.outcome !== "ok") continue;
      for (const record of event.records) {
        const key = `${event.log} ${record.value}`;
        const by = refused.get(key);
        if (by !== undefined && !possible.has(key))
          messages.push(`'${record.value}' is at ${record.offset} (${tell(event)}) though refused: ${tell(by)}`);
      }
    }
    return messages;
  },
};

export const conditionalAppends: Invariant = {
  name: "A20: a conditional append lands exactly at the end it expects, and is refused only when the end differs",
  source: "S2's match_seq_num; linearizability of compare-and-set",
  check(history: History): string[] {
    const messages: string[] = [];
    /** The log end as last described in quiet, with the index of that event. */
    const ends = new Map<LogName, { end: number; index: number }>();
    const refusals: { event: Produced; at: number }[] = [];
    history.forEach((event, index) => {
      if (event.kind === "describe" && event.state !== "offline") {
        for (const { event: refusal, at } of refusals) {
          // The end was what it expected before it was sent, and still is: it never differed.
          if (
            refusal.log === event.log &&
            refusal.expectedEndOffset === event.logEndOffset &&
            at === event.logEndOffset
          ) {
            messages.push(
              `${tell(refusal)}, expecting ${refusal.expectedEndOffset}; the log ended there before and after: ${tell(event)}`,
            );
          }
        }
        for (let at = refusals.length - 1; at >= 0; at--)
          if (refusals[at]?.event.log === event.log) refusals.splice(at, 1);
        if (event.quiet) ends.set(event.log, { end: event.logEndOffset, index });
      } else if (event.kind === "crash") {
        ends.clear();
        refusals.length = 0;
      } else if (event.kind === "produce" && event.expectedEndOffset !== undefined) {
        if (
          event.outcome === "ok" &&
          event.duplicate !== true &&
          event.offsets !== undefined &&
          event.offsets[0] !== event.expectedEndOffset
        )
          messages.push(`it expected ${event.expectedEndOffset}: ${tell(event)}`);
        if (event.outcome === "fail" && event.code === "OFFSET_MISMATCH") {
          const known = ends.get(event.log);
          if (known !== undefined && known.index < event.invokedAt) refusals.push({ event, at: known.end });
        }
      }
    });
    return messages;
  },
};
