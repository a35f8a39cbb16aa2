// Retention takes what its policy names, whole segments from the oldest on, and nothing else.
//
// Owns: correctness.md A 8, but for the monotone log start (order.ts).
// Never: knows how a broker finds segments: it is shown the files before and after.

import type { History, HistoryEvent, Invariant, LogName, Retained, SegmentSeen } from "../history.ts";
import { tell, when } from "../history.ts";

/** How far retention may go, as Kafka's deleteOldSegments: by time, then by size. One past the last offset taken. */
export function retentionEnd(event: Retained, segments: readonly SegmentSeen[]): number {
  let end = event.logStartOffset;
  let first = 0;
  if (event.retentionMs >= 0) {
    while (first < segments.length) {
      const segment = segments[first] as SegmentSeen;
      if (segment.sizeBytes === 0 || event.nowMs - segment.maxTimestamp <= event.retentionMs) break;
      end = Math.max(end, segment.nextOffset);
      first++;
    }
  }
  if (event.retentionBytes >= 0) {
    let excess = segments.slice(first).reduce((sum, segment) => sum + segment.sizeBytes, 0) - event.retentionBytes;
    while (first < segments.length) {
      const segment = segments[first] as SegmentSeen;
      if (segment.sizeBytes === 0 || excess - segment.sizeBytes < 0) break;
      excess -= segment.sizeBytes;
      end = Math.max(end, segment.nextOffset);
      first++;
    }
  }
  return Math.min(end, event.highWatermark);
}

/** What must go: the same without the active segment, which Kafka would roll first and we may keep. */
function retentionMustReach(event: Retained): number {
  // The active segment's size counts towards the excess, it just isn't taken itself.
  const all = event.segments;
  const end = retentionEnd(event, all);
  const active = all.at(-1);
  return active === undefined ? event.logStartOffset : Math.max(event.logStartOffset, Math.min(end, active.baseOffset));
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
        requests.push({ index: event.invokedAt, apply: () => allow(event.log, event.before >= 0 ? event.before : (event.logStartOffset ?? Number.POSITIVE_INFINITY)) });
      } else if (event.kind === "retention") {
        requests.push({ index: event.invokedAt, apply: () => allow(event.log, event.alone ? retentionEnd(event, event.segments) : Number.POSITIVE_INFINITY) });
      }
      void index;
    });
    requests.sort((a, b) => a.index - b.index);
    let next = 0;
    history.forEach((event, index) => {
      while (next < requests.length && (requests[next]?.index ?? 0) <= index) requests[next++]?.apply();
      const at = (event.kind === "read" && event.outcome === "ok") || (event.kind === "describe" && event.state !== "offline") ? event : null;
      if (at !== null && at.logStartOffset > (explained.get(at.log) ?? 0)) {
        messages.push(`the log starts at ${at.logStartOffset}, and nothing asked for more than ${explained.get(at.log) ?? 0}: ${tell(at)}`);
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
        if (event.logStartOffset < must) messages.push(`the log still starts at ${event.logStartOffset} and not at ${must} after ${words}`);
        const boundaries = new Set([pass.logStartOffset, ...pass.segments.map((segment) => segment.nextOffset)]);
        if (!boundaries.has(event.logStartOffset)) messages.push(`the log starts inside a segment, at ${event.logStartOffset}, after ${words}`);
        const active = event.segments.at(-1)?.baseOffset;
        for (const segment of event.segments) {
          if (segment.nextOffset <= event.logStartOffset && segment.baseOffset !== active) messages.push(`the segment ${segment.baseOffset}..${segment.nextOffset} lies below the log start ${event.logStartOffset} and is still there after ${words}`);
        }
        for (const segment of pass.segments) {
          if (segment.nextOffset <= event.logStartOffset) continue;
          const after = event.segments.find((candidate) => candidate.baseOffset === segment.baseOffset);
          if (after === undefined || after.sizeBytes !== segment.sizeBytes) messages.push(`the segment ${segment.baseOffset}..${segment.nextOffset} was not named and is ${after === undefined ? "gone" : "changed"} after ${words}`);
        }
      } else if (event.kind === "crash" || event.kind === "close") pending.clear();
    }
    return messages;
  },
};
