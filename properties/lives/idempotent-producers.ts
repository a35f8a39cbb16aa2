// Idempotent producers as clients write them: one goes on only after what it sent was acknowledged.
//
// Owns: their ids, epochs and sequences, and when they send what they should not.

import type { LogName, Outcome } from "../history.ts";
import type { CommandTo } from "../plan.ts";
import { encodeBatch, type RecordToSend, type Stamp, valueBytes } from "../records.ts";
import type { Answer, LogPlace, Stage } from "./stage.ts";

interface SentBatch {
  readonly epoch: number;
  readonly sequence: number;
  readonly records: readonly RecordToSend[];
  outcome: Outcome | "pending";
}

interface Sender {
  readonly id: number;
  epoch: number;
  readonly logs: Map<LogName, SentToLog>;
}

interface SentToLog {
  nextSequence: number;
  readonly sent: SentBatch[];
}

const sequences = 2 ** 31;

export class IdempotentProducers {
  readonly #stage: Stage;
  readonly #senders: (Sender | null)[] = [null, null, null];

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  allocateAll(): void {
    for (const producer of this.#senders.keys()) this.allocate(producer);
  }

  allocate(producer: number): void {
    this.#stage.invoke(
      "allocate a producer",
      () => this.#stage.broker.allocateProducer(),
      (answer, invokedAt) => {
        this.#stage.push(
          {
            kind: "allocate producer",
            outcome: answer.outcome,
            ...(answer.outcome === "ok" ? { producerId: answer.value.producerId } : {}),
          },
          invokedAt,
        );
        if (answer.outcome === "ok")
          this.#senders[producer] = {
            id: answer.value.producerId,
            epoch: answer.value.producerEpoch,
            logs: new Map(),
          };
      },
    );
  }

  send(command: CommandTo<"send">): void {
    const log = this.#stage.log(command.log);
    if (log === null) return;
    const client = this.#senders[command.producer];
    if (client === null || client === undefined) return this.allocate(command.producer);
    const name = `i${command.producer}`;
    let state = logStateOf(client, log, command.producer);
    let batch: SentBatch | undefined;
    let stray: Stamp | null = null;
    const acknowledged = state.sent.filter((sent) => sent.outcome === "ok" && sent.epoch === client.epoch);
    let { manner } = command;
    if (manner === "retry") {
      // One that has no answer yet, too: a client that lost its connection sends it again.
      batch = state.sent
        .filter((sent) => (sent.outcome === "ok" || sent.outcome === "pending") && sent.epoch === client.epoch)
        .at(-command.back);
      if (batch === undefined) manner = "next";
    }
    if (manner === "gap" && acknowledged.length > 0)
      stray = { id: client.id, epoch: client.epoch, sequence: (state.nextSequence + 3) % sequences };
    if (manner === "old epoch" && client.epoch > 0 && acknowledged.length > 0)
      stray = { id: client.id, epoch: client.epoch - 1, sequence: state.nextSequence };
    if (manner === "new epoch" && state.sent.every((sent) => sent.outcome !== "pending")) {
      this.#bumpEpoch(client);
      state = logStateOf(client, log, command.producer);
    }
    if (stray === null && batch === undefined)
      batch = state.sent.find(
        (sent) => sent.epoch === client.epoch && (sent.outcome === "fail" || sent.outcome === "info"),
      );
    const retry = batch !== undefined;
    if (stray === null && batch === undefined) {
      batch = {
        epoch: client.epoch,
        sequence: state.nextSequence,
        records: this.#stage.records(`${name}x${client.id}e${client.epoch}`, command.sizes, 0),
        outcome: "pending",
      };
      state.nextSequence = (state.nextSequence + command.sizes.length) % sequences;
      state.sent.push(batch);
    }
    const records = batch?.records ?? this.#stage.records(`${name}stray`, command.sizes, 0);
    const stamp = stray ?? { id: client.id, epoch: batch?.epoch ?? client.epoch, sequence: batch?.sequence ?? 0 };
    if (batch !== undefined && batch.outcome !== "ok") batch.outcome = "pending";
    const sent = batch;
    // Each epoch counts its values anew.
    const process = batch === undefined ? `${name}stray` : `${name}x${client.id}e${batch.epoch}`;
    const { acks } = command;
    const ended = (
      answer: Answer<{ readonly offset: number; readonly duplicate: boolean }>,
      invokedAt: number,
    ): void => {
      this.#stage.pushProduced(process, log, acks, records, invokedAt, {
        producer: stamp,
        retry,
        outcome: answer.outcome,
        ...(answer.outcome === "ok"
          ? { offsets: records.map((_, index) => answer.value.offset + index), duplicate: answer.value.duplicate }
          : { code: answer.code }),
      });
      if (sent === undefined || sent.outcome === "ok") return;
      sent.outcome = answer.outcome;
      // Its place is lost (a crash took an acks=leader batch before it, or it was refused for good): begin anew.
      if (answer.outcome === "fail" && answer.code !== "KAFKA_STORAGE_ERROR" && sent.epoch === client.epoch)
        this.#bumpEpoch(client);
    };
    if (command.raw) {
      this.#stage.invoke(
        `append by ${name} to ${log.name}`,
        async () => {
          const { baseOffset, duplicate } = await this.#stage.broker.appendBatches(
            log.topic,
            log.partition,
            encodeBatch(records, stamp),
            { acks },
          );
          return { offset: baseOffset, duplicate };
        },
        ended,
      );
    } else {
      this.#stage.invoke(
        `produce by ${name} to ${log.name}`,
        async () => {
          const results = await this.#stage.broker.produce(
            log.topic,
            records.map(({ value, sizeBytes, timestamp }) => ({ value: valueBytes(value, sizeBytes), timestamp })),
            {
              acks,
              partition: log.partition,
              producer: { producerId: stamp.id, producerEpoch: stamp.epoch, sequence: stamp.sequence },
            },
          );
          const first = results[0];
          if (first === undefined || "error" in first) throw first?.error ?? new Error("no result");
          return first;
        },
        ended,
      );
    }
  }

  /** A producer that cannot go on takes the next epoch, on every partition, and begins at 0. */
  #bumpEpoch(client: Sender): void {
    client.epoch++;
    client.logs.clear();
  }
}

function logStateOf(client: Sender, log: LogPlace, producer: number): SentToLog {
  let state = client.logs.get(log.name);
  if (state === undefined) {
    // The third producer begins where its sequences will soon wrap.
    state = { nextSequence: producer === 2 && client.epoch === 0 ? sequences - 3 : 0, sent: [] };
    client.logs.set(log.name, state);
  }
  return state;
}
