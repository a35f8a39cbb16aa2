// Retention takes what its policy names, whole segments from the oldest on, and nothing else.
//
// Owns: correctness.md A 8, but for the monotone log start (order.ts).
// Never: knows how a broker finds segments: it is shown the files before and after.

import type { LogName, Retained, SegmentSeen, SegmentsSeen } from "../history.ts";
import { tell, when } from "../history.ts";
import type { IndexedHistory } from "./indexed.ts";
import type { Invariant } from "./invariant.ts";
import { Rising } from "./rising.ts";

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
  needs: "reads or descriptions",
  check(history, findings) {
    const explained = new Map<LogName, number>();
    const allow = (log: LogName, offset: number): void => {
      explained.set(log, Math.max(explained.get(log) ?? 0, offset));
    };
    const requests = requestsToDelete(history);
    let next = 0;
    history.forEach(["read", "describe"], (event, index) => {
      for (; next < requests.length && (requests[next] as Request).since <= index; next++) {
        const { log, mayReach } = requests[next] as Request;
        allow(log, mayReach);
      }
      if (
        !((event.kind === "read" && event.outcome === "ok") || (event.kind === "describe" && event.state !== "offline"))
      )
        return;
      findings.look();
      const limit = explained.get(event.log) ?? 0;
      if (event.logStartOffset <= limit) return;
      findings.violated(
        event.log,
        [index],
        () => `the log starts at ${event.logStartOffset}, and nothing asked for more than ${limit}: ${tell(event)}`,
      );
      allow(event.log, event.logStartOffset);
    });
  },
};

interface Request {
  /** It may have had its effect from the moment it was sent. */
  readonly since: number;
  readonly log: LogName;
  readonly mayReach: number;
}

function requestsToDelete(history: IndexedHistory): Request[] {
  const requests: Request[] = [];
  history.forEach(["delete records", "retention"], (event) => {
    if (event.kind === "delete records") {
      if (event.outcome === "fail") return;
      const mayReach = event.before >= 0 ? event.before : (event.logStartOffset ?? Number.POSITIVE_INFINITY);
      requests.push({ since: event.invokedAt, log: event.log, mayReach });
    } else {
      const mayReach = event.alone ? retentionMayReach(event) : Number.POSITIVE_INFINITY;
      requests.push({ since: event.invokedAt, log: event.log, mayReach });
    }
  });
  return requests.sort((a, b) => a.since - b.since);
}

export const deletedStaysDeleted: Invariant = {
  name: "A8: what lies below the log start offset is not read again",
  source: "Kafka's UnifiedLog.maybeIncrementLogStartOffset (KIP-107)",
  needs: "reads after the log start offset has moved",
  check(history, findings) {
    const starts = new Map<LogName, Rising>();
    history.forEach(["read", "delete records"], (event, index) => {
      const { log } = event;
      let start = starts.get(log);
      if (event.outcome !== "ok") return;
      if (event.kind === "read") {
        const before = start?.before(event.invokedAt) ?? null;
        const first = event.records[0]?.offset;
        // A raw answer begins with a whole batch, wherever in it the log starts.
        if (before !== null && first !== undefined && event.manner !== "raw") {
          findings.look();
          if (first < before.value)
            findings.violated(
              log,
              [index, before.index],
              () => `the log started at ${before.value} (${tell(history.event(before.index))}): ${tell(event)}`,
            );
        }
      }
      if (event.logStartOffset === undefined || event.logStartOffset === 0) return;
      if (start === undefined) {
        start = new Rising();
        starts.set(log, start);
      }
      start.add(index, event.logStartOffset);
    });
  },
};

export const retentionHappens: Invariant = {
  name: "A8: what the policy names is deleted, by whole segments, and every other file stays as it was",
  source: "Kafka's UnifiedLog.deleteOldSegments, LogSegment; KAFKA-5634",
  needs: "the segments' files before and after retention",
  check(history, findings) {
    const pending = new Map<LogName, { readonly pass: Retained; readonly index: number }>();
    /** A deletion of records whose outcome is not known may have its effect now. */
    const doubtful = new Set<string>();
    history.forEach(["retention", "segments", "delete records", "crash", "close"], (event, index) => {
      if (event.kind === "retention") {
        pending.delete(event.log);
        if (event.alone && event.outcome === "ok") pending.set(event.log, { pass: event, index });
      } else if (event.kind === "segments") {
        const before = pending.get(event.log);
        if (before === undefined) return;
        pending.delete(event.log);
        findings.look();
        judgePass(before.pass, event, doubtful, (message) =>
          findings.violated(event.log, [index, before.index], () => `${message} after ${describePass(before.pass)}`),
        );
      } else if (event.kind !== "delete records") pending.clear();
      else if (event.outcome === "info") doubtful.add(`${event.log} ${event.before}`);
    });
  },
};

function describePass(pass: Retained): string {
  return `retention of ${pass.log} (${pass.retentionMs} ms, ${pass.retentionBytes} bytes, now ${pass.nowMs}) ${when(pass)} of ${JSON.stringify(pass.segments)}`;
}

function judgePass(
  pass: Retained,
  seen: SegmentsSeen,
  doubtful: ReadonlySet<string>,
  violated: (message: string) => void,
): void {
  const must = retentionMustReach(pass);
  if (seen.logStartOffset < must) violated(`the log still starts at ${seen.logStartOffset} and not at ${must}`);
  const boundaries = new Set([pass.logStartOffset, ...pass.segments.map((segment) => segment.nextOffset)]);
  if (!boundaries.has(seen.logStartOffset) && !doubtful.has(`${seen.log} ${seen.logStartOffset}`))
    violated(`the log starts inside a segment, at ${seen.logStartOffset},`);
  const active = seen.segments.at(-1)?.baseOffset;
  for (const segment of seen.segments) {
    if (segment.nextOffset <= seen.logStartOffset && segment.baseOffset !== active)
      violated(
        `the segment ${segment.baseOffset}..${segment.nextOffset} lies below the log start ${seen.logStartOffset} and is still there`,
      );
  }
  for (const segment of pass.segments) {
    if (segment.nextOffset <= seen.logStartOffset) continue;
    const after = seen.segments.find((candidate) => candidate.baseOffset === segment.baseOffset);
    if (after === undefined || after.sizeBytes !== segment.sizeBytes)
      violated(
        `the segment ${segment.baseOffset}..${segment.nextOffset} was not named and is ${after === undefined ? "gone" : "changed"}`,
      );
  }
}
