// Processes that append without a stamp, as records or as batches, and conditional appends.
//
// Owns: which outcome each record of a request has.

import type { Outcome } from "../history.ts";
import type { CommandTo } from "../plan.ts";
import type { Random } from "../random.ts";
import { concatenate, encodeBatch, type RecordToSend, valueBytes } from "../records.ts";
import type { LogPlace, Stage } from "./stage.ts";

export class Producers {
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  produce(command: CommandTo<"produce">, chance: Random): void {
    const log = this.#stage.log(command.log);
    if (log === null) return;
    const process = `p${command.process}`;
    const records = this.#stage.records(process, command.sizes, command.shiftMs);
    const { acks } = command;
    // Now and then without a timestamp: the broker's clock gives one.
    const timed = chance.chance(0.8);
    this.#stage.invoke(
      `produce by ${process} to ${log.name}`,
      () =>
        this.#stage.broker.produce(
          log.topic,
          records.map(({ value, sizeBytes, timestamp }) => ({
            value: valueBytes(value, sizeBytes),
            ...(timed ? { timestamp } : {}),
          })),
          { acks, partition: log.partition },
        ),
      (answer, invokedAt) => {
        const sent = timed ? records : records.map((record) => ({ ...record, timestamp: -1 }));
        if (answer.outcome !== "ok")
          return this.#stage.pushProduced(process, log, acks, sent, invokedAt, {
            outcome: answer.outcome,
            code: answer.code,
            divisible: true,
          });
        // Each record has an outcome of its own: what did not fit one batch may have landed without the rest.
        const outcomes = answer.value.map(
          (result): Outcome =>
            "error" in result ? (result.error.effect === "none" ? "fail" : "info") : acks === "none" ? "info" : "ok",
        );
        for (const outcome of ["ok", "info", "fail"] as const) {
          const places = [...outcomes.keys()].filter((place) => outcomes[place] === outcome);
          if (places.length === 0) continue;
          const results = places.map((place) => answer.value[place] as (typeof answer.value)[number]);
          const code = results.flatMap((result) => ("error" in result ? [result.error.code] : []))[0];
          this.#stage.pushProduced(
            process,
            log,
            acks,
            places.map((place) => sent[place] as RecordToSend),
            invokedAt,
            {
              outcome,
              divisible: records.length > 1,
              ...(code === undefined ? {} : { code }),
              ...(outcome === "ok"
                ? { offsets: results.flatMap((result) => ("offset" in result ? [result.offset] : [])) }
                : {}),
            },
          );
        }
      },
    );
  }

  append(command: CommandTo<"append">): void {
    const log = this.#stage.log(command.log);
    if (log === null) return;
    const process = `p${command.process}`;
    const batches = command.batches.map((sizes) => this.#stage.records(process, sizes, command.shiftMs));
    this.#append(process, log, batches, command.acks);
  }

  conditional(command: CommandTo<"conditional">): void {
    const log = this.#stage.log(command.log);
    if (log === null) return;
    const process = `c${command.process}`;
    const expectedEndOffset = this.#stage.end(log) + command.beyond;
    if (expectedEndOffset < 0) return;
    this.#append(process, log, [this.#stage.records(process, command.sizes, 0)], "all", expectedEndOffset);
  }

  #append(
    process: string,
    log: LogPlace,
    batches: readonly (readonly RecordToSend[])[],
    acks: "all" | "leader" | "none",
    expectedEndOffset?: number,
  ): void {
    const records = batches.flat();
    this.#stage.invoke(
      `append by ${process} to ${log.name}`,
      () =>
        this.#stage.broker.appendBatches(
          log.topic,
          log.partition,
          concatenate(batches.map((batch) => encodeBatch(batch))),
          {
            acks,
            ...(expectedEndOffset === undefined ? {} : { expectedEndOffset }),
          },
        ),
      (answer, invokedAt) =>
        this.#stage.pushProduced(process, log, acks, records, invokedAt, {
          outcome: acks === "none" && answer.outcome === "ok" ? "info" : answer.outcome,
          ...(expectedEndOffset === undefined ? {} : { expectedEndOffset }),
          ...(answer.outcome === "ok"
            ? acks === "none"
              ? {}
              : { offsets: records.map((_, index) => answer.value.baseOffset + index) }
            : { code: answer.code }),
        }),
    );
  }
}
