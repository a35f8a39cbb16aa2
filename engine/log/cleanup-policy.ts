// What may be taken out of a log: what is old or too much (delete), or what a later record of the
// same key has made obsolete (compact).
//
// Owns: the words, and what each allows. Never: takes anything out (retain.ts, compact.ts).

export type CleanupPolicy = "delete" | "compact" | "compact,delete";

interface Cleaned {
  readonly cleanupPolicy: CleanupPolicy;
}

/** Whether only the latest value of every key is kept. */
export function isCompacted({ cleanupPolicy }: Cleaned): boolean {
  return cleanupPolicy !== "delete";
}

/** Whether retention.ms and retention.bytes count. */
export function isDeleted({ cleanupPolicy }: Cleaned): boolean {
  return cleanupPolicy !== "compact";
}
