// Compaction takes the tombstones whose time is over.
//
// Owns: the half of correctness.md A 9 that is about progress of deletions, as a history shows it in which whole runs
//   of compaction are noted with the broker's wall clock. Source: KIP-534, KAFKA-8522 (tombstones survive for ever).
// Never: demands anything of a log that nobody compacted whole twice, or whose second run found nothing to do: a
//   tombstone goes with a pass, not with its time.
//
// Why it is sound: all of the closed segments that the first run left, it had met, by the time that it was over; so
// their time ends delete.retention.ms later at the latest. A pass that begins after that takes them.

import type { Invariant } from "../checker/index.ts";
import { type CompactedWhole, type LogName, type Read, tell, when } from "../history.ts";

interface Run extends CompactedWhole {
  readonly index: number;
  readonly beganMs: number;
  readonly endedMs: number;
  readonly passes: number;
}

export const passedTombstonesGo: Invariant = {
  name: "A9: no tombstone outlives the first whole compaction after its time",
  source: "KIP-534; KAFKA-8522; Kafka's delete.retention.ms",
  needs: "an audit after two whole compactions, the second of which began delete.retention.ms after the first",
  check(history, findings) {
    const retentionMs = new Map<LogName, number>();
    const runs = new Map<LogName, Run[]>();
    history.forEach(["policy", "compacted", "read"], (event, index) => {
      if (event.kind === "policy") retentionMs.set(event.log, event.deleteRetentionMs);
      else if (event.kind === "compacted") {
        const { beganMs, endedMs, passes } = event;
        if (beganMs === undefined || endedMs === undefined || passes === undefined) return;
        const run = { ...event, index, beganMs, endedMs, passes };
        runs.set(event.log, [...(runs.get(event.log) ?? []), run]);
      } else if (event.manner === "audit" && event.outcome === "ok") {
        const pair = takenBy(event, runs.get(event.log) ?? [], retentionMs.get(event.log) ?? Number.POSITIVE_INFINITY);
        if (pair === null) return;
        const { met, took } = pair;
        const below = Math.min(met.below, took.below);
        findings.look(Math.max(0, below - event.logStartOffset));
        for (const { offset, key, tombstone } of event.records) {
          if (tombstone !== true || offset >= below) continue;
          findings.violated(
            event.log,
            [index, took.index, met.index],
            () =>
              `the tombstone of key '${key}' at ${offset} is there, though all below ${met.below} was compacted ${when(met)}, and again ${took.beganMs - met.endedMs} ms later: ${tell(event)}`,
          );
        }
      }
    });
  },
};

/** The last run with a pass before an audit, and the last that was over so long before it that what it met had to go. */
function takenBy(read: Read, runs: readonly Run[], retentionMs: number): { met: Run; took: Run } | null {
  const took = runs.findLast(({ index, passes }) => index < read.invokedAt && passes > 0);
  if (took === undefined) return null;
  const met = runs.findLast(({ index, endedMs }) => index < took.index && endedMs + retentionMs <= took.beganMs);
  return met === undefined ? null : { met, took };
}
