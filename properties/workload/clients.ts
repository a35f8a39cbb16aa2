// The processes of the workload that are in no group: each goes on by itself until the work ends.
//
// Owns: what a producer, a cursor and the others do next, and what they make of an answer.
// Never: judges, or sends again what may have landed, but for an idempotent producer, who may.

import type { Acks, LogAdapter, Place, ProducerStamp, RecordToAppend } from "../adapter/contract.ts";
import type { LogName, Outcome, ProducedRecord } from "../history.ts";
import type { Random } from "../random.ts";
import type { Answer, Recorder } from "./recorder.ts";
import { keyOf, nameOfKeyed, padded, toRead } from "./values.ts";

export interface Log {
  readonly place: Place;
  readonly name: LogName;
  readonly compacted: boolean;
}

export interface Stage {
  readonly adapter: LogAdapter;
  readonly recorder: Recorder;
  readonly logs: readonly Log[];
  /** Names of all that were made for the history, or may have been. */
  readonly topics: Set<string>;
  /** True while there is work to be done. */
  working(): boolean;
  /** Ends early when the work does. */
  sleep(ms: number): Promise<void>;
}

const maxBatch = 5;
/** So that a log that is down is asked now and then, and not all the time. */
const backoffMs = 100;
/** Between two operations of a process, at most. */
const pauseMs = 8;

export class Counter {
  readonly process: string;
  readonly #random: Random;
  #number = 0;
  #lastTimestamp = 0;

  constructor(process: string, random: Random) {
    this.process = process;
    this.#random = random;
  }

  /** Some records, with what is sent and what is written down. Timestamps rise. */
  records(count: number): { sent: RecordToAppend[]; noted: ProducedRecord[] } {
    const sent: RecordToAppend[] = [];
    const noted: ProducedRecord[] = [];
    for (let index = 0; index < count; index++) {
      const value = `${this.process}.${this.#number++}`;
      const timestamp = this.#timestamp();
      sent.push({ value: padded(value, 20 + this.#random.below(200)), timestamp });
      noted.push({ value, timestamp });
    }
    return { sent, noted };
  }

  keyed(keys: number): { sent: RecordToAppend[]; noted: ProducedRecord[] } {
    const key = keyOf(this.process, this.#random.below(keys));
    const timestamp = this.#timestamp();
    const value = nameOfKeyed(key, timestamp);
    const tombstone = this.#random.chance(0.1);
    return {
      sent: [{ key, timestamp, value: tombstone ? null : padded(value, 100) }],
      noted: [{ key, timestamp, value, ...(tombstone ? { tombstone } : {}) }],
    };
  }

  #timestamp(): number {
    this.#lastTimestamp = Math.max(Date.now(), this.#lastTimestamp + 1);
    return this.#lastTimestamp;
  }
}

async function pause(stage: Stage, random: Random, outcome: Outcome): Promise<void> {
  await stage.sleep(outcome === "ok" ? random.below(pauseMs) : backoffMs + random.below(backoffMs));
}

export function noteProduced(
  { recorder }: Stage,
  answer: Answer<{ readonly offsets?: readonly number[]; readonly duplicate?: boolean }>,
  event: {
    readonly process: string;
    readonly log: LogName;
    readonly acks: Acks;
    readonly records: readonly ProducedRecord[];
    readonly producer?: ProducerStamp;
    readonly retry?: boolean;
    readonly expectedEndOffset?: number;
    readonly divisible?: boolean;
  },
): void {
  const { invokedAt } = answer;
  if (answer.outcome !== "ok")
    recorder.push({ kind: "produce", ...event, outcome: answer.outcome, code: answer.code }, invokedAt);
  else {
    const { offsets, duplicate } = answer.value;
    recorder.push(
      {
        ...{ kind: "produce", ...event, outcome: event.acks === "none" ? "info" : "ok" },
        ...(offsets === undefined ? {} : { offsets }),
        ...(duplicate === undefined ? {} : { duplicate }),
      },
      invokedAt,
    );
  }
}

export async function plainProducer(stage: Stage, process: string, random: Random): Promise<void> {
  const { adapter } = stage;
  const counter = new Counter(process, random);
  const logs = stage.logs.filter((log) => !log.compacted);
  while (stage.working()) {
    const log = random.pick(logs);
    const acks = random.chance(0.8) ? (adapter.supports.acks[0] ?? "all") : random.pick(adapter.supports.acks);
    const { sent, noted } = counter.records(1 + random.below(maxBatch));
    const answer = await stage.recorder.call(() => adapter.append(log.place, sent, { acks }));
    noteProduced(stage, answer, { process, log: log.name, acks, records: noted, divisible: true });
    await pause(stage, random, answer.outcome);
  }
}

export async function keyedProducer(stage: Stage, process: string, random: Random): Promise<void> {
  const counter = new Counter(process, random);
  const logs = stage.logs.filter((log) => log.compacted);
  while (stage.working()) {
    const log = random.pick(logs);
    const { sent, noted } = counter.keyed(12);
    const answer = await stage.recorder.call(() => stage.adapter.append(log.place, sent, { acks: "all" }));
    noteProduced(stage, answer, { process, log: log.name, acks: "all", records: noted });
    await pause(stage, random, answer.outcome);
  }
}

interface SentBatch {
  readonly sequence: number;
  readonly sent: readonly RecordToAppend[];
  readonly noted: readonly ProducedRecord[];
}

/** Kafka's brokers remember as many batches of a producer. */
const remembered = 5;

/** Sends a batch again until it knows what became of it; then goes on, and now and then repeats what was acknowledged. */
export async function idempotentProducer(stage: Stage, process: string, random: Random): Promise<void> {
  const { adapter, recorder } = stage;
  const counter = new Counter(process, random);
  const logs = stage.logs.filter((log) => !log.compacted);
  while (stage.working()) {
    const allocated = await recorder.call(async () => adapter.allocateProducer?.());
    if (allocated.outcome !== "ok" || allocated.value === undefined) {
      await stage.sleep(backoffMs);
      continue;
    }
    const { id, epoch } = allocated.value;
    recorder.push({ kind: "allocate producer", outcome: "ok", producerId: id }, allocated.invokedAt);
    const progress = new Map<Log, { next: number; done: SentBatch[] }>(logs.map((log) => [log, { next: 0, done: [] }]));
    const send = async (log: Log, batch: SentBatch, retry: boolean): Promise<Answer<unknown>> => {
      const producer = { id, epoch, sequence: batch.sequence };
      const answer = await recorder.call(() => adapter.append(log.place, batch.sent, { acks: "all", producer }));
      noteProduced(stage, answer, { process, log: log.name, acks: "all", records: batch.noted, producer, retry });
      return answer;
    };
    for (let good = true; good && stage.working(); ) {
      const log = random.pick(logs);
      const state = progress.get(log) as { next: number; done: SentBatch[] };
      if (state.done.length > 0 && random.chance(0.1)) await send(log, random.pick(state.done), true);
      const batch = { sequence: state.next, ...counter.records(1 + random.below(maxBatch)) };
      let answer = await send(log, batch, false);
      // What may have landed is sent again; what certainly has not, too, under the same number.
      for (let tries = 0; answer.outcome !== "ok" && mayTryAgain(answer) && tries < 100 && stage.working(); tries++) {
        await stage.sleep(backoffMs + random.below(backoffMs));
        answer = await send(log, batch, true);
      }
      good = answer.outcome === "ok";
      state.next += batch.sent.length;
      state.done.push(batch);
      if (state.done.length > remembered) state.done.shift();
      await pause(stage, random, answer.outcome);
    }
  }
}

function mayTryAgain(answer: Answer<unknown>): boolean {
  return answer.outcome !== "ok" && !/SEQUENCE|PRODUCER/.test(answer.code);
}

/** Expects the end that it was told, which another may have moved meanwhile. */
export async function conditionalWriter(stage: Stage, process: string, random: Random): Promise<void> {
  const { adapter, recorder } = stage;
  const counter = new Counter(process, random);
  const logs = stage.logs.filter((log) => !log.compacted);
  while (stage.working()) {
    const log = random.pick(logs);
    const end = await describe(stage, log, false);
    if (end === null) {
      await stage.sleep(backoffMs);
      continue;
    }
    const { sent, noted } = counter.records(1);
    const expectedEndOffset = end;
    const answer = await recorder.call(() => adapter.append(log.place, sent, { acks: "all", expectedEndOffset }));
    noteProduced(stage, answer, { process, log: log.name, acks: "all", records: noted, expectedEndOffset });
    await pause(stage, random, answer.outcome);
    await stage.sleep(random.below(20));
  }
}

/** Asks where a log ends; writes it down when the log tells of its end. null: no answer. */
export async function describe({ adapter, recorder }: Stage, log: Log, quiet: boolean): Promise<number | null> {
  const answer = await recorder.call(() => adapter.offsets(log.place));
  if (answer.outcome !== "ok") return null;
  const { logStartOffset, highWatermark, logEndOffset } = answer.value;
  if (logEndOffset !== undefined)
    recorder.push(
      {
        ...{ kind: "describe", log: log.name, state: "online", segments: 0, quiet },
        ...{ logStartOffset, highWatermark, lastStableOffset: highWatermark, logEndOffset },
      },
      answer.invokedAt,
    );
  return logEndOffset ?? highWatermark;
}

/** A reader who follows one log after the other from the start, and reads each to its end when the work has ended. */
export class Cursor {
  readonly #stage: Stage;
  readonly #process: string;
  readonly #random: Random;
  readonly #positions: Map<Log, number> = new Map();

  constructor(stage: Stage, process: string, random: Random) {
    this.#stage = stage;
    this.#process = process;
    this.#random = random;
  }

  async run(): Promise<void> {
    while (this.#stage.working()) {
      const log = this.#random.pick(this.#stage.logs);
      const sinceMs = this.#stage.recorder.elapsedMs();
      const polled = await this.#poll(log, this.#random.below(200));
      if (polled === null) await this.#stage.sleep(backoffMs);
      // A log that does not wait would be asked for nothing all the time.
      else if (polled.records === 0 && this.#stage.recorder.elapsedMs() - sinceMs < pauseMs)
        await this.#stage.sleep(pauseMs);
    }
  }

  /** Reads on to where all logs end now. False when it cannot. */
  async finish(until: () => boolean): Promise<boolean> {
    for (const log of this.#stage.logs) {
      for (let behind: number | null = null; behind !== 0; ) {
        if (until()) return false;
        const before = this.#positions.get(log) ?? -1;
        const polled = await this.#poll(log, 0);
        behind = polled === null ? null : polled.behind;
        const isFurther = (this.#positions.get(log) ?? -1) > before;
        // Nobody answered, or there was nothing, or it came no further.
        if (behind !== 0 && !(isFurther && polled !== null && polled.records > 0))
          await new Promise((resolve) => setTimeout(resolve, backoffMs));
      }
    }
    return true;
  }

  /** How many offsets it is behind then, and how many records it was given; null when there was no answer. */
  async #poll(log: Log, maxWaitMs: number): Promise<{ readonly behind: number; readonly records: number } | null> {
    const { adapter, recorder } = this.#stage;
    const { place, name } = log;
    const known = this.#positions.get(log);
    if (known === undefined) {
      const bounds = await recorder.call(() => adapter.offsets(place));
      if (bounds.outcome !== "ok") return null;
      this.#positions.set(log, bounds.value.logStartOffset);
    }
    const from = this.#positions.get(log) as number;
    const common = { kind: "read", process: this.#process, log: name, manner: "cursor", from } as const;
    const answer = await recorder.call(() => adapter.read(place, { offset: from, maxWaitMs }));
    if (answer.outcome === "ok") {
      const { records, ...rest } = answer.value;
      recorder.push({ ...common, ...rest, outcome: "ok", records: records.map(toRead) }, answer.invokedAt);
      this.#positions.set(log, rest.nextOffset);
      return { behind: Math.max(0, rest.highWatermark - rest.nextOffset), records: records.length };
    }
    // No answer is no event for a reader: it asks again from where it was.
    if (answer.code !== "OFFSET_OUT_OF_RANGE") return null;
    const bounds = await recorder.call(() => adapter.offsets(place));
    if (bounds.outcome !== "ok") return null;
    const { logStartOffset, highWatermark } = bounds.value;
    recorder.push(
      {
        ...{ ...common, outcome: "fail", code: answer.code, records: [] },
        ...{ logStartOffset, highWatermark, nextOffset: from },
      },
      answer.invokedAt,
    );
    this.#positions.delete(log);
    return { behind: highWatermark - logStartOffset, records: 0 };
  }
}

/** Of one look of a wanderer. Records. */
const mostLookedAt = 50;

/** Reads anywhere, deletes a little now and then. */
export async function wanderer(stage: Stage, process: string, random: Random): Promise<void> {
  const { adapter, recorder } = stage;
  while (stage.working()) {
    const log = random.pick(stage.logs);
    const bounds = await recorder.call(() => adapter.offsets(log.place));
    if (bounds.outcome === "ok") {
      const { logStartOffset, highWatermark } = bounds.value;
      const span = highWatermark - logStartOffset;
      const from = logStartOffset + random.below(span + 1);
      const answer = await recorder.call(() => adapter.read(log.place, { offset: from, maxWaitMs: 0 }));
      if (answer.outcome === "ok") {
        const { records: all, ...bounds } = answer.value;
        // The room of the history has to last for all of the time.
        const records = all.slice(0, mostLookedAt);
        const last = records.at(-1);
        const nextOffset = records.length === all.length || last === undefined ? bounds.nextOffset : last.offset + 1;
        const read = { kind: "read", process, log: log.name, manner: "fetch", from, outcome: "ok" } as const;
        recorder.push({ ...read, ...bounds, nextOffset, records: records.map(toRead) }, answer.invokedAt);
      }
      if (adapter.supports.deleteRecords && !log.compacted && span > 200 && random.chance(0.05)) {
        const before = logStartOffset + random.below(Math.floor(span / 4));
        await deleteRecords(stage, log, before);
      }
    }
    await stage.sleep(20 + random.below(80));
  }
}

async function deleteRecords({ adapter, recorder }: Stage, log: Log, before: number): Promise<void> {
  const deleted = await recorder.call(async () => adapter.deleteRecords?.(log.place, before));
  const event = { kind: "delete records", log: log.name, before } as const;
  if (deleted.outcome !== "ok")
    recorder.push({ ...event, outcome: deleted.outcome, code: deleted.code }, deleted.invokedAt);
  else if (deleted.value !== undefined)
    recorder.push({ ...event, outcome: "ok", logStartOffset: deleted.value }, deleted.invokedAt);
}
