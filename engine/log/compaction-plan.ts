// What of a log can be compacted, how much of it is dirty, and whether that is worth a pass.
//
// Owns: the choice. Never: compacts (compact.ts), or reads the clock.
//
// Invariants: the active segment is never compacted, nor anything at or above the high watermark,
//   or above what a recovery point has recorded: there a missing offset is what a crash left.

import { type CleanupPolicy, isCompacted } from "./cleanup-policy.ts";
import type { Segment } from "./segment.ts";

export interface CompactionPolicy {
  readonly cleanupPolicy: CleanupPolicy;
  readonly minCleanableDirtyRatio: number;
  readonly minCompactionLagMs: number;
  readonly maxCompactionLagMs: number;
}

/** What a plan asks of a log. */
export interface CompactedLog {
  readonly segments: readonly Segment[];
  readonly logStartOffset: number;
  readonly cleanedTo: number;
  /** -1 when no tombstone waits. Milliseconds. */
  readonly horizonMs: number;
}

export interface CompactionPlan {
  /** Keys are looked for from here on. */
  readonly firstDirtyOffset: number;
  /** Where the first segment begins that cannot be compacted now. */
  readonly endOffset: number;
  /** Dirty bytes over all that can be compacted. */
  readonly dirtyRatio: number;
}

/** null when nothing is due. `below`: what is synced, below the high watermark, and recorded as such. */
export function planCompaction(
  log: CompactedLog,
  policy: CompactionPolicy,
  below: number,
  nowMs: number,
): CompactionPlan | null {
  if (!isCompacted(policy)) return null;
  const firstDirtyOffset = Math.max(log.cleanedTo, log.logStartOffset);
  let cleanBytes = 0;
  let dirtyBytes = 0;
  let oldestMs = Number.POSITIVE_INFINITY;
  let endOffset = log.segments[0]?.baseOffset ?? 0;
  for (const [at, segment] of log.segments.entries()) {
    const nextOffset = log.segments[at + 1]?.baseOffset;
    if (nextOffset === undefined || nextOffset > below || segment.sizeBytes === 0) break;
    if (nextOffset > firstDirtyOffset) {
      if (policy.minCompactionLagMs > 0 && nowMs - newestMs(segment) < policy.minCompactionLagMs) break;
      dirtyBytes += segment.sizeBytes;
      oldestMs = Math.min(oldestMs, beginningMs(segment));
    } else cleanBytes += segment.sizeBytes;
    endOffset = nextOffset;
  }
  const dirtyRatio = dirtyBytes === 0 ? 0 : dirtyBytes / (cleanBytes + dirtyBytes);
  const isWorthwhile = dirtyBytes > 0 && dirtyRatio > policy.minCleanableDirtyRatio;
  const isOverdue = dirtyBytes > 0 && nowMs - oldestMs > policy.maxCompactionLagMs;
  // What a pass left only because its time had not come; one pass takes all of it.
  const hasExpired = log.horizonMs >= 0 && nowMs >= log.horizonMs;
  return isWorthwhile || isOverdue || hasExpired ? { firstDirtyOffset, endOffset, dirtyRatio } : null;
}

/** Whether the active segment holds records that should have been compacted by now: it has to end for that. */
export function isActiveOverdue(segment: Segment, policy: CompactionPolicy, nowMs: number): boolean {
  return isCompacted(policy) && segment.sizeBytes > 0 && nowMs - beginningMs(segment) > policy.maxCompactionLagMs;
}

/** As Kafka: records without a time are as old as their segment. */
function newestMs({ maxTimestamp, createdMs }: Segment): number {
  return maxTimestamp >= 0 ? maxTimestamp : createdMs;
}

function beginningMs({ firstTimestamp, createdMs }: Segment): number {
  return firstTimestamp >= 0 ? firstTimestamp : createdMs;
}
