// When the log under test was down, as its clients could tell: from the end of a life to the first answer of a later one.
//
// Owns: which event ends a time of being down. A start does not: a process that was started may take long to answer,
//   or never do.
// Never: draws, or leaves anything out.

import type { History, HistoryEvent } from "../history.ts";

export interface DownTime {
  /** Of the `crash` or `close` that began it. */
  readonly from: number;
  /** Of the first answer after it; null: there was none. */
  readonly to: number | null;
}

/** By place among `events`; `placeOf` gives an event's place in the whole history, in which `invokedAt` counts. */
export function downTimes(events: History, placeOf: (at: number) => number): DownTime[] {
  const times: DownTime[] = [];
  let from: number | null = null;
  let started = false;
  events.forEach((event, at) => {
    if (event.kind === "crash" || event.kind === "close") {
      from ??= at;
      started = false;
    } else if (from === null) return;
    else if (event.kind === "open") started = true;
    // What was sent to the life before may have been answered by that, and be heard of late.
    else if (started && isAnswer(event) && event.invokedAt > placeOf(from)) {
      times.push({ from, to: at });
      from = null;
    }
  });
  if (from !== null) times.push({ from, to: null });
  return times;
}

/** What nobody but a log that is there can have said. A refusal may be that of a connection. */
function isAnswer(event: HistoryEvent): boolean {
  if ("outcome" in event) return event.outcome === "ok";
  return ["describe", "topics", "look up", "committed", "assign"].includes(event.kind);
}
