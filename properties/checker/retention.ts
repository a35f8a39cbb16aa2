// Retention takes what its policy names, whole segments from the oldest on, and nothing else.
//
// Owns: correctness.md A 8, but for the monotone log start (order.ts).
// Never: knows how a broker finds segments: it is shown the files before and after.

import type { History, HistoryEvent, Invariant, LogName, Retained, SegmentSeen } from "../history.ts";
import { tell, when } from "../history.ts";

/** How far retention may go: one past the last offset of the oldest run of segments that a policy names. */
export function retentionMayReach(event: Retained): number {
  let excess = event.segments.reduce((sum, segment) => sum + segment.sizeBytes, 0) - event.retentionBytes;
  let end = event.logStartOffset;
  for (const segment of event.segments) {
    const tooOld = event.retentionMs >= 0 && event.nowMs - segment.maxTimestamp > event.retentionMs;
    const tooMuch = event.retentionBytes >= 0 && excess >= segment.sizeBytes;
    if (segment.sizeBytes === 0 || segment.nextOffset > event.highWatermark || !(tooOld || tooMuch)) break;
    excess -= segment.sizeBytes;
    end = Math.max(end, segment.nextOffset);
  }
  return end;
}

/** What one pass must take, as Kafka's does: by time, then by size, and never the active segment. */
export function retentionMustReach(event: Retained): number {
  const closed = event.segments.slice(0, -1).filter((segment) => segment.nextOffset <= event.highWatermark);
  let first = 0;
  if (event.retentionMs >= 0) {
    while (first < closed.length && event.nowMs - (closed[first] as SegmentSeen).maxTimestamp > event.retentionMs)
      first++;
  }
  if (event.retentionBytes >= 0) {
    let excess =
      event.segments.slice(first).reduce((sum, segment) => sum + segment.sizeBytes, 0) - event.retentionBytes;
    for (; first < closed.length && excess >= (closed[first] as SegmentSeen).sizeBytes; first++)
      excess -= (closed[first] as SegmentSeen).sizeBytes;
  }
  return Math.max(event.logStartOffset, first === 0 ? 0 : (closed[first - 1] as SegmentSeen).nextOffset);
}

export const logStartExplained: Invariant = {
  name: "A8: the log start offset moves only as far as delete-records or a retention policy names",
  source: "KAFKA-5634; Kafka's UnifiedLog.deleteOldSegments",
  check(history: History): string[] {
    const messages: string[] = [];
    const explained = new Map<LogName, number>();
    const allow = (log: LogName, offset: number): void => {
      explained.set(log, Math.max(explained.get(log) ?? 0, offset));
    };
    const requests: { index: number; apply: () => void }[] = [];
    history.forEach((event, index) => {
      // A request may have had its effect from the moment it was sent.
      if (event.kind === "delete records" && event.outcome !== "fail") {
        requests.push({
          index: event.invokedAt,
          apply: () =>
            allow(event.log, event.before >= 0 ? event.before : (event.logStartOffset ?? Number.POSITIVE_INFINITY)),
        });
      } else if (event.kind === "retention") {
        requests.push({
          index: event.invokedAt,
          apply: () => allow(event.log, event.alone ? retentionMayReach(event) : Number.POSITIVE_INFINITY),
        });
      }
      void index;
    });
    requests.sort((a, b) => a.index - b.index);
    let next = 0;
    history.forEach((event, index) => {
      while (next < requests.length && (requests[next]?.index ?? 0) <= index) requests[next++]?.apply();
      const at =
        (event.kind === "read" && event.outcome === "ok") || (event.kind === "describe" && event.state !== "offline")
          ? event
          : null;
      if (at !== null && at.logStartOffset > (explained.get(at.log) ?? 0)) {
        messages.push(
          `the log starts at ${at.logStartOffset}, and nothing asked for more than ${explained.get(at.log) ?? 0}: ${tell(at)}`,
        );
        allow(at.log, at.logStartOffset);
      }
    });
    return messages;
  },
};

export const retentionHappens: Invariant = {
  name: "A8: what the policy names is deleted, by whole segments, and every other file stays as it was",
  source: "Kafka's UnifiedLog.deleteOldSegments, LogSegment; KAFKA-5634",
  check(history: History): string[] {
    const messages: string[] = [];
    const pending = new Map<LogName, Retained>();
    /** A deletion of records whose outcome is not known may have its effect now. */
    const doubtful = new Set<string>();
    for (const event of history as readonly HistoryEvent[]) {
      if (event.kind === "retention") {
        pending.delete(event.log);
        if (event.alone && event.outcome === "ok") pending.set(event.log, event);
      } else if (event.kind === "segments") {
        const pass = pending.get(event.log);
        if (pass === undefined) continue;
        pending.delete(event.log);
        const must = retentionMustReach(pass);
        const words = `retention of ${event.log} (${pass.retentionMs} ms, ${pass.retentionBytes} bytes, now ${pass.nowMs}) ${when(pass)} of ${JSON.stringify(pass.segments)}`;
        if (event.logStartOffset < must)
          messages.push(`the log still starts at ${event.logStartOffset} and not at ${must} after ${words}`);
        const boundaries = new Set([pass.logStartOffset, ...pass.segments.map((segment) => segment.nextOffset)]);
        if (!boundaries.has(event.logStartOffset) && !doubtful.has(`${event.log} ${event.logStartOffset}`))
          messages.push(`the log starts inside a segment, at ${event.logStartOffset}, after ${words}`);
        const active = event.segments.at(-1)?.baseOffset;
        for (const segment of event.segments) {
          if (segment.nextOffset <= event.logStartOffset && segment.baseOffset !== active)
            messages.push(
              `the segment ${segment.baseOffset}..${segment.nextOffset} lies below the log start ${event.logStartOffset} and is still there after ${words}`,
            );
        }
        for (const segment of pass.segments) {
          if (segment.nextOffset <= event.logStartOffset) continue;
          const after = event.segments.find((candidate) => candidate.baseOffset === segment.baseOffset);
          if (after === undefined || after.sizeBytes !== segment.sizeBytes)
            messages.push(
              `the segment ${segment.baseOffset}..${segment.nextOffset} was not named and is ${after === undefined ? "gone" : "changed"} after ${words}`,
            );
        }
      } else if (event.kind === "delete records" && event.outcome === "info")
        doubtful.add(`${event.log} ${event.before}`);
      else if (event.kind === "crash" || event.kind === "close") pending.clear();
    }
    return messages;
  },
};
