// Compaction takes only what a later record of the same key has replaced, and tombstones only in time.
//
// Owns: correctness.md A 9 as a history shows it.
// Never: knows when a pass ran: a tombstone's time is counted from when it can have been appended at
//   the earliest, so that nothing is demanded that a pass may have taken.

import type { LogName, ProducedRecord, ReadRecord } from "../history.ts";
import { tell } from "../history.ts";
import type { IndexedHistory, LogIndex } from "./indexed.ts";
import type { Invariant } from "./invariant.ts";

interface Keyed {
  readonly offset: number;
  readonly value: string;
  readonly tombstone: boolean;
  readonly by: number;
  /** No record can have been there before this. */
  readonly sinceMs: number;
}

export const latestOfAKeySurvives: Invariant = {
  name: "A9: the latest committed value of a key survives compaction",
  source: "KIP-58; KAFKA-8335; Kafka's LogCleaner",
  needs: "audits of a compacted log with keys",
  check(history, findings) {
    const unpromised = unpromisedTombstones(history);
    forEachAudit(history, (log, index, latest) => {
      const found = new Map<string, ReadRecord>();
      for (const record of history.read(index).records) if (record.key !== undefined) found.set(record.key, record);
      for (const [key, last] of latest) {
        findings.look();
        const seen = found.get(key);
        if (seen !== undefined && seen.offset >= last.offset) continue;
        if (last.offset < history.read(index).logStartOffset || (last.tombstone && seen === undefined)) continue;
        // A tombstone that nobody was promised may have come behind it, and have gone again.
        if (seen === undefined && (unpromised.get(log)?.has(key) ?? false)) continue;
        const words = last.tombstone ? "the tombstone" : `'${last.value}'`;
        const instead = seen === undefined ? "nothing" : `'${seen.value}' at ${seen.offset}`;
        findings.violated(
          log.name,
          [index, last.by],
          () =>
            `the last of key '${key}' is ${words} at ${last.offset} (${tell(history.event(last.by))}), but ${instead} is read: ${tell(history.read(index))}`,
        );
      }
    });
  },
};

export const tombstonesOutliveTheirTime: Invariant = {
  name: "A9: a tombstone stays for delete.retention.ms, so that every reader hears of the deletion",
  source: "KIP-534; KAFKA-4529, KAFKA-5490",
  needs: "audits of a compacted log with tombstones",
  check(history, findings) {
    const retention = new Map<LogName, number>();
    history.forEach(["policy"], ({ log, compact, deleteRetentionMs }) => {
      if (compact) retention.set(log, deleteRetentionMs);
    });
    forEachAudit(history, (log, index, latest) => {
      const read = history.read(index);
      const young = [...latest].filter(
        ([, last]) =>
          last.tombstone &&
          last.offset >= read.logStartOffset &&
          read.atMs - last.sinceMs < (retention.get(log.name) ?? 0),
      );
      if (young.length === 0) return;
      const offsets = new Set(read.records.map((record) => record.offset));
      const newest = new Map(read.records.map((record) => [record.key, record.offset]));
      for (const [key, last] of young) {
        // One that was not known to be stored has taken its place.
        if ((newest.get(key) ?? -1) > last.offset) continue;
        findings.look();
        if (!offsets.has(last.offset))
          findings.violated(
            log.name,
            [index, last.by],
            () =>
              `the tombstone of key '${key}' at ${last.offset} is gone after ${Math.round(read.atMs - last.sinceMs)} ms of ${retention.get(log.name)}: ${tell(history.event(last.by))}; ${tell(read)}`,
          );
      }
    });
  },
};

export const compactionKeepsOrder: Invariant = {
  name: "A9: compaction changes no offset and no order",
  source: "Kafka's LogCleaner; KAFKA-6264",
  needs: "reads of a compacted log",
  check(history, findings) {
    for (const log of history.logs.values()) {
      if (!log.compacted) continue;
      for (const index of log.reads) {
        const read = history.read(index);
        findings.look();
        let last = -1;
        for (const { offset } of read.records) {
          const before = last;
          if (offset <= before || offset >= read.nextOffset)
            findings.violated(
              log.name,
              [index],
              () => `offset ${offset} stands after ${before} before ${read.nextOffset}: ${tell(read)}`,
            );
          last = offset;
        }
      }
    }
  },
};

/** Keys with a tombstone that may have been stored, without its sender having been promised that it outlives a crash. */
function unpromisedTombstones(history: IndexedHistory): ReadonlyMap<LogIndex, ReadonlySet<string>> {
  const keys = new Map<LogIndex, Set<string>>();
  for (const log of history.logs.values()) {
    if (!log.compacted) continue;
    const ofLog = new Set<string>();
    for (const index of log.produces) {
      const { outcome, acks, records } = history.produced(index);
      if (outcome === "fail" || (outcome === "ok" && acks === "all")) continue;
      for (const { key, tombstone } of records) if (tombstone === true && key !== undefined) ofLog.add(key);
    }
    keys.set(log, ofLog);
  }
  return keys;
}

/** Calls with the last of each key that was known before the audit was asked for. */
function forEachAudit(
  history: IndexedHistory,
  audited: (log: LogIndex, index: number, latest: ReadonlyMap<string, Keyed>) => void,
): void {
  for (const log of history.logs.values()) {
    if (!log.compacted) continue;
    const keys = new Keys(history, log);
    /** What is known once the audits that were asked for before it are judged. */
    const known = [...log.produces, ...log.reads].sort((a, b) => a - b);
    const audits = log.reads.filter((index) => history.read(index).manner === "audit");
    let next = 0;
    for (const audit of audits) {
      for (; next < known.length && (known[next] as number) < history.read(audit).invokedAt; next++)
        keys.learn(known[next] as number);
      audited(log, audit, keys.latest);
    }
  }
}

/** The keys of one log, as what was promised and what was read tells of them. */
class Keys {
  readonly latest: Map<string, Keyed> = new Map();
  readonly #history: IndexedHistory;
  readonly #log: LogIndex;
  /** By value: where it is known to lie. Most records are read many times. */
  readonly #knownAt: Float64Array;

  constructor(history: IndexedHistory, log: LogIndex) {
    this.#history = history;
    this.#log = log;
    this.#knownAt = new Float64Array(log.values).fill(-1);
  }

  learn(index: number): void {
    const history = this.#history;
    const event = history.event(index);
    const isPromised =
      event.kind === "read" || (event.kind === "produce" && event.outcome === "ok" && event.acks === "all");
    if (!isPromised) return;
    const first = history.firstRow(index);
    const end = history.endRow(index);
    for (let row = first; row < end; row++) {
      const number = history.value[row] as number;
      const offset = history.offset[row] as number;
      if (this.#knownAt[number] === offset) continue;
      this.#knownAt[number] = offset;
      const { key, value, tombstone } = event.records[row - first] as ProducedRecord | ReadRecord;
      if (key === undefined || offset <= (this.latest.get(key)?.offset ?? -1)) continue;
      const sentBy = event.kind === "read" ? (this.#log.firstSent[number] as number) : index;
      const sinceMs = sentSinceMs(history, sentBy);
      this.latest.set(key, { offset, value, tombstone: tombstone === true, by: index, sinceMs });
    }
  }
}

/** A moment before it was sent. */
function sentSinceMs(history: IndexedHistory, index: number): number {
  if (index < 0) return 0;
  const { invokedAt } = history.event(index);
  return invokedAt === 0 ? 0 : history.event(invokedAt - 1).atMs;
}
