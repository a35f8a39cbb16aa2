// A look-up by time answers as the simple log does.
//
// Owns: Kafka's ListOffsets semantics: the first record in log order, from the log start
//   to the high watermark, whose timestamp is at or after the time.

import type { LogName, LookedUp, Read, ReadRecord } from "../history.ts";
import { tell } from "../history.ts";
import type { Invariant } from "./invariant.ts";

export const lookUpByTime: Invariant = {
  name: "A19: a look-up by time finds the first record at or after it",
  source: "Kafka's UnifiedLog.fetchOffsetByTimestamp, KIP-33",
  needs: "look-ups after an audit",
  check(history, findings) {
    const audits = new Map<
      LogName,
      { readonly index: number; readonly find: (timestamp: number) => ReadRecord | null }
    >();
    history.forEach(["read", "delete records", "retention", "look up"], (event, index) => {
      if (event.kind === "read") {
        if (event.manner === "audit" && event.outcome === "ok")
          audits.set(event.log, { index, find: finder(event.records) });
      } else if (event.kind === "delete records" || event.kind === "retention") audits.delete(event.log);
      else if (event.kind === "look up") {
        const audit = audits.get(event.log);
        if (audit === undefined) return;
        findings.look();
        const expected = audit.find(event.timestamp);
        // Appended since.
        if (expected === null && event.offset !== null && event.offset >= history.read(audit.index).nextOffset) return;
        if ((expected?.offset ?? null) === event.offset && (expected?.timestamp ?? null) === event.recordTimestamp)
          return;
        if (history.log(event.log).compacted && isCompactedSince(history.read(audit.index), event)) return;
        findings.violated(event.log, [index, audit.index], () => {
          const first = expected === null ? "none" : `${expected.offset} (timestamp ${expected.timestamp})`;
          return `${event.log}: the first record at or after ${event.timestamp} is ${first}: ${tell(event)}; ${tell(history.event(audit.index))}`;
        });
      }
    });
  },
};

/** Whether all that the answer passes over may have been compacted away since the audit. */
function isCompactedSince(audit: Read, { timestamp, offset, recordTimestamp }: LookedUp): boolean {
  const newest = new Map(audit.records.map((record) => [record.key, record.offset]));
  for (const record of audit.records) {
    if (record.timestamp < timestamp) continue;
    if (offset !== null && record.offset >= offset)
      return record.offset === offset && record.timestamp === recordTimestamp;
    if (record.tombstone !== true && newest.get(record.key) === record.offset) return false;
  }
  return offset === null || offset >= audit.nextOffset;
}

/** As the model's `lookUp`, in logarithmic time: the highest timestamp so far only rises. */
function finder(records: readonly ReadRecord[]): (timestamp: number) => ReadRecord | null {
  let highest: Float64Array | null = null;
  return (timestamp) => {
    if (highest === null) {
      highest = Float64Array.from(records, (record) => record.timestamp);
      for (let at = 1; at < highest.length; at++)
        highest[at] = Math.max(highest[at] as number, highest[at - 1] as number);
    }
    let low = 0;
    let high = highest.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((highest[middle] as number) < timestamp) low = middle + 1;
      else high = middle;
    }
    return records[low] ?? null;
  };
}
