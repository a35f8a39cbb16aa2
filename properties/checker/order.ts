// Every process sees time go one way.
//
// Owns: correctness.md A 3 and 4, the cursor of A 20, and the monotone half of A 8.
// Never: compares answers that overtook each other: an answer is held against those that
//   came before it was asked for.

import type { History, HistoryEvent, Invariant, LogName } from "../history.ts";
import { tell } from "../history.ts";

export const sendsInOrder: Invariant = {
  name: "A3: what one process sent to a partition lies there in the order of sending",
  source: "Jepsen's kafka workload (nonmonotonic-send)",
  check(history: History): string[] {
    const messages: string[] = [];
    const sends = new Map<string, { invokedAt: number; index: number; divisible: boolean }>();
    history.forEach((event, index) => {
      if (event.kind !== "produce") return;
      for (const { value } of event.records)
        sends.set(`${event.log} ${value}`, { invokedAt: event.invokedAt, index, divisible: event.divisible === true });
    });
    for (const event of history) {
      if (event.kind !== "read" || event.manner !== "audit" || event.outcome !== "ok") continue;
      const last = new Map<string, { number: number; value: string }>();
      for (const record of event.records) {
        const split = record.value.lastIndexOf(".");
        const process = record.value.slice(0, split);
        const number = Number.parseInt(record.value.slice(split + 1), 10);
        const before = last.get(process);
        if (before !== undefined && before.number >= number) {
          const [early, late] = [sends.get(`${event.log} ${record.value}`), sends.get(`${event.log} ${before.value}`)];
          const interleaved =
            early !== undefined &&
            late !== undefined &&
            late.invokedAt <= early.index &&
            (early.divisible || late.divisible);
          if (!interleaved) messages.push(`'${record.value}' lies after '${before.value}': ${tell(event)}`);
        }
        last.set(process, { number, value: record.value });
      }
    }
    return messages;
  },
};

export const pollsInOrder: Invariant = {
  name: "A3 A20: a cursor never skips and never repeats",
  source: "Jepsen's kafka workload (nonmonotonic-poll, int-poll-skip)",
  check(history: History): string[] {
    const messages: string[] = [];
    const cursors = new Map<string, number>();
    for (const event of history) {
      if (event.kind !== "read" || event.manner !== "cursor") continue;
      const key = `${event.process} ${event.log}`;
      const expected = cursors.get(key);
      if (event.outcome !== "ok") {
        // Records below the log start are gone; the process starts anew there.
        if (event.code === "OFFSET_OUT_OF_RANGE") {
          if (event.from >= event.logStartOffset && event.from <= event.highWatermark) {
            messages.push(
              `a cursor at ${event.from} was refused as out of range though the log is ${event.logStartOffset}..${event.highWatermark}: ${tell(event)}`,
            );
          }
          cursors.delete(key);
        }
        continue;
      }
      if (expected !== undefined && event.from !== expected)
        messages.push(`the cursor stood at ${expected} and was asked from ${event.from}: ${tell(event)}`);
      const first = event.records[0];
      if (first !== undefined && first.offset !== event.from)
        messages.push(`the cursor stood at ${event.from} and got offset ${first.offset}: ${tell(event)}`);
      if (first === undefined && event.nextOffset !== event.from)
        messages.push(`the cursor moved from ${event.from} to ${event.nextOffset} without a record: ${tell(event)}`);
      if (event.nextOffset < event.from) messages.push(`the cursor went back: ${tell(event)}`);
      cursors.set(key, event.nextOffset);
    }
    return messages;
  },
};

interface Bounds {
  readonly log: LogName;
  readonly logStartOffset: number;
  readonly highWatermark: number;
}

function bounds(event: HistoryEvent): Bounds | null {
  if (event.kind === "read" && event.outcome === "ok") return event;
  if (event.kind === "describe" && event.state !== "offline") return event;
  return null;
}

export const boundsOrdered: Invariant = {
  name: "A4: logStartOffset <= lastStableOffset <= highWatermark <= logEndOffset",
  source: "Kafka's kip_966_properties.tla; UnifiedLog",
  check(history: History): string[] {
    const messages: string[] = [];
    for (const event of history) {
      if (event.kind === "describe" && event.state !== "offline") {
        const { logStartOffset, lastStableOffset, highWatermark, logEndOffset } = event;
        if (
          !(
            0 <= logStartOffset &&
            logStartOffset <= lastStableOffset &&
            lastStableOffset <= highWatermark &&
            highWatermark <= logEndOffset
          )
        ) {
          messages.push(
            `log start ${logStartOffset}, last stable ${lastStableOffset}, high watermark ${highWatermark}, log end ${logEndOffset}: ${tell(event)}`,
          );
        }
      } else if (event.kind === "read" && event.outcome === "ok" && event.logStartOffset > event.highWatermark) {
        messages.push(
          `log start ${event.logStartOffset} is beyond the high watermark ${event.highWatermark}: ${tell(event)}`,
        );
      }
    }
    return messages;
  },
};

export const boundsMonotone: Invariant = {
  name: "A4 A8: the exposed high watermark and the log start offset never go back, through crashes too",
  source: "Kafka's kip_966_properties.tla (ConsumedHW); KAFKA-3253",
  check(history: History): string[] {
    const messages: string[] = [];
    /** By log: what had been answered when the history had this many events; rising on both sides. */
    const seen = new Map<
      LogName,
      {
        start: (Bounds & { index: number; by: HistoryEvent })[];
        watermark: (Bounds & { index: number; by: HistoryEvent })[];
      }
    >();
    history.forEach((event, index) => {
      const now =
        bounds(event) ??
        (event.kind === "delete records" && event.outcome === "ok"
          ? { log: event.log, logStartOffset: event.logStartOffset ?? 0, highWatermark: -1 }
          : null);
      if (now === null) return;
      let past = seen.get(now.log);
      if (past === undefined) {
        past = { start: [], watermark: [] };
        seen.set(now.log, past);
      }
      const startBefore = past.start.findLast((entry) => entry.index < event.invokedAt);
      if (
        startBefore !== undefined &&
        startBefore.logStartOffset > now.logStartOffset &&
        event.kind !== "delete records"
      ) {
        messages.push(
          `${now.log}: the log start offset went back from ${startBefore.logStartOffset} (${tell(startBefore.by)}) to ${now.logStartOffset}: ${tell(event)}`,
        );
      }
      const watermarkBefore = past.watermark.findLast((entry) => entry.index < event.invokedAt);
      if (
        now.highWatermark >= 0 &&
        watermarkBefore !== undefined &&
        watermarkBefore.highWatermark > now.highWatermark
      ) {
        messages.push(
          `${now.log}: the high watermark went back from ${watermarkBefore.highWatermark} (${tell(watermarkBefore.by)}) to ${now.highWatermark}: ${tell(event)}`,
        );
      }
      const entry = { ...now, index, by: event };
      if (now.logStartOffset > (past.start.at(-1)?.logStartOffset ?? -1)) past.start.push(entry);
      if (now.highWatermark > (past.watermark.at(-1)?.highWatermark ?? -1)) past.watermark.push(entry);
    });
    return messages;
  },
};
