// Promises that no disk keeps: what is acknowledged, or shown, before it is synced.

import { nothingPromisedIsLost } from "../checker/durability.ts";
import { oneOffsetOneValue } from "../checker/offsets.ts";
import { producerIdsAreNew } from "../checker/producers.ts";
import { foundWhole } from "../checker/recovery.ts";
import { broken, type Mutant } from "./mutant.ts";

const lost = [broken(nothingPromisedIsLost), broken(oneOffsetOneValue)];

export const durability: readonly Mutant[] = [
  {
    name: "no fsync before the acknowledgement",
    source: "KIP-966",
    history:
      "Acknowledged records lay in the page cache alone, and a loss of power took them from all replicas at once.",
    file: "broker/partition",
    find: "await log.context.storage.sync(flush.files);",
    replace: "",
    suite: "lives",
    found: lost,
  },
  {
    name: "a new segment acknowledged before its directory is synced",
    source: "ours",
    history: "A file whose name no synced directory holds is gone after a crash, however well its bytes were synced.",
    file: "broker/partition",
    find: "if (flush.directory)",
    replace: "if (false)",
    suite: "lives",
    found: lost,
  },
  {
    name: "the high watermark jumps over an unsynced older segment",
    source: "ours",
    history: "One sync covers the active segment; the one that was rolled since the last sync is forgotten.",
    file: "log/log",
    find: "[...this.#dirtyFiles, ...snapshots, mark.segment.log]",
    replace: "[...snapshots, mark.segment.log]",
    suite: "lives",
    found: lost,
  },
  {
    name: "recovered bytes exposed before their sync",
    source: "ours",
    history: "A process dies and leaves bytes in the page cache; the next one shows them, and then power goes.",
    file: "log/recover",
    find: "await context.storage.sync(scan.changed);",
    replace: "",
    suite: "lives",
    // The recovery point then claims what was never synced, and indexes are believed that never were.
    found: [broken(foundWhole, /below the recovery point|timeindex/)],
  },
  {
    name: "pages of a failed sync believed by the next process",
    source: "ours",
    history:
      "The system holds them for clean: a process that is killed right then leaves them to the next, which syncs in vain.",
    file: "log/recover",
    find: "if (doubtful.length > 0) await segment.log.rewrite(doubtful, position + walked.sizeBytes - doubtful.length);",
    replace: "",
    suite: "lives",
    found: [...lost, broken(foundWhole, /below the recovery point/)],
  },
  {
    name: "a producer id handed out twice after a crash",
    source: "ours",
    history: "A block of ids is in use before the record that takes it is durable: the next life takes it again.",
    file: "broker/metadata",
    find: 'await this.apply({ kind: "producerIdBlock", first, nextFree });',
    replace: 'this.apply({ kind: "producerIdBlock", first, nextFree }).catch(() => {});',
    suite: "lives",
    found: [broken(producerIdsAreNew)],
  },
];
