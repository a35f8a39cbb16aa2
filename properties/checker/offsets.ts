// One offset, one value; no gaps; the same when read again.
//
// Owns: correctness.md A 1, 2 and 5.

import type { ReadRecord } from "../history.ts";
import { tell } from "../history.ts";
import type { IndexedHistory, LogIndex } from "./indexed.ts";
import type { Findings, Invariant } from "./invariant.ts";

export const oneOffsetOneValue: Invariant = {
  name: "A1 A5: one (partition, offset) holds one value, over all sends, reads and lives",
  source: "Jepsen's kafka workload (tests/kafka.clj: inconsistent-offsets)",
  needs: "acknowledgements with offsets, or reads",
  check(history, findings) {
    for (const { name, replay } of history.logs.values()) {
      findings.look(replay.recordsCompared);
      for (const { kind, events, message } of replay.contradictions)
        if (kind === "changed") findings.violated(name, events, message);
    }
  },
};

export const oneValueOneOffset: Invariant = {
  name: "A1 A15: one value is stored at one offset, however often an idempotent batch was sent",
  source: "Jepsen's kafka workload (duplicate); KIP-98",
  needs: "reads",
  check(history, findings) {
    for (const log of history.logs.values()) {
      const offsetOf = new Float64Array(log.values).fill(-1);
      const readBy = new Int32Array(log.values);
      for (const index of log.reads) {
        const first = history.firstRow(index);
        const end = history.endRow(index);
        findings.look(end - first);
        for (let row = first; row < end; row++) {
          const number = history.value[row] as number;
          const offset = history.offset[row] as number;
          const earlier = offsetOf[number] as number;
          if (earlier < 0) {
            offsetOf[number] = offset;
            readBy[number] = index;
          } else if (earlier !== offset) {
            const read = history.read(index);
            const before = readBy[number] as number;
            findings.violated(
              log.name,
              [index, before, log.firstSent[number] as number],
              () =>
                `'${read.records[row - first]?.value}' is stored twice, at ${earlier} (${tell(history.event(before))}) and at ${offset}: ${tell(read)}`,
            );
          }
        }
      }
    }
  },
};

export const dense: Invariant = {
  name: "A2: offsets are dense",
  source: "Jepsen's kafka workload; Kafka's UnifiedLog.append (no control batches or aborted data here)",
  needs: "reads of a log that is not compacted",
  check(history, findings) {
    for (const log of history.logs.values()) {
      if (log.compacted) continue;
      for (const index of log.reads) {
        findings.look();
        isDense(history, index, (message) =>
          findings.violated(log.name, [index], () => `${message()}: ${tell(history.event(index))}`),
        );
      }
    }
  },
};

function isDense(history: IndexedHistory, index: number, violated: (message: () => string) => void): void {
  const read = history.read(index);
  const firstRow = history.firstRow(index);
  const endRow = history.endRow(index);
  const first = firstRow === endRow ? undefined : (history.offset[firstRow] as number);
  const begin = Math.max(read.from, read.manner === "audit" ? read.logStartOffset : 0);
  if (first !== undefined && read.manner !== "raw" && first !== begin)
    violated(() => `offset ${begin} was asked for and the first record is at ${first}`);
  let expected = first ?? read.nextOffset;
  for (let row = firstRow; row < endRow; row++) {
    const offset = history.offset[row] as number;
    const missing = expected;
    if (offset !== missing) violated(() => `offset ${missing} is missing before ${offset}`);
    expected = offset + 1;
  }
  const end = expected;
  if (first !== undefined && read.nextOffset !== end)
    violated(() => `the last record is at ${end - 1} but the cursor stands at ${read.nextOffset}`);
  if (read.manner === "audit" && read.nextOffset < read.highWatermark)
    violated(() => `everything was asked for and ${read.highWatermark - read.nextOffset} records did not come`);
}

export const belowTheWatermark: Invariant = {
  name: "A4 A18: nothing is read at or above the high watermark",
  source: "KIP-101; Moldau's README, What an acknowledgement means",
  needs: "reads",
  check(history, findings) {
    for (const log of history.logs.values()) {
      for (const index of log.reads) {
        const read = history.read(index);
        const { records, nextOffset, highWatermark, from } = read;
        findings.look();
        // Asking between the high watermark and the log end is answered with nothing, as Kafka does.
        if (nextOffset > highWatermark && (records.length > 0 || nextOffset !== from))
          findings.violated(
            log.name,
            [index],
            () => `read to ${nextOffset}, past the high watermark ${highWatermark}: ${tell(read)}`,
          );
      }
    }
  },
};

export const sentAsRead: Invariant = {
  name: "A1: what is read was sent to this partition, with its timestamp, and a batch is read whole",
  source: "Jepsen's kafka workload (unseen writes, phantom reads)",
  needs: "reads",
  check(history, findings) {
    for (const log of history.logs.values()) {
      for (const index of log.reads) {
        const first = history.firstRow(index);
        const end = history.endRow(index);
        findings.look(end - first);
        for (let row = first; row < end; row++) {
          const number = history.value[row] as number;
          const sent = log.timestamp[number] as number;
          // A read may complete before the produce that it saw: the whole history counts.
          if ((log.firstSent[number] as number) < 0 || (sent >= 0 && sent !== history.timestamp[row]))
            notAsSent(history, log, index, row - first, findings);
        }
        if (history.read(index).manner === "audit" && !log.compacted) batchesAreWhole(history, log, index, findings);
      }
    }
  },
};

function notAsSent(history: IndexedHistory, log: LogIndex, index: number, place: number, findings: Findings): void {
  const read = history.read(index);
  const { value, offset, timestamp } = read.records[place] as ReadRecord;
  const number = history.value[history.firstRow(index) + place] as number;
  const sentBy = log.firstSent[number] as number;
  findings.violated(log.name, [index, sentBy], () =>
    sentBy < 0
      ? `'${value}' at ${offset} was never sent to ${log.name}: ${tell(read)}`
      : `'${value}' at ${offset} was sent with timestamp ${log.timestamp[number]} and read with ${timestamp}: ${tell(read)}`,
  );
}

/** A stamped append is one batch: its records lie side by side, from the first to the last. */
function batchesAreWhole(history: IndexedHistory, log: LogIndex, index: number, findings: Findings): void {
  const read = history.read(index);
  const first = history.firstRow(index);
  const end = history.endRow(index);
  const violated = (sentBy: number, part: string): void =>
    findings.violated(
      log.name,
      [index, sentBy],
      () => `only ${part} is stored of one batch: ${tell(history.event(sentBy))}; ${tell(read)}`,
    );
  /** Whether the record there is the one of the batch at a place of it. */
  const holds = (row: number, sentBy: number, place: number): boolean => {
    if (row < first || row >= end) return false;
    const number = history.value[row] as number;
    return log.firstSent[number] === sentBy && log.place[number] === place;
  };
  for (let row = first; row < end; row++) {
    const number = history.value[row] as number;
    const sentBy = log.firstSent[number] as number;
    if (sentBy < 0) continue;
    const { producer, records } = history.produced(sentBy);
    if (producer === undefined || records.length === 1) continue;
    const place = log.place[number] as number;
    const cutByStart = row === first && (history.offset[row] as number) - place < read.logStartOffset;
    if (place > 0 && !holds(row - 1, sentBy, place - 1) && !cutByStart) violated(sentBy, "an end");
    if (place < records.length - 1 && !holds(row + 1, sentBy, place + 1)) violated(sentBy, "a beginning");
  }
}
