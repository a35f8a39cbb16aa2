// One offset, one value; no gaps; the same when read again.
//
// Owns: correctness.md A 1, 2 and 5.

import type { History, Invariant, LogName } from "../history.ts";
import { tell } from "../history.ts";
import { replay } from "../model.ts";

export const oneOffsetOneValue: Invariant = {
  name: "A1 A5: one (partition, offset) holds one value, over all sends, reads and lives",
  source: "Jepsen's kafka workload (tests/kafka.clj: inconsistent-offsets)",
  check(history: History): string[] {
    const messages: string[] = [];
    replay(history, (message, kind) => {
      if (kind === "changed") messages.push(message);
    });
    return messages;
  },
};

export const oneValueOneOffset: Invariant = {
  name: "A1 A15: one value is stored at one offset, however often an idempotent batch was sent",
  source: "Jepsen's kafka workload (duplicate); KIP-98",
  check(history: History): string[] {
    const messages: string[] = [];
    for (const event of history) {
      if (event.kind !== "read" || event.outcome !== "ok") continue;
      const offsets = new Map<string, number>();
      for (const record of event.records) {
        const earlier = offsets.get(record.value);
        if (earlier !== undefined)
          messages.push(`'${record.value}' is stored twice, at ${earlier} and ${record.offset}: ${tell(event)}`);
        offsets.set(record.value, record.offset);
      }
    }
    return messages;
  },
};

export const dense: Invariant = {
  name: "A2: offsets are dense",
  source: "Jepsen's kafka workload; Kafka's UnifiedLog.append (no control batches, aborted data or compaction here)",
  check(history: History): string[] {
    const messages: string[] = [];
    for (const event of history) {
      if (event.kind !== "read" || event.outcome !== "ok") continue;
      const first = event.records[0];
      if (
        first !== undefined &&
        event.manner !== "raw" &&
        first.offset !== Math.max(event.from, event.manner === "audit" ? event.logStartOffset : 0)
      ) {
        messages.push(`the first record is at ${first.offset}: ${tell(event)}`);
      }
      let expected = first?.offset ?? event.nextOffset;
      for (const record of event.records) {
        if (record.offset !== expected)
          messages.push(`offset ${expected} is missing before ${record.offset}: ${tell(event)}`);
        expected = record.offset + 1;
      }
      if (first !== undefined && event.nextOffset !== expected)
        messages.push(
          `the last record is at ${expected - 1} but the cursor stands at ${event.nextOffset}: ${tell(event)}`,
        );
      // Asking between the high watermark and the log end is answered with nothing, as Kafka does.
      if (expected > event.highWatermark && (first !== undefined || expected !== event.from))
        messages.push(`read past the high watermark: ${tell(event)}`);
      if (event.manner === "audit" && event.nextOffset !== event.highWatermark)
        messages.push(
          `everything was asked for and ${event.highWatermark - event.nextOffset} records did not come: ${tell(event)}`,
        );
    }
    return messages;
  },
};

export const sentAsRead: Invariant = {
  name: "A1: what is read was sent to this partition, with its timestamp, and a batch is read whole",
  source: "Jepsen's kafka workload (unseen writes, phantom reads)",
  check(history: History): string[] {
    const messages: string[] = [];
    const sent = new Map<string, { log: LogName; timestamp: number }>();
    const batches: { log: LogName; values: readonly string[] }[] = [];
    for (const event of history) {
      if (event.kind !== "produce") continue;
      for (const record of event.records)
        sent.set(`${event.log} ${record.value}`, { log: event.log, timestamp: record.timestamp });
      if (event.records.length > 1 && event.producer !== undefined)
        batches.push({ log: event.log, values: event.records.map((record) => record.value) });
    }
    for (const event of history) {
      if (event.kind !== "read" || event.outcome !== "ok") continue;
      const offsets = new Map<string, number>();
      for (const record of event.records) {
        const origin = sent.get(`${event.log} ${record.value}`);
        // A read may complete before the produce that it saw: the whole history counts.
        if (origin === undefined)
          messages.push(`'${record.value}' at ${record.offset} was never sent to ${event.log}: ${tell(event)}`);
        else if (origin.timestamp >= 0 && origin.timestamp !== record.timestamp) {
          messages.push(
            `'${record.value}' at ${record.offset} was sent with timestamp ${origin.timestamp} and read with ${record.timestamp}: ${tell(event)}`,
          );
        }
        offsets.set(record.value, record.offset);
      }
      if (event.manner !== "audit") continue;
      for (const batch of batches) {
        if (batch.log !== event.log) continue;
        const places = batch.values.map((value) => offsets.get(value));
        const last = places.at(-1);
        const first = places[0];
        if (last === undefined && first !== undefined)
          messages.push(`of the batch [${batch.values.join(", ")}] only a beginning is stored: ${tell(event)}`);
        if (first === undefined && last !== undefined && last - (batch.values.length - 1) >= event.logStartOffset) {
          messages.push(`of the batch [${batch.values.join(", ")}] only an end is stored: ${tell(event)}`);
        }
      }
    }
    return messages;
  },
};
