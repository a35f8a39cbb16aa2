// What was promised is there after a crash.
//
// Owns: correctness.md A 6 and 18 as one broker can break them, and the promise of A 7 that
//   everything written is seen in the end.
// Never: looks at a disk: a promise is an acknowledgement with acks=all, or a read.

import type { History, Invariant } from "../history.ts";
import { tell, when } from "../history.ts";
import { replay } from "../model.ts";

export const nothingPromisedIsLost: Invariant = {
  name: "A6 A18: what was acknowledged with acks=all, or was once read, outlives every crash",
  source: "KIP-966; Jepsen's kafka workload (lost-write); correctness.md, group 'ours'",
  check(history: History): string[] {
    const messages: string[] = [];
    replay(history, (message, kind) => {
      if (kind === "lost") messages.push(message);
    });
    return messages;
  },
};

export const acknowledgedIsVisible: Invariant = {
  name: "A7 A18: an acks=all acknowledgement means the record is below the high watermark",
  source: "architecture.md, Durability and what readers see",
  check(history: History): string[] {
    const messages: string[] = [];
    const promised = new Map<string, { end: number; index: number; words: string }[]>();
    history.forEach((event, index) => {
      if (event.kind === "produce" && event.outcome === "ok" && event.acks === "all" && event.offsets !== undefined) {
        const end = Math.max(...event.offsets) + 1;
        const list = promised.get(event.log) ?? [];
        if (end > (list.at(-1)?.end ?? 0)) list.push({ end, index, words: tell(event) });
        promised.set(event.log, list);
      } else if (
        (event.kind === "read" && event.outcome === "ok") ||
        (event.kind === "describe" && event.state !== "offline")
      ) {
        const before = promised.get(event.log)?.findLast((promise) => promise.index < event.invokedAt);
        if (before !== undefined && event.highWatermark < before.end)
          messages.push(`the high watermark is ${event.highWatermark}, but ${before.words}: ${tell(event)}`);
      }
    });
    return messages;
  },
};

export const topicsOutlive: Invariant = {
  name: "A18: a topic whose creation was acknowledged exists; a deleted one stays deleted",
  source: "architecture.md, Order of writes",
  check(history: History): string[] {
    const messages: string[] = [];
    const alive = new Map<string, string>();
    const gone = new Map<string, string>();
    /** A deletion whose outcome is not known may have its effect at any later time. */
    const doubtful = new Set<string>();
    for (const event of history) {
      if (event.kind === "create topic" && event.outcome === "ok" && event.id !== undefined)
        alive.set(event.id, `topic ${event.topic} was created ${when(event)}`);
      else if (event.kind === "delete topic" && event.id !== undefined) {
        if (event.outcome === "ok") {
          alive.delete(event.id);
          gone.set(event.id, `topic ${event.topic} was deleted ${when(event)}`);
        } else if (event.outcome === "info") doubtful.add(event.id);
      } else if (event.kind === "topics") {
        const listed = new Set(event.ids);
        for (const [id, words] of alive) {
          if (listed.has(id)) continue;
          alive.delete(id);
          if (doubtful.delete(id)) gone.set(id, `topic ${id} was found deleted ${when(event)}`);
          else messages.push(`${words} (id ${id}) and is not listed ${when(event)}`);
        }
        for (const [id, words] of gone)
          if (listed.has(id)) messages.push(`${words} (id ${id}) and is listed again ${when(event)}`);
      }
    }
    return messages;
  },
};

export const progress: Invariant = {
  name: "A7: whatever is under way ends, and everything written becomes readable",
  source: "architecture.md: every unsynced byte is scheduled for sync within 10 ms or 8 MiB, whatever its acks",
  check(history: History): string[] {
    const messages: string[] = [];
    for (const event of history) {
      if (event.kind === "stuck") messages.push(`${event.detail} ${when(event)}`);
      else if (
        event.kind === "describe" &&
        event.quiet &&
        event.state === "online" &&
        event.highWatermark !== event.logEndOffset
      ) {
        messages.push(
          `all is quiet, but ${event.logEndOffset - event.highWatermark} records of ${event.log} are not readable: ${tell(event)}`,
        );
      }
    }
    return messages;
  },
};
