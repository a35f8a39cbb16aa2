// What compaction takes that it may not, and what a crash makes of its swaps.

import { oneRecordAKey } from "../checker/cleaning.ts";
import { tombstonesOutliveTheirTime } from "../checker/compaction.ts";
import { progress } from "../checker/durability.ts";
import { oneValueOneOffset } from "../checker/offsets.ts";
import { retriesAreRecognised } from "../checker/producers.ts";
import { foundWhole } from "../checker/recovery.ts";
import { broken, type Mutant } from "./mutant.ts";

export const compaction: readonly Mutant[] = [
  {
    name: "early tombstone",
    source: "KAFKA-4529",
    history: "A tombstone went before delete.retention.ms had passed since compaction first met it.",
    file: "log/batch-sieve",
    find: "const isHorizonPast = horizonMs >= 0 && nowMs >= horizonMs;",
    replace: "const isHorizonPast = true;",
    suite: "compaction",
    found: [broken(tombstonesOutliveTheirTime)],
  },
  {
    name: "a tombstone's time counts from when it was written",
    source: "KIP-534",
    history: "One that compaction met late was gone at once: who had read the value never saw its end.",
    file: "log/batch-sieve",
    find: "Math.min(nowMs + deleteRetentionMs, latestHorizonMs)",
    replace: "Math.min(header.maxTimestamp + deleteRetentionMs, latestHorizonMs)",
    suite: "compaction",
    found: [broken(tombstonesOutliveTheirTime)],
  },
  {
    name: "cleaner drops the sequence",
    source: "KAFKA-5490, KAFKA-8335",
    history: "The last batch of a producer went with its records, and with it all that was known of its sequence.",
    file: "log/compact",
    find: "if (!isEnd && !isLastOfProducer)",
    replace: "if (!isEnd)",
    suite: "compaction",
    found: [broken(retriesAreRecognised), broken(oneValueOneOffset)],
  },
  {
    name: "crash in mid swap: what counts already is thrown away",
    source: "KAFKA-6264",
    history: "Several files take the place of several others, by renames: a crash in between left part of both.",
    file: "log/segment-swap",
    find: '(logsOf("cleaned")[0] ?? Number.POSITIVE_INFINITY) > first',
    replace: "false",
    suite: "compaction",
    found: [broken(foundWhole, /no segment holds|offsets .* are missing/)],
  },
  {
    name: "crash in mid swap: only one of the replaced segments goes",
    source: "KAFKA-6264",
    history: "The swap was completed after a crash, and old segments that it had replaced stayed beside the new ones.",
    file: "log/segment-swap",
    find: "file.base < end",
    replace: "file.base <= base",
    suite: "compaction",
    found: [broken(foundWhole, /no whole batch/)],
  },
  {
    name: "segments take the place of others before they are synced",
    source: "ours",
    history: "The old files are gone and the new ones are in the page cache alone.",
    file: "log/cleaned-segments",
    find: "await storage.sync([segment.log, ...files]);",
    replace: "",
    suite: "compaction",
    found: [broken(foundWhole, /no whole batch|offsets .* are missing/)],
  },
  {
    name: "a pass that had no room for all keys is taken for a whole one",
    source: "ours",
    history: "What the map of keys had no room for is never compacted again.",
    file: "log/compact",
    find: "cleanedTo: this.#mappedTo,",
    replace: "cleanedTo: this.#options.plan.endOffset,",
    suite: "compaction",
    found: [broken(oneRecordAKey)],
  },
  {
    name: "offsets go missing between two segments",
    source: "ours",
    history: "A segment's last batch is taken whole: the one that follows begins behind a gap, like one that was lost.",
    file: "log/compact",
    find: "const isEnd = segment === last && cursor.nextPosition === sizeBytes;",
    replace: "const isEnd = false;",
    suite: "compaction",
    found: [
      ...[broken(foundWhole, /offsets .* are missing/), broken(oneRecordAKey)],
      // Whoever reads stops there, or goes on for ever.
      broken(progress, /no batch holds offset|the actors end/),
    ],
  },
];
