// What failures and stops leave on the disk, and what a start makes of it.

import type { Mutant } from "./mutant.ts";

export const storage: readonly Mutant[] = [
  {
    name: "appends after an I/O error",
    source: "KAFKA-10778",
    history:
      "A failed write left the log open: what came next was acknowledged behind bytes that nobody could vouch for.",
    file: "broker/partition",
    find: 'this.#state = "fenced";',
    replace: "",
    suite: "lives",
    found: /outlives every crash|holds one value|everything written becomes readable|A19/,
  },
  {
    name: "the log end stays behind when an index fails",
    source: "KAFKA-7866",
    history: "The records were in the log when the index could not be written: the next ones got the same offsets.",
    here: "indexes are written at a roll, so one begins its file with the segment's first batch",
    file: "log/log",
    find: "this.#appendedBytes += run.bytes.length;",
    replace: `if (start === 0) {
      try {
        this.context.storage.create(\`\${this.context.folder}/\${segmentFileName(segment.baseOffset, "index")}\`);
      } catch (error) {
        throw storageError(error, "cannot write the index");
      }
    }
    this.#appendedBytes += run.bytes.length;`,
    suite: "lives",
    found: /effect 'none' is never read|holds one value|stored at one offset|everything written becomes readable|A19/,
  },
  {
    name: "the epochs' checkpoint is not synced",
    source: "KAFKA-16541",
    history: "Renamed into its place without a sync, the file was empty or cut after the system went down.",
    here: "a file that cannot be read is made again from the log: that has to go as well",
    file: "broker/partition",
    find: "await replaceFile(storage, `${folder}/${epochCheckpointName}`, formatEpochCheckpoint(log.epochs.entries));",
    replace: `const part = storage.create(\`\${folder}/\${epochCheckpointName}.tmp\`);
      part.append(formatEpochCheckpoint(log.epochs.entries));
      await part.close();
      await storage.rename(part.path, \`\${folder}/\${epochCheckpointName}\`);`,
    also: [
      {
        file: "log/recover",
        find: "new Scan(context, options, marks, epochs, entries === null, producers, snapshotOffset)",
        replace: "new Scan(context, options, marks, epochs, before === null, producers, snapshotOffset)",
      },
    ],
    suite: "lives",
    found: /leader epoch|A19/,
  },
  {
    name: "the clean marker outlives the start",
    source: "KAFKA-10471",
    history: "A broker that died while it loaded its logs found the marker of the stop before, and believed it again.",
    file: "broker/open",
    find: "await removeCleanMarker(storage);",
    replace: "",
    suite: "lives",
    found: /outlives every crash|holds one value|everything written becomes readable|never go back|A19/,
  },
  {
    name: "a clean marker in spite of logs that were not loaded",
    source: "KAFKA-15375",
    history: "A broker that was stopped before its logs were loaded wrote the marker all the same.",
    file: "broker/broker",
    find: 'if (partition.state !== "online" || !(await this.#writeCleanState(partition))) clean = false;',
    replace: 'if (partition.state === "online" && !(await this.#writeCleanState(partition))) clean = false;',
    suite: "lives",
    found: /outlives every crash|holds one value|everything written becomes readable|never go back|A19/,
  },
  {
    name: "retention deletes above the high watermark",
    source: "KAFKA-5634",
    history: "A segment that was old enough was deleted whole, though readers had not been shown all of it.",
    file: "log/retain",
    find: "if (nextOffset > highWatermark || segment.sizeBytes === 0) break;",
    replace: "if (segment.sizeBytes === 0) break;",
    suite: "lives",
    found: /logStartOffset <=|moves only as far as/,
  },
];
