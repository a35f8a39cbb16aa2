// Producers: plain ones, that never send again, and idempotent ones, that send until they know.
//
// Owns: what a producer does after each outcome. Never: judges.
//
// A plain process whose request has no answer ends, and another goes on in its place: what it sent
// may land at any later time, after what the next one sends.

import type { Outcome } from "../../history.ts";
import { concatenate, encodeBatch, type RecordToSend, type Stamp, valueBytes } from "../../records.ts";
import type { Answer } from "../client.ts";
import type { Channel } from "../network.ts";
import type { ActorWorld, LogPlace } from "./actor.ts";

export type Acks = "all" | "leader" | "none";

export interface ProducerTraits {
  readonly name: string;
  readonly log: LogPlace;
  readonly operations: number;
  readonly everyMs: number;
  readonly acks: Acks;
  /** Batches on their way at once, in order; plain producers that say nothing send one after the other. */
  readonly window?: number;
  /** Its records are so old already: what copies another log sends such. */
  readonly behindMs?: number;
}

const sequences = 2 ** 31;

/** One batch of them fits the smallest segment that is configured. Bytes. */
const mostBytes = 480;

function drawRecords(
  world: ActorWorld,
  { log, behindMs = 0 }: Pick<ProducerTraits, "log" | "behindMs">,
  process: string,
  from: number,
): RecordToSend[] {
  const chance = world.client.chance();
  const count = 1 + Math.floor(chance.next() * chance.next() * 8);
  let room = mostBytes;
  return Array.from({ length: count }, (_, index) => {
    const sizeBytes = Math.min(room, chance.chance(0.8) ? chance.below(60) : chance.below(400));
    room = Math.max(0, room - sizeBytes - 25);
    const shiftMs = chance.chance(0.2) ? chance.below(600_000) - 300_000 : 0;
    const record = { value: `${process}.${from + index}`, sizeBytes, timestamp: world.wallMs() - behindMs + shiftMs };
    if (!log.compacted) return record;
    return { ...record, key: `k${chance.below(12)}`, ...(chance.chance(0.15) ? { tombstone: true } : {}) };
  });
}

function recordProduced(
  world: ActorWorld,
  log: LogPlace,
  event: {
    readonly process: string;
    readonly acks: Acks;
    readonly records: readonly RecordToSend[];
    readonly invokedAt: number;
    readonly outcome: Outcome;
    readonly code?: string;
    readonly offsets?: readonly number[];
    readonly duplicate?: boolean;
    readonly producer?: Stamp;
    readonly retry?: boolean;
    readonly expectedEndOffset?: number;
  },
): void {
  const { invokedAt, records, ...rest } = event;
  const produced = records.map(({ value, timestamp, key, tombstone }) => ({
    ...{ value, timestamp: log.appendTime ? -1 : timestamp },
    ...(key === undefined ? {} : { key }),
    ...(tombstone === true ? { tombstone } : {}),
  }));
  world.recorder.push({ kind: "produce", log: log.name, records: produced, ...rest }, invokedAt);
}

/** An acknowledgement that a loss of power may break promises nothing once it has gone. */
function promises(isStale: boolean, acks: Acks): boolean {
  return acks === "all" || (acks === "leader" && !isStale);
}

/** Sends each batch once, several at a time on one connection. */
export async function pipelinedProducer(world: ActorWorld, traits: ProducerTraits): Promise<void> {
  const { client, recorder } = world;
  const { log, acks, window = 1 } = traits;
  const channel: Channel = { lastArrivalMs: 0 };
  let life = 0;
  let sent = 0;
  for (let operation = 0; operation < traits.operations && !world.isHealed(); operation += window) {
    await client.pause(traits.everyMs);
    const process = `${traits.name}-${life}`;
    const send = async (): Promise<Outcome> => {
      const records = drawRecords(world, traits, process, sent);
      sent += records.length;
      const invokedAt = recorder.now;
      client.begins();
      const answer = await client.ask(
        `produce by ${process} to ${log.name}`,
        (broker) => broker.appendBatches(log.topic, log.partition, encodeBatch(records), { acks }),
        { channel },
      );
      const isOk = answer.outcome === "ok" && promises(answer.isStale, acks);
      const outcome = answer.outcome === "ok" && !isOk ? "info" : answer.outcome;
      recordProduced(world, log, {
        ...{ process, acks, records, invokedAt, outcome },
        ...(answer.outcome === "ok" ? {} : { code: answer.code }),
        ...(isOk && answer.outcome === "ok" ? { offsets: records.map((_, at) => answer.value.baseOffset + at) } : {}),
      });
      return outcome;
    };
    const outcomes = await Promise.all(Array.from({ length: window }, send));
    if (outcomes.includes("info")) life += 1;
  }
}

/** Sends each batch once. Some of its appends say where the log must end. */
export async function plainProducer(world: ActorWorld, traits: ProducerTraits): Promise<void> {
  const { client } = world;
  const { log, acks } = traits;
  let life = 0;
  let sent = 0;
  /** Where the log ended when it was last heard of. */
  let end: number | null = null;
  for (let operation = 0; operation < traits.operations && !world.isHealed(); operation++) {
    const chance = client.chance();
    await client.sleep(traits.everyMs * (0.5 + chance.next()));
    const process = `${traits.name}-${life}`;
    const records = drawRecords(world, traits, process, sent);
    sent += records.length;
    const expectedEndOffset: number | null =
      end !== null && acks === "all" && chance.chance(0.2) ? end + (chance.chance(0.1) ? 1 : 0) : null;
    const split = records.length > 1 && expectedEndOffset === null && chance.chance(0.3) ? 1 : records.length;
    const run = concatenate(
      [records.slice(0, split), records.slice(split)]
        .filter(({ length }) => length > 0)
        .map((part) => encodeBatch(part)),
    );
    const asRecords = split === records.length && expectedEndOffset === null && !log.compacted && chance.chance(0.5);
    const invokedAt = world.recorder.now;
    client.begins();
    const answer: Answer<{ readonly baseOffset: number }> = await client.ask(
      `produce by ${process} to ${log.name}`,
      async (broker) => {
        if (!asRecords)
          return broker.appendBatches(log.topic, log.partition, run, {
            acks,
            ...(expectedEndOffset === null ? {} : { expectedEndOffset }),
          });
        const results = await broker.produce(
          log.topic,
          records.map(({ value, sizeBytes, timestamp }) => ({ value: valueBytes(value, sizeBytes), timestamp })),
          { acks, partition: log.partition },
        );
        const first = results[0];
        if (first === undefined || "error" in first) throw first?.error ?? new Error("no result");
        return { baseOffset: first.offset };
      },
      { once: true },
    );
    const isOk = answer.outcome === "ok" && promises(answer.isStale, acks);
    const outcome = answer.outcome === "ok" && !isOk ? "info" : answer.outcome;
    recordProduced(world, log, {
      ...{ process, acks, records, invokedAt, outcome },
      ...(expectedEndOffset === null ? {} : { expectedEndOffset }),
      ...(answer.outcome === "ok" ? {} : { code: answer.code }),
      ...(isOk && answer.outcome === "ok" ? { offsets: records.map((_, at) => answer.value.baseOffset + at) } : {}),
    });
    end = answer.outcome === "ok" && isOk ? answer.value.baseOffset + records.length : null;
    if (outcome === "info") life += 1;
  }
}

interface Batch {
  readonly stamp: Stamp;
  readonly records: readonly RecordToSend[];
  attempts: number;
  outcome: Outcome | "new";
  code: string;
}

export interface IdempotentTraits extends ProducerTraits {
  /** Batches on their way at once. */
  readonly window: number;
  /** On one connection, in order; else each may overtake the others. */
  readonly inOrder: boolean;
  /** Its first sequence: near the end, they soon begin anew. */
  readonly firstSequence: number;
  /** Falls silent for long now and then, and sends its last batch once more before it goes on. */
  readonly doubts?: boolean;
  /** Another process takes over its id now and then, and it goes on for a batch as if nothing had happened. */
  readonly zombies?: boolean;
}

const neverAgain: ReadonlySet<string> = new Set([
  "OUT_OF_ORDER_SEQUENCE_NUMBER",
  "INVALID_PRODUCER_EPOCH",
  "UNKNOWN_PRODUCER_ID",
  "DUPLICATE_SEQUENCE_NUMBER",
]);
const mostAttempts = 400;
/** Of a log whose bytes changed, and that may be refused for ever. */
const fewAttempts = 20;

/** Sends each batch until it is acknowledged; when its place is lost, it takes the next epoch. */
export class IdempotentProducer {
  readonly #world: ActorWorld;
  readonly #traits: IdempotentTraits;
  readonly #channel: Channel = { lastArrivalMs: 0 };
  #id = 0;
  #epoch = 0;
  #sequence: number;
  #sent = 0;
  #last: Batch | null = null;

  constructor(world: ActorWorld, traits: IdempotentTraits) {
    this.#world = world;
    this.#traits = traits;
    this.#sequence = traits.firstSequence;
  }

  async run(): Promise<void> {
    if (!(await this.#allocate())) return;
    const { client } = this.#world;
    const { operations, everyMs, doubts, zombies } = this.#traits;
    // Of those before the last one a log that was compacted may know nothing, once its snapshots are lost.
    const window = doubts === true ? 1 : this.#traits.window;
    for (let operation = 0; operation < operations && !this.#world.isHealed(); ) {
      await client.pause(everyMs);
      const batches: Batch[] = [];
      const wanted = 1 + client.chance().below(window);
      while (batches.length < wanted) batches.push(this.#next());
      operation += wanted;
      await Promise.all(batches.map((batch) => this.#send(batch)));
      if (!(await this.#bringToAnEnd(batches))) return;
      if (doubts === true && client.chance().chance(0.1)) await this.#doubt();
      if (zombies === true && client.chance().chance(0.2)) await this.#takeOver();
    }
    if (doubts === true) await this.#doubt();
  }

  /** What became of the last one? */
  async #doubt(): Promise<void> {
    const { client, isHealed } = this.#world;
    const deadlineMs = client.scheduler.nowMs + 2000 + 18_000 * client.chance().next();
    while (!isHealed() && client.scheduler.nowMs < deadlineMs) await client.sleep(500);
    if (this.#last !== null) await this.#send(this.#last);
  }

  /** The next epoch is another process, which has begun when the one before sends its next batch. */
  async #takeOver(): Promise<void> {
    const { client, coverage } = this.#world;
    const left = { epoch: this.#epoch, sequence: this.#sequence };
    this.#epoch += 1;
    this.#sequence = 0;
    const first = this.#next();
    await this.#send(first);
    if (!(await this.#bringToAnEnd([first]))) return;
    const [epoch, sequence] = [this.#epoch, this.#sequence];
    [this.#epoch, this.#sequence] = [left.epoch, left.sequence];
    const stray = this.#next();
    [this.#epoch, this.#sequence] = [epoch, sequence];
    await client.sleep(50 * client.chance().next());
    await this.#send(stray);
    coverage.add(`batches of a producer that was taken over from: ${stray.outcome} ${stray.code}`.trimEnd());
  }

  async #allocate(): Promise<boolean> {
    const { client, recorder } = this.#world;
    for (let attempt = 0; attempt < mostAttempts; attempt++) {
      const invokedAt = recorder.now;
      client.begins();
      const answer = await client.ask("allocate a producer", (broker) => broker.allocateProducer());
      recorder.push(
        {
          kind: "allocate producer",
          outcome: answer.outcome,
          ...(answer.outcome === "ok" ? { producerId: answer.value.producerId } : {}),
        },
        invokedAt,
      );
      if (answer.outcome === "ok") {
        this.#id = answer.value.producerId;
        return true;
      }
      await client.sleep(300);
    }
    return false;
  }

  #next(): Batch {
    const process = `${this.#traits.name}x${this.#id}e${this.#epoch}`;
    const records = drawRecords(this.#world, this.#traits, process, this.#sent);
    this.#sent += records.length;
    const stamp = { id: this.#id, epoch: this.#epoch, sequence: this.#sequence };
    this.#sequence = (this.#sequence + records.length) % sequences;
    return { stamp, records, attempts: 0, outcome: "new", code: "" };
  }

  /** In order, one after the other, what was not acknowledged; false when it is given up. */
  async #bringToAnEnd(batches: readonly Batch[]): Promise<boolean> {
    const { client, coverage } = this.#world;
    for (const batch of batches) {
      while (batch.outcome !== "ok") {
        // The one before it is stored, so that it is not out of order: its place is lost.
        if (batch.attempts > 1 && batch.outcome === "fail" && neverAgain.has(batch.code)) {
          this.#epoch += 1;
          this.#sequence = 0;
          coverage.add("producer epochs bumped by clients");
          return true;
        }
        const most = this.#world.isDamaged(this.#traits.log.name) ? fewAttempts : mostAttempts;
        if (batch.attempts >= most) return false;
        await client.sleep(50 + 400 * client.chance().next());
        await this.#send(batch);
      }
      this.#last = batch;
      // Sometimes what was acknowledged is sent again all the same: the answer was not believed.
      if (client.chance().chance(0.05)) await this.#send(batch);
    }
    return true;
  }

  async #send(batch: Batch): Promise<void> {
    const { client, recorder } = this.#world;
    const { name, log, inOrder } = this.#traits;
    const { stamp, records } = batch;
    const acks = this.#traits.acks === "none" ? "all" : this.#traits.acks;
    const retry = batch.attempts > 0;
    batch.attempts += 1;
    const asRecords = !log.compacted && client.chance().chance(0.3);
    const invokedAt = recorder.now;
    client.begins();
    const answer = await client.ask(
      `produce by ${name} to ${log.name}`,
      async (broker): Promise<{ readonly offset: number; readonly duplicate: boolean }> => {
        if (!asRecords) {
          const { baseOffset, duplicate } = await broker.appendBatches(
            log.topic,
            log.partition,
            encodeBatch(records, stamp),
            { acks },
          );
          return { offset: baseOffset, duplicate };
        }
        const results = await broker.produce(
          log.topic,
          records.map(({ value, sizeBytes, timestamp }) => ({ value: valueBytes(value, sizeBytes), timestamp })),
          {
            ...{ acks, partition: log.partition },
            producer: { producerId: stamp.id, producerEpoch: stamp.epoch, sequence: stamp.sequence },
          },
        );
        const first = results[0];
        if (first === undefined || "error" in first) throw first?.error ?? new Error("no result");
        return first;
      },
      inOrder ? { channel: this.#channel } : {},
    );
    const isPromise = answer.outcome === "ok" && promises(answer.isStale, acks);
    recordProduced(this.#world, log, {
      ...{ process: name, acks, records, invokedAt, producer: stamp, retry },
      outcome: answer.outcome === "ok" && !isPromise ? "info" : answer.outcome,
      ...(answer.outcome === "ok" && !isPromise
        ? { code: "answered by a life that is over" }
        : answer.outcome === "ok"
          ? { offsets: records.map((_, at) => answer.value.offset + at), duplicate: answer.value.duplicate }
          : { code: answer.code }),
    });
    if (batch.outcome === "ok") return;
    batch.outcome = answer.outcome;
    batch.code = answer.outcome === "ok" ? "" : answer.code;
  }
}
