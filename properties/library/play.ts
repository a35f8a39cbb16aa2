// Plays a plan on somebody's log, and writes down what its clients saw.
//
// Owns: the clients of a plan, and the audit after every round.
// Never: judges. Of a crash: what is under way has no answer, and is `info`.

import type { Acks, LogAdapter, ProducerStamp, RecordToAppend } from "../adapter/contract.ts";
import { heldToShapes } from "../adapter/contract-shapes.ts";
import type { HistoryEvent, ProducedRecord } from "../history.ts";
import { describe, type Log, type Stage } from "../workload/clients.ts";
import { type Answer, Recorder } from "../workload/recorder.ts";
import { noteCreated, noteTopics } from "../workload/topics.ts";
import { padded, toRead } from "../workload/values.ts";
import type { LogCommand, LogPlan, LogRound } from "./log-plan.ts";

export interface PlayOptions {
  /** An operation without an answer is `info` after this long; of the audit it is `stuck`, a violation. */
  readonly operationTimeoutMs?: number; // 2000
}

const firstTimestamp = 1_767_225_600_000;

/**
 * Makes a topic of its own, so that one log may be played on many times. Rejects with a TypeError when the adapter, or what
 * it answers, is not of the contract's shape.
 */
export async function playPlan(
  adapter: LogAdapter,
  plan: LogPlan,
  { operationTimeoutMs = 2000 }: PlayOptions = {},
): Promise<readonly HistoryEvent[]> {
  const player = new Player(adapter, plan, operationTimeoutMs);
  await player.play();
  return player.history;
}

let topics = 0;

interface SentBatch {
  readonly producer: ProducerStamp;
  readonly log: Log;
  readonly sent: readonly RecordToAppend[];
  readonly noted: readonly ProducedRecord[];
}

class Player {
  readonly #plan: LogPlan;
  readonly #adapter: LogAdapter;
  readonly #recorder: Recorder;
  readonly #logs: Log[] = [];
  readonly #topics: Set<string> = new Set();
  readonly #numbers: Map<string, number> = new Map();
  readonly #cursors: Map<string, number> = new Map();
  readonly #producers: Map<number, Promise<{ readonly id: number; readonly epoch: number } | null>> = new Map();
  readonly #sequences: Map<string, { next: number; last: SentBatch | null; certain: boolean }> = new Map();
  #timestamp = firstTimestamp;
  /** Of the crash that ends this life. */
  #crash: Promise<never> | null = null;

  constructor(adapter: LogAdapter, plan: LogPlan, operationTimeoutMs: number) {
    this.#adapter = heldToShapes(adapter);
    this.#plan = plan;
    this.#recorder = new Recorder({ operationTimeoutMs, maxRecords: Number.POSITIVE_INFINITY });
  }

  get history(): readonly HistoryEvent[] {
    return this.#recorder.history;
  }

  async play(): Promise<void> {
    const topic = `plan-${topics++}`;
    const { partitions } = this.#plan;
    const invokedAt = this.#recorder.history.length;
    await this.#adapter.createTopic(topic, { partitions });
    for (let partition = 0; partition < partitions; partition++)
      this.#logs.push({ place: { topic, partition }, name: `${topic}-${partition}`, compacted: false });
    await noteCreated(this.#stage, topic, { invokedAt });
    await noteTopics(this.#stage);
    for (const round of this.#plan.rounds) {
      await this.#round(round);
      await this.#audit();
    }
  }

  async #round({ commands, end, answersBeforeCrash }: LogRound): Promise<void> {
    let answers = 0;
    let crash: (error: Error) => void = () => {};
    this.#crash = new Promise<never>((_, reject) => {
      crash = reject;
    });
    this.#crash.catch(() => {});
    let crashed = false;
    const enough = new Promise<void>((resolve) => {
      if (answersBeforeCrash === 0) resolve();
      const sent = commands.map((command) =>
        this.#do(command).then(() => {
          answers++;
          if (answers >= Math.min(answersBeforeCrash, commands.length)) resolve();
        }),
      );
      this.#underWay = Promise.allSettled(sent);
      void this.#underWay.then(() => resolve());
    });
    if (end === "crash") {
      await enough;
      crashed = true;
      crash(new Error("no answer: the log crashed"));
    }
    const ended = await this.#underWay;
    this.#crash = null;
    // Only when all have ended: of what is under way nobody would hear any more.
    for (const one of ended) if (one.status === "rejected") throw one.reason;
    if (end !== "go on") await this.#restart(crashed ? "crash" : "close");
  }

  #underWay: Promise<readonly PromiseSettledResult<void>[]> = Promise.resolve([]);

  async #restart(how: "close" | "crash"): Promise<void> {
    if (how === "crash") this.#recorder.push({ kind: "crash", detail: "as the plan has it" });
    await this.#adapter.restart?.(how);
    if (how === "close") this.#recorder.push({ kind: "close", detail: "", clean: true });
    this.#recorder.incarnation++;
    this.#recorder.push({ kind: "open", detail: "" });
    await noteTopics(this.#stage);
  }

  #call<T>(run: () => Promise<T>): Promise<Answer<T>> {
    const crash = this.#crash;
    return this.#recorder.call(() => (crash === null ? run() : Promise.race([run(), crash])));
  }

  get #stage(): Stage {
    return {
      ...{ adapter: this.#adapter, recorder: this.#recorder, logs: this.#logs, topics: this.#topics },
      working: () => true,
      sleep: () => Promise.resolve(),
    };
  }

  #log(partition: number): Log {
    return this.#logs[partition % this.#logs.length] as Log;
  }

  #records(process: string, count: number): { sent: RecordToAppend[]; noted: ProducedRecord[] } {
    const noted = Array.from({ length: count }, () => {
      const number = this.#numbers.get(process) ?? 0;
      this.#numbers.set(process, number + 1);
      return { value: `${process}.${number}`, timestamp: this.#timestamp++ };
    });
    return { noted, sent: noted.map(({ value, timestamp }) => ({ value: padded(value, 16), timestamp })) };
  }

  async #do(command: LogCommand): Promise<void> {
    const log = this.#log(command.partition);
    switch (command.do) {
      case "produce":
        return this.#produce(`p${command.process}`, log, command.records, command.acks);
      case "send":
        return this.#send(command.producer, log, command.records, command.again);
      case "conditional":
        return this.#conditional(`c${command.process}`, log, command.beyond);
      case "poll":
        return this.#poll(`r${command.cursor}`, log);
      case "fetch":
        return this.#fetch(log, command.percent);
      case "delete records":
        return this.#delete(log, command.percent);
    }
  }

  async #produce(process: string, log: Log, count: number, wanted: Acks): Promise<void> {
    // A plan may have been drawn for another log.
    const acks = this.#adapter.supports.acks.includes(wanted) ? wanted : "all";
    const { sent, noted } = this.#records(process, count);
    const answer = await this.#call(() => this.#adapter.append(log.place, sent, { acks }));
    // Several of one process are under way at once: the log may take them in any order.
    this.#noteProduced(answer, { process, log: log.name, acks, records: noted, divisible: true });
  }

  #noteProduced(
    answer: Answer<{ readonly offsets?: readonly number[]; readonly duplicate?: boolean }>,
    event: Pick<Extract<HistoryEvent, { kind: "produce" }>, "process" | "log" | "acks" | "records"> &
      Partial<Extract<HistoryEvent, { kind: "produce" }>>,
  ): void {
    const produce = { ...event, kind: "produce" } as const;
    if (answer.outcome !== "ok")
      this.#recorder.push({ ...produce, outcome: answer.outcome, code: answer.code }, answer.invokedAt);
    else
      this.#recorder.push(
        { ...produce, ...answer.value, outcome: event.acks === "none" ? "info" : "ok" },
        answer.invokedAt,
      );
  }

  #producer(number: number): Promise<{ readonly id: number; readonly epoch: number } | null> {
    let producer = this.#producers.get(number);
    if (producer === undefined) {
      producer = this.#call(async () => this.#adapter.allocateProducer?.()).then((answer) => {
        if (answer.outcome !== "ok" || answer.value === undefined) return null;
        this.#recorder.push(
          { kind: "allocate producer", outcome: "ok", producerId: answer.value.id },
          answer.invokedAt,
        );
        return answer.value;
      });
      this.#producers.set(number, producer);
    }
    return producer;
  }

  /** One batch at a time; the same again until it is known to be stored. */
  async #send(number: number, log: Log, count: number, again: boolean): Promise<void> {
    const producer = await this.#producer(number);
    if (producer === null) return void this.#producers.delete(number);
    const key = `${number} ${log.name}`;
    const state = this.#sequences.get(key) ?? { next: 0, last: null, certain: true };
    this.#sequences.set(key, state);
    if (!state.certain && state.last === null) return;
    let batch = state.last;
    const retry = batch !== null && (again || !state.certain);
    if (!retry) {
      if (!state.certain) return;
      const sequence = state.next;
      batch = { producer: { ...producer, sequence }, log, ...this.#records(`i${number}`, count) };
      state.last = batch;
      state.next += count;
    }
    if (batch === null) return;
    state.certain = false;
    const { sent, noted, producer: stamp } = batch;
    const answer = await this.#call(() => this.#adapter.append(log.place, sent, { acks: "all", producer: stamp }));
    if (answer.outcome === "ok" && state.last === batch) state.certain = true;
    this.#noteProduced(answer, {
      ...{ process: `i${number}`, log: log.name, acks: "all", records: noted, producer: stamp, retry },
    });
  }

  async #conditional(process: string, log: Log, beyond: number): Promise<void> {
    const bounds = await this.#call(() => this.#adapter.offsets(log.place));
    if (bounds.outcome !== "ok") return;
    const expectedEndOffset = (bounds.value.logEndOffset ?? bounds.value.highWatermark) + beyond;
    if (expectedEndOffset < 0) return;
    const { sent, noted } = this.#records(process, 1);
    const answer = await this.#call(() => this.#adapter.append(log.place, sent, { acks: "all", expectedEndOffset }));
    this.#noteProduced(answer, {
      ...{ process, log: log.name, acks: "all", records: noted, expectedEndOffset, divisible: true },
    });
  }

  readonly #polling: Set<string> = new Set();

  async #poll(process: string, log: Log): Promise<void> {
    const key = `${process} ${log.name}`;
    if (this.#polling.has(key)) return;
    this.#polling.add(key);
    const from = this.#cursors.get(key) ?? (await this.#start(log));
    if (from !== null) {
      const answer = await this.#read(process, log, "cursor", from);
      if (answer !== null) this.#cursors.set(key, answer);
    }
    this.#polling.delete(key);
  }

  async #start(log: Log): Promise<number | null> {
    const bounds = await this.#call(() => this.#adapter.offsets(log.place));
    return bounds.outcome === "ok" ? bounds.value.logStartOffset : null;
  }

  async #fetch(log: Log, percent: number): Promise<void> {
    const bounds = await this.#call(() => this.#adapter.offsets(log.place));
    if (bounds.outcome !== "ok") return;
    const { logStartOffset, highWatermark } = bounds.value;
    const from = logStartOffset + Math.floor(((highWatermark - logStartOffset) * percent) / 100);
    await this.#read("f0", log, "fetch", from);
  }

  async #read(process: string, log: Log, manner: "cursor" | "fetch", from: number): Promise<number | null> {
    const answer = await this.#call(() => this.#adapter.read(log.place, { offset: from, maxWaitMs: 0 }));
    if (answer.outcome === "ok") {
      const { records, nextOffset, logStartOffset, highWatermark } = answer.value;
      this.#recorder.push(
        {
          ...{ kind: "read", process, log: log.name, manner, from, outcome: "ok", records: records.map(toRead) },
          ...{ nextOffset, logStartOffset, highWatermark },
        },
        answer.invokedAt,
      );
      return nextOffset;
    }
    if (answer.code === "OFFSET_OUT_OF_RANGE" && manner === "cursor") {
      this.#cursors.delete(`${process} ${log.name}`);
      // As one that was deleted under it: the next poll begins anew.
      const bounds = await this.#call(() => this.#adapter.offsets(log.place));
      if (bounds.outcome !== "ok") return null;
      const { logStartOffset, highWatermark } = bounds.value;
      this.#recorder.push(
        {
          ...{ kind: "read", process, log: log.name, manner, from, outcome: "fail", code: answer.code, records: [] },
          ...{ nextOffset: from, logStartOffset, highWatermark },
        },
        answer.invokedAt,
      );
    }
    return null;
  }

  async #delete(log: Log, percent: number): Promise<void> {
    const bounds = await this.#call(() => this.#adapter.offsets(log.place));
    if (bounds.outcome !== "ok") return;
    const { logStartOffset, highWatermark } = bounds.value;
    const before = logStartOffset + Math.floor(((highWatermark - logStartOffset) * percent) / 100);
    const answer = await this.#call(async () => this.#adapter.deleteRecords?.(log.place, before));
    const event = { kind: "delete records", log: log.name, before } as const;
    if (answer.outcome !== "ok")
      this.#recorder.push({ ...event, outcome: answer.outcome, code: answer.code }, answer.invokedAt);
    else if (answer.value !== undefined)
      this.#recorder.push({ ...event, outcome: "ok", logStartOffset: answer.value }, answer.invokedAt);
  }

  /** Everything there is, when nothing else is under way. */
  async #audit(): Promise<void> {
    for (const log of this.#logs) {
      await describe(this.#stage, log, false);
      const bounds = await this.#recorder.call(() => this.#adapter.offsets(log.place));
      if (bounds.outcome !== "ok") return this.#stuck(log, bounds.code);
      const from = bounds.value.logStartOffset;
      const invokedAt = this.#recorder.history.length;
      const records = [];
      let [offset, logStartOffset, highWatermark] = [from, from, bounds.value.highWatermark];
      for (;;) {
        const at = offset;
        const answer = await this.#recorder.call(() => this.#adapter.read(log.place, { offset: at, maxWaitMs: 0 }));
        if (answer.outcome !== "ok") return this.#stuck(log, answer.code);
        records.push(...answer.value.records.map(toRead));
        ({ logStartOffset, highWatermark } = answer.value);
        offset = Math.max(offset, answer.value.nextOffset);
        if (answer.value.nextOffset <= at || offset >= highWatermark) break;
      }
      this.#recorder.push(
        {
          ...{ kind: "read", process: "auditor", log: log.name, manner: "audit", from, outcome: "ok", records },
          ...{ logStartOffset, highWatermark, nextOffset: offset },
        },
        invokedAt,
      );
      await this.#lookUp(log, records[Math.floor(records.length / 2)]?.timestamp ?? this.#timestamp);
    }
  }

  async #lookUp(log: Log, timestamp: number): Promise<void> {
    if (!this.#adapter.supports.lookUpByTime) return;
    const answer = await this.#recorder.call(async () => (await this.#adapter.lookUp?.(log.place, timestamp)) ?? null);
    if (answer.outcome !== "ok") return;
    const [offset, recordTimestamp] = [answer.value?.offset ?? null, answer.value?.timestamp ?? null];
    this.#recorder.push({ kind: "look up", log: log.name, timestamp, offset, recordTimestamp }, answer.invokedAt);
  }

  #stuck(log: Log, code: string): void {
    this.#recorder.push({ kind: "stuck", detail: `${log.name} does not answer in quiet: ${code}` });
  }
}
