// Readers: some read anywhere, some follow a log, some take their time with the bytes that they were lent.
//
// Owns: cursors, and lent bytes until they are given back.

import type { CommandTo } from "../plan.ts";
import { recordsOf, valueName } from "../records.ts";
import type { FetchedPartition } from "../subject.ts";
import type { LogPlace, Stage } from "./stage.ts";

export class Readers {
  readonly #stage: Stage;
  readonly #cursors: Map<string, number> = new Map();
  readonly #following: Set<string> = new Set();

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Nobody waits any more: the life has ended. */
  forget(): void {
    this.#following.clear();
  }

  fetch(command: CommandTo<"fetch">): void {
    const log = this.#stage.log(command.log);
    if (log === null) return;
    const { earliest, latest } = this.#stage.broker.offsets(log.topic, log.partition);
    const from = Math.round(earliest + ((latest - earliest) * command.percent) / 100);
    this.#read(`r${command.process}`, log, from, command.raw ? "raw" : "fetch", command.limit, 0, () => {});
  }

  follow(command: CommandTo<"follow">): void {
    const log = this.#stage.log(command.log);
    if (log === null) return;
    const process = `f${command.process}`;
    const key = `${process} ${log.name}`;
    if (this.#following.has(key)) return;
    this.#following.add(key);
    const from = this.#cursors.get(key) ?? this.#stage.broker.offsets(log.topic, log.partition).earliest;
    this.#read(process, log, from, "cursor", command.limit, command.waitMs, (nextOffset) => {
      this.#following.delete(key);
      if (nextOffset === null) this.#cursors.delete(key);
      else this.#cursors.set(key, nextOffset);
    });
  }

  #read(
    process: string,
    log: LogPlace,
    from: number,
    manner: "cursor" | "fetch" | "raw",
    limit: number,
    maxWaitMs: number,
    ended: (nextOffset: number | null) => void,
  ): void {
    this.#stage.invoke(
      `read by ${process} of ${log.name}`,
      async () => {
        if (manner !== "raw") {
          const fetched = await this.#stage.broker.fetchRecords(log.topic, log.partition, {
            offset: from,
            limit,
            maxWaitMs,
          });
          return {
            ...fetched,
            records: fetched.records.map(({ offset, timestamp, value }) => ({
              offset,
              timestamp,
              value: valueName(value),
            })),
          };
        }
        const [fetched] = await this.#stage.broker.fetchBatches(
          [{ topic: log.topic, partition: log.partition, offset: from, maxBytes: limit * 50 }],
          { maxWaitMs, pooled: true },
        );
        if (fetched === undefined || fetched.error !== undefined)
          throw fetched?.error ?? new Error("no answer for the partition");
        this.#holdLent(log, from, fetched);
        return { ...fetched, records: recordsOf(fetched.bytes) };
      },
      (answer, invokedAt) => {
        if (answer.outcome === "ok") {
          const { records, logStartOffset, highWatermark, nextOffset } = answer.value;
          this.#stage.push(
            {
              kind: "read",
              process,
              log: log.name,
              manner,
              from,
              outcome: "ok",
              records,
              logStartOffset,
              highWatermark,
              nextOffset,
            },
            invokedAt,
          );
          ended(nextOffset);
        } else {
          const now = this.#stage.answers ? this.#stage.offsets(log) : null;
          // No answer is no event for a reader: it asks again from where it was.
          if (answer.outcome === "fail" && now !== null) {
            this.#stage.push(
              {
                kind: "read",
                process,
                log: log.name,
                manner,
                from,
                outcome: "fail",
                code: answer.code,
                records: [],
                logStartOffset: now.earliest,
                highWatermark: now.latest,
                nextOffset: from,
              },
              invokedAt,
            );
          }
          ended(answer.code === "OFFSET_OUT_OF_RANGE" ? null : from);
        }
      },
    );
  }

  /** Gives lent bytes back as a slow peer does: when others have long fetched and appended. */
  #holdLent(log: LogPlace, from: number, { bytes, release }: FetchedPartition): void {
    if (bytes.length === 0) return;
    const expected = bytes.slice();
    // Somebody else's bytes would come to lie there, were the room free.
    const all = this.#stage.logs.map(({ topic, partition }) => ({ topic, partition, offset: 0 }));
    this.#stage.living?.fetchBatches(all, { pooled: true }).then(
      (parts) => {
        for (const part of parts) part.release();
      },
      () => {},
    );
    this.#stage.world.time.schedule(1 + (from % 4) * 40, () => {
      const intact = bytes.every((byte, at) => byte === expected[at]);
      this.#stage.push({ kind: "lent", log: log.name, from, intact });
      release();
    });
  }
}
