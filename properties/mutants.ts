// Faults that brokers have had, each put back into a copy of the engine by one replacement.
//
// Owns: the list: what to find (once, or the test says so), what to put in its place, and which
//   invariant must notice. Source: correctness.md B.
// Never: changes the engine that ships. The texts carry no types, so that they are found in the
//   source and in what is built of it.

export interface Mutant {
  readonly name: string;
  /** Under engine/, without its ending. */
  readonly file: string;
  readonly find: string;
  readonly replace: string;
  /** The invariant that finds it. */
  readonly found: RegExp;
  /** The lives that it is put into: of many topics (plan.ts), unless of one that is compacted (compaction-plans.ts). */
  readonly suite?: "compaction";
}

const lost = /outlives every crash|holds one value/;

export const mutants: readonly Mutant[] = [
  {
    name: "no fsync before the acknowledgement",
    file: "broker/partition",
    find: "await log.context.storage.sync(flush.files);",
    replace: "",
    found: lost,
  },
  {
    name: "a new segment acknowledged before its directory is synced",
    file: "broker/partition",
    find: "if (flush.directory)",
    replace: "if (false)",
    found: lost,
  },
  {
    name: "the high watermark jumps over an unsynced older segment",
    file: "log/log",
    find: "[...this.#dirtyFiles, ...snapshots, mark.segment.log]",
    replace: "[...snapshots, mark.segment.log]",
    found: lost,
  },
  {
    name: "recovered bytes exposed before their sync",
    file: "log/recover",
    find: "await context.storage.sync(scan.changed);",
    replace: "",
    // The recovery point then claims what was never synced: the partition is found damaged.
    found: /outlives every crash|holds one value|never go back|everything written becomes readable/,
  },
  {
    name: "appends after an I/O error (KAFKA-10778)",
    file: "broker/partition",
    find: 'this.#state = "fenced";',
    replace: "",
    found: /outlives every crash|holds one value|everything written becomes readable/,
  },
  {
    name: "a producer id handed out before it is durable",
    file: "broker/metadata",
    find: 'await this.apply({ kind: "producerIdBlock", first, nextFree });',
    replace: 'this.apply({ kind: "producerIdBlock", first, nextFree }).catch(() => {});',
    found: /handed out twice/,
  },
  {
    name: "sequence overflow (KAFKA-7692)",
    file: "log/producer-state",
    find: "const expected = (last.lastSequence + 1) % sequenceSpan;",
    replace: "const expected = last.lastSequence + 1;",
    found: /is not refused for its sequence/,
  },
  {
    name: "an older producer epoch is not fenced",
    file: "log/producer-state",
    find: "if (batch.producerEpoch < producer.epoch)",
    replace: "if (false)",
    found: /without a gap/,
  },
  {
    name: "producer state is not replayed by recovery",
    file: "log/recover",
    find: "noteProducer(this.producers, header, this.#now);",
    replace: "",
    found: /answered with the first offset|one value is stored at one offset|without a gap/,
  },
  {
    name: "a look-up by time passes over the record of that very time",
    file: "broker/broker",
    find: "records.find((record) => record.timestamp >= timestamp)",
    replace: "records.find((record) => record.timestamp > timestamp)",
    found: /look-up by time/,
  },
  {
    name: "lent bytes are lent again before they are given back",
    file: "broker/fetch-pool",
    find: "this.#shrink(roomBytes);",
    replace: "this.#shrink(0);",
    found: /lent to a reader/,
  },
  {
    name: "lent bytes are taken back when the fetch is answered",
    file: "broker/fetch",
    find: "const { bytes, nextOffset } = batches;",
    replace: "const { bytes, nextOffset } = batches; batches.release();",
    found: /lent to a reader/,
  },
  {
    name: "early tombstone (KAFKA-4529)",
    file: "log/batch-sieve",
    find: "const isHorizonPast = horizonMs >= 0 && nowMs >= horizonMs;",
    replace: "const isHorizonPast = true;",
    found: /a tombstone outlives/,
    suite: "compaction",
  },
  {
    name: "a tombstone's time counts from when it was written",
    file: "log/batch-sieve",
    find: "Math.min(nowMs + deleteRetentionMs, latestHorizonMs)",
    replace: "Math.min(header.maxTimestamp + deleteRetentionMs, latestHorizonMs)",
    found: /a tombstone outlives/,
    suite: "compaction",
  },
  {
    name: "cleaner drops the sequence (KAFKA-5490, KAFKA-8335)",
    file: "log/compact",
    find: "if (!isEnd && !isLastOfProducer)",
    replace: "if (!isEnd)",
    found: /A15/,
    suite: "compaction",
  },
  {
    name: "crash in mid swap (KAFKA-6264): what counts already is thrown away",
    file: "log/segment-swap",
    find: '(logsOf("cleaned")[0] ?? Number.POSITIVE_INFINITY) > first',
    replace: "false",
    found: /A6|A9|A19/,
    suite: "compaction",
  },
  {
    name: "crash in mid swap (KAFKA-6264): only one of the replaced segments goes",
    file: "log/segment-swap",
    find: "file.base < end",
    replace: "file.base <= base",
    found: /A6|A9|A19/,
    suite: "compaction",
  },
  {
    name: "segments take the place of others before they are synced",
    file: "log/cleaned-segments",
    find: "await storage.sync([segment.log, ...files]);",
    replace: "",
    found: /A6|A9|A19/,
    suite: "compaction",
  },
  {
    name: "a pass that had no room for all keys is taken for a whole one",
    file: "log/compact",
    find: "cleanedTo: this.#mappedTo,",
    replace: "cleanedTo: this.#options.plan.endOffset,",
    found: /A9/,
    suite: "compaction",
  },
  {
    name: "offsets go missing between two segments",
    file: "log/compact",
    find: "const isEnd = segment === last && cursor.nextPosition === sizeBytes;",
    replace: "const isEnd = false;",
    found: /A6|A19/,
    suite: "compaction",
  },
];
