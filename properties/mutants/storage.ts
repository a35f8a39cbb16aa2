// What failures and stops leave on the disk, and what a start makes of it.

import { progress } from "../checker/durability.ts";
import { epochsAsWritten } from "../checker/epochs.ts";
import { oneOffsetOneValue } from "../checker/offsets.ts";
import { boundsOrdered } from "../checker/order.ts";
import { failuresLeaveNothing } from "../checker/outcomes.ts";
import { foundWhole } from "../checker/recovery.ts";
import { logStartExplained } from "../checker/retention.ts";
import { broken, type Mutant } from "./mutant.ts";

/** What a clean marker vouches for, and is not there. */
const believed = /below the recovery point|though the last stop was clean/;

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
    found: [
      broken(progress, /are not readable|no batch holds offset|lies a batch of offset/),
      broken(foundWhole, /below the recovery point/),
    ],
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
    found: [
      ...[broken(failuresLeaveNothing), broken(oneOffsetOneValue), broken(progress, /lies a batch of offset/)],
      broken(foundWhole, /below the recovery point|but the one before it ends/),
    ],
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
    found: [broken(epochsAsWritten), broken(foundWhole, /epoch-checkpoint/)],
  },
  {
    name: "the clean marker outlives the start",
    source: "KAFKA-10471",
    history: "A broker that died while it loaded its logs found the marker of the stop before, and believed it again.",
    file: "broker/open",
    find: "await removeCleanMarker(storage);",
    replace: "",
    suite: "lives",
    found: [broken(foundWhole, believed)],
  },
  {
    name: "a clean marker in spite of logs that were not loaded",
    source: "KAFKA-15375",
    history: "A broker that was stopped before its logs were loaded wrote the marker all the same.",
    file: "broker/broker",
    find: 'if (partition.state !== "online" || !(await this.#writeCleanState(partition))) clean = false;',
    replace: 'if (partition.state === "online" && !(await this.#writeCleanState(partition))) clean = false;',
    suite: "lives",
    found: [broken(foundWhole, believed)],
  },
  {
    name: "retention deletes above the high watermark",
    source: "KAFKA-5634",
    history: "A segment that was old enough was deleted whole, though readers had not been shown all of it.",
    file: "log/retain",
    find: "if (nextOffset > highWatermark || segment.sizeBytes === 0) break;",
    replace: "if (segment.sizeBytes === 0) break;",
    suite: "lives",
    found: [broken(boundsOrdered), broken(logStartExplained)],
  },
];
