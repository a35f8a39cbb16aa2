// Which segments a retention policy names.
//
// Owns: the choice. Never: deletes, or reads the clock.
//
// Invariants: whole segments only, oldest first, and only what lies below the high watermark
//   (KAFKA-5634); the newest records' segment is named by time only when all of it is old.

import type { Segment } from "./segment.ts";

export interface RetentionPolicy {
  /** Milliseconds; -1 keeps all. */
  readonly retentionMs: number;
  /** Bytes; -1 keeps all. */
  readonly retentionBytes: number;
}

/** The log start offset that the policy asks for: the base of the first segment it keeps. */
export function retainedStart(
  segments: readonly Segment[],
  logStartOffset: number,
  highWatermark: number,
  logEndOffset: number,
  policy: RetentionPolicy,
  nowMs: number,
): number {
  let start = logStartOffset;
  let sizeBytes = segments.reduce((sum, segment) => sum + segment.sizeBytes, 0);
  for (const [at, segment] of segments.entries()) {
    const nextOffset = segments[at + 1]?.baseOffset ?? logEndOffset;
    if (nextOffset > highWatermark || segment.sizeBytes === 0) break;
    // As Kafka: records without a time are as old as their segment.
    const newestMs = segment.maxTimestamp >= 0 ? segment.maxTimestamp : segment.createdMs;
    const tooOld = policy.retentionMs >= 0 && nowMs - newestMs > policy.retentionMs;
    // As Kafka: the active segment is not deleted for the size.
    const isActive = at === segments.length - 1;
    const tooMuch = policy.retentionBytes >= 0 && !isActive && sizeBytes - segment.sizeBytes >= policy.retentionBytes;
    if (!tooOld && !tooMuch) break;
    sizeBytes -= segment.sizeBytes;
    start = Math.max(start, nextOffset);
  }
  return start;
}
