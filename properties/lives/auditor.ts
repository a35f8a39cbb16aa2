// Reads and looks up everything there is, when all is quiet.
//
// Owns: audits, whose failure is a finding.

import type { EpochSeen, HistoryEvent } from "../history.ts";
import { draw, type Random } from "../random.ts";
import { batchesOf, recordsOf, valueName } from "../records.ts";
import { type Answer, answerLimitMs, type LogPlace, type Stage } from "./stage.ts";

export class Auditor {
  readonly #stage: Stage;
  #audits = 0;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Waits until all is quiet, then reads and looks up everything there is. Power may go meanwhile. */
  async audit(): Promise<void> {
    const { world } = this.#stage;
    const settled = (): boolean =>
      this.#stage.logs.every((log) => {
        const described = this.#stage.describePartition(log);
        return described === null || described.state !== "online" || described.highWatermark === described.logEndOffset;
      });
    for (let tries = 0; tries < 40; tries++) {
      await world.time.until(() => world.crashed !== null, 25);
      if (world.crashed !== null) return;
      if (settled()) break;
    }
    const chance = draw(this.#stage.seed, "audit", this.#audits++);
    this.#stage.refreshLogs();
    this.#stage.push({ kind: "topics", ids: this.#stage.broker.listTopics().map((topic) => topic.id) });
    for (const log of this.#stage.logs) {
      const state = this.#stage.describe(log, true);
      if (state === "offline") continue;
      const timestamps = await this.#auditRead(log, chance);
      if (world.crashed !== null) return;
      if (timestamps === null) continue;
      for (let count = 0; count < 3; count++) {
        const timestamp = timestamps.length === 0 ? world.wallMs() : chance.pick(timestamps) + chance.pick([-1, 0, 1]);
        await this.#settled(
          `look up ${log.name}`,
          () => this.#stage.broker.offsetForTimestamp(log.topic, log.partition, timestamp),
          (value, invokedAt) =>
            this.#stage.push(
              { kind: "look up", log: log.name, timestamp, offset: value.offset, recordTimestamp: value.timestamp },
              invokedAt,
            ),
        );
        if (world.crashed !== null) return;
      }
    }
  }

  async #auditRead(log: LogPlace, chance: Random): Promise<number[] | null> {
    const raw = chance.chance(0.3);
    const maxBytes = chance.pick([100, 1000, 100_000]);
    const limit = chance.pick([1, 7, 1000]);
    const timestamps: number[] = [];
    const epochs: EpochSeen[] = [];
    const read = async (): Promise<Extract<HistoryEvent, { kind: "read" }>> => {
      const { earliest } = this.#stage.broker.offsets(log.topic, log.partition);
      const records = [];
      let offset = earliest;
      let highWatermark = earliest;
      let logStartOffset = earliest;
      for (;;) {
        if (raw) {
          const [fetched] = await this.#stage.broker.fetchBatches(
            [{ topic: log.topic, partition: log.partition, offset, maxBytes }],
            { maxWaitMs: 0 },
          );
          if (fetched === undefined || fetched.error !== undefined) throw fetched?.error ?? new Error("no answer");
          for (const { baseOffset, leaderEpoch } of batchesOf(fetched.bytes)) {
            const told = this.#stage.broker.leaderEpochAt(log.topic, log.partition, Math.max(baseOffset, earliest));
            epochs.push({ offset: baseOffset, written: leaderEpoch, told });
          }
          // The first batch may begin before the offset asked for.
          records.push(...recordsOf(fetched.bytes).filter((record) => record.offset >= offset));
          ({ highWatermark, logStartOffset } = fetched);
          if (fetched.nextOffset <= offset) break;
          offset = fetched.nextOffset;
        } else {
          const fetched = await this.#stage.broker.fetchRecords(log.topic, log.partition, {
            offset,
            limit,
            maxBytes,
            maxWaitMs: 0,
          });
          records.push(
            ...fetched.records.map(({ offset: at, timestamp, value }) => ({
              offset: at,
              timestamp,
              value: valueName(value),
            })),
          );
          ({ highWatermark, logStartOffset } = fetched);
          if (fetched.nextOffset <= offset) break;
          offset = fetched.nextOffset;
        }
      }
      timestamps.push(...records.map((record) => record.timestamp));
      return {
        kind: "read",
        process: "auditor",
        log: log.name,
        manner: "audit",
        from: earliest,
        outcome: "ok",
        records,
        logStartOffset,
        highWatermark,
        nextOffset: offset,
        atMs: 0,
        incarnation: 0,
        invokedAt: 0,
      };
    };
    const read_ = await this.#settled(`read all of ${log.name}`, read, (event, invokedAt) =>
      this.#stage.push(event, invokedAt),
    );
    if (read_ && epochs.length > 0) this.#stage.push({ kind: "epochs", log: log.name, batches: epochs });
    return read_ ? timestamps : null;
  }

  /** One operation by the auditor, whose failure is a finding. False when power went. */
  async #settled<T>(
    what: string,
    call: () => Promise<T>,
    ended: (value: T, invokedAt: number) => void,
  ): Promise<boolean> {
    let outcome: Answer<T> | null = null;
    let at = 0;
    let thrown: unknown;
    this.#stage.invoke(
      what,
      async () => {
        try {
          return await call();
        } catch (error) {
          thrown = error;
          throw error;
        }
      },
      (answer, invokedAt) => {
        outcome = answer as Answer<T>;
        at = invokedAt;
      },
    );
    const done = await this.#stage.world.time.until(
      () => outcome !== null || this.#stage.world.crashed !== null,
      answerLimitMs,
    );
    if (this.#stage.world.crashed !== null) return false;
    if (!done) this.#stage.stuck(`no answer to the auditor after ${answerLimitMs} ms: ${what}`);
    const answer = outcome as unknown as Answer<T>;
    if (answer.outcome !== "ok")
      this.#stage.stuck(`the auditor was refused, ${what}: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
    else ended(answer.value, at);
    return true;
  }
}
