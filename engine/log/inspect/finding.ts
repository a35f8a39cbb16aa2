// What an inspection says about a file: one finding a fault, by file and position.
//
// Owns: the kinds of findings, their stable names, and what each of them means.
// Never: looks for one (the files beside this one do), or counts them.
//
// A kind that has been shipped never changes its meaning: scripts match on it.

/**
 * `error`: data or a start is at stake. `warning`: the next start mends it, or the first look-up that
 * meets it (an index entry), or a crash explains it. `note`: nothing is wrong.
 */
export type Severity = "error" | "warning" | "note";

/** Every kind, and what it means. */
export const findingKinds = {
  // A .log
  torn: "a batch runs past the end of the file",
  checksum: "a batch does not match its CRC-32C",
  header: "a batch's header is impossible: its length, magic, attributes, timestamps, producer or offset",
  count: "a batch holds another number of records than its header says",
  record: "a record of a batch cannot be read",
  decompression: "a compressed batch cannot be opened",
  order: "a batch begins below the end of the one before it",
  gap: "offsets are missing between two batches",
  "base-offset": "the first batch begins elsewhere than the segment's name says",
  "segment-gap": "offsets are missing between two segments",
  "segment-overlap": "a segment begins below the end of the one before it",
  "log-short": "the log ends below what was synced",
  "log-start": "no segment holds the log start offset, or segments lie below it",
  epoch: "a batch's leader epoch is not that of its place in the log",
  unread: "bytes behind a fault that could not be read as batches",
  // .index and .timeindex
  "index-missing": "a segment's index is not there",
  "index-size": "an index ends within an entry",
  "index-order": "an index entry does not rise above the one before it",
  "index-entry": "an index entry does not lead to its batch",
  "index-range": "an index entry leads past the end of the log file",
  "index-sparse": "an index has fewer entries than index.interval.bytes asks for",
  "timeindex-time": "a time index entry is not the maximum up to its offset",
  "timeindex-short": "a time index does not end with its segment's maximum",
  // The other files of a partition
  "not-a-file": "what bears the name of one of the log's files is a directory, a pipe or the like",
  orphan: "an index whose .log is not there",
  snapshot: "a producer snapshot is damaged",
  "snapshot-range": "a producer snapshot lies beyond the log's end",
  "snapshot-stale": "a producer snapshot disagrees with the log",
  "epoch-checkpoint": "a leader epoch checkpoint is damaged, or disagrees with the log",
  "partition-metadata": "partition.metadata is missing or damaged",
  "topic-id": "a partition's folder belongs to another topic than the metadata says",
  "compaction-checkpoint": "compaction-checkpoint is damaged",
  "swap-file": "a file of a compaction: .cleaned, .swap or .deleted",
  fence: "a sync failed: opening discards what lies above this offset",
  // The data folder
  "meta-properties": "meta.properties is missing or damaged, or of another format",
  journal: "the metadata journal is damaged",
  checkpoint: "a checkpoint of the data folder is damaged",
  "checkpoint-missing": "a checkpoint of the data folder is not there",
  "checkpoint-range": "a checkpoint names an offset that the log does not have",
  "checkpoint-unknown": "a checkpoint names a partition that does not exist",
  "partition-missing": "a partition that the metadata names has no folder",
  "stray-folder": "a partition's folder that the metadata does not name",
  "deleted-folder": "a deleted partition that the next start removes",
  "temporary-file": "a file that a crash left half written, removed by the next start",
  "unknown-file": "a file that Moldau did not write",
  unreadable: "the system could not read a file",
} as const;

export type FindingKind = keyof typeof findingKinds;

export interface Finding {
  readonly severity: Severity;
  readonly kind: FindingKind;
  /** Relative to the folder that was handed in. */
  readonly file: string;
  /** Where in the file. Bytes; absent when the whole file, or its absence, is meant. */
  readonly position?: number;
  /** The log's offset that the fault lies at, where one is known. */
  readonly offset?: number;
  /** How many faults of this kind, from here on, it stands for; absent when it is one. */
  readonly count?: number;
  /** For people: what was found, what was expected. */
  readonly message: string;
}

/** Findings held between two reads; of more, those of one kind in one file are counted together. */
export const maxHeldFindings = 4096;

/** Takes what was found meanwhile, to be handed on between two reads. */
export class Findings {
  #found: Finding[] = [];
  /** What is beyond the limit: the first of each kind and file, and how many. */
  #more: Map<string, { readonly first: Finding; count: number }> = new Map();

  add(
    severity: Severity,
    kind: FindingKind,
    file: string,
    message: string,
    place: { readonly position?: number; readonly offset?: number; readonly count?: number } = {},
  ): void {
    const finding = { severity, kind, file, ...place, message };
    if (this.#found.length < maxHeldFindings) {
      this.#found.push(finding);
      return;
    }
    const key = `${severity} ${kind} ${file}`;
    const more = this.#more.get(key);
    if (more === undefined) this.#more.set(key, { first: finding, count: place.count ?? 1 });
    else more.count += place.count ?? 1;
  }

  /** What was added since the last call. */
  take(): Finding[] {
    const found = this.#found;
    if (found.length > 0) this.#found = [];
    if (this.#more.size === 0) return found;
    for (const { first, count } of this.#more.values()) {
      const message = `${first.message}; and ${count - 1} more of this kind in this file behind it`;
      found.push(count === 1 ? first : { ...first, count, message });
    }
    this.#more.clear();
    return found;
  }
}
