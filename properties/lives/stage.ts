// What everybody has who plays a part in a run: the world, the broker of this life, its logs as they were last
// listed, the history, and calls that end with an answer.
//
// Owns: what counts as ok, fail and info, and what is still under way.
// Never: decides what is asked for, or when.
//
// Invariant: a client stands outside the broker. It gets no answer from a dead life, and what
//   it was waiting for is `info`.

import type { Coverage } from "../coverage.ts";
import type { EventSketch, HistoryEvent, LogName, Outcome, ProducedRecord } from "../history.ts";
import type { RecordToSend, Stamp } from "../records.ts";
import { type Broker, MoldauError } from "../subject.ts";
import type { World } from "../world.ts";

export interface LogPlace {
  readonly topic: string;
  readonly partition: number;
  readonly name: LogName;
}

export type Answer<T> =
  | { readonly outcome: "ok"; readonly value: T }
  | { readonly outcome: "fail" | "info"; readonly code: string; readonly value?: undefined };

interface Pending {
  readonly invokedAt: number;
  readonly what: string;
  readonly ended: (answer: Answer<never>, invokedAt: number) => void;
}

export interface ProducedMore {
  readonly outcome: Outcome;
  readonly code?: string;
  readonly divisible?: boolean;
  readonly offsets?: readonly number[];
  readonly duplicate?: boolean;
  readonly producer?: Stamp;
  readonly retry?: boolean;
  readonly expectedEndOffset?: number;
}

export const answerLimitMs = 120_000;

/** The run cannot go on: the history shows why. */
export class Abandoned extends Error {}

export class Stage {
  readonly seed: number;
  readonly world: World;
  readonly coverage: Coverage | undefined;
  readonly history: HistoryEvent[] = [];
  logs: LogPlace[] = [];
  topics: { readonly name: string; readonly id: string }[] = [];
  /** A sync failed, the disk was full or somebody damaged it in this life: a log need not be whole. */
  isFaulty = false;
  #broker: Broker | null = null;
  readonly #pending: Set<Pending> = new Set();
  readonly #counters: Map<string, number> = new Map();
  readonly #appendTime: Set<LogName> = new Set();

  constructor(seed: number, world: World, coverage: Coverage | undefined) {
    this.seed = seed;
    this.world = world;
    this.coverage = coverage;
  }

  // ---- the broker of this life -------------------------------------------------------------

  get broker(): Broker {
    if (this.#broker === null) throw new Abandoned();
    return this.#broker;
  }

  get living(): Broker | null {
    return this.#broker;
  }

  get answers(): boolean {
    return this.#broker !== null && this.world.crashed === null;
  }

  /** `sound`: nothing but the lives before has been at the disk. */
  begins(broker: Broker, sound: boolean): void {
    this.#broker = broker;
    this.isFaulty = !sound;
  }

  /** Whatever had no answer never gets one. */
  forget(): void {
    for (const pending of [...this.#pending]) {
      this.#pending.delete(pending);
      pending.ended({ outcome: "info", code: "no answer" }, pending.invokedAt);
    }
  }

  ended(event: EventSketch): void {
    this.push(event);
    this.#broker = null;
  }

  noteMetrics(): void {
    if (this.#broker === null) return;
    const metrics = this.#broker.metrics();
    this.coverage?.add("rolls", metrics.segmentRolls);
    this.coverage?.add("segments deleted", metrics.segmentsDeleted);
    this.coverage?.add("syncs", metrics.syncs);
  }

  // ---- calls -------------------------------------------------------------------------------

  get isAnswered(): boolean {
    return this.#pending.size === 0;
  }

  underWay(): string {
    return [...this.#pending].map((pending) => pending.what).join(", ");
  }

  invoke<T>(what: string, call: () => Promise<T>, ended: (answer: Answer<T>, invokedAt: number) => void): void {
    const pending: Pending = { invokedAt: this.history.length, what, ended: ended as Pending["ended"] };
    this.#pending.add(pending);
    const answered = (answer: Answer<T>): void => {
      // Power went, or the process: the answer never left.
      if (this.world.crashed !== null || !this.#pending.delete(pending)) return;
      ended(answer, pending.invokedAt);
    };
    const refused = (error: unknown): void => {
      if (error instanceof MoldauError)
        answered({ outcome: error.effect === "none" ? "fail" : "info", code: error.code });
      else if (this.world.crashed === null && this.#pending.delete(pending)) {
        this.push({
          kind: "stuck",
          detail: `${what} threw something that is no MoldauError: ${error instanceof Error ? error.stack : String(error)}`,
        });
        ended({ outcome: "info", code: "?" }, pending.invokedAt);
      }
    };
    let promise: Promise<T>;
    try {
      promise = call();
    } catch (error) {
      refused(error);
      return;
    }
    promise.then((value) => answered({ outcome: "ok", value }), refused);
  }

  // ---- the history -------------------------------------------------------------------------

  pushProduced(
    process: string,
    log: LogPlace,
    acks: "all" | "leader" | "none",
    records: readonly RecordToSend[],
    invokedAt: number,
    more: ProducedMore,
  ): void {
    const appendTime = this.#appendTime.has(log.name);
    const produced: ProducedRecord[] = records.map(({ value, timestamp }) => ({
      value,
      timestamp: appendTime ? -1 : timestamp,
    }));
    this.push({ kind: "produce", process, log: log.name, acks, records: produced, ...more }, invokedAt);
  }

  push(event: EventSketch, invokedAt: number = this.history.length): void {
    this.history.push({
      ...event,
      atMs: this.world.time.nowMs,
      incarnation: this.world.incarnation,
      invokedAt,
    } as HistoryEvent);
  }

  stuck(detail: string): never {
    this.push({ kind: "stuck", detail });
    throw new Abandoned();
  }

  records(process: string, sizes: readonly number[], shiftMs: number): RecordToSend[] {
    return sizes.map((sizeBytes, index) => {
      const number = this.#counters.get(process) ?? 0;
      this.#counters.set(process, number + 1);
      return {
        value: `${process}.${number}`,
        sizeBytes,
        timestamp: this.world.wallMs() + shiftMs + ((index * 7919) % 1000) - 500,
      };
    });
  }

  // ---- logs --------------------------------------------------------------------------------

  describe(log: LogPlace, quiet: boolean): "online" | "offline" | "fenced" {
    const described = this.describePartition(log);
    if (described === null) return "offline";
    const { state, reason, logStartOffset, highWatermark, lastStableOffset, logEndOffset, segments } = described;
    const sound = !this.isFaulty;
    this.push({
      kind: "describe",
      log: log.name,
      state,
      ...(reason === undefined ? {} : { reason }),
      logStartOffset,
      highWatermark,
      lastStableOffset,
      logEndOffset,
      segments,
      quiet,
      ...(sound ? { sound } : {}),
    });
    if (state !== "online" && sound) throw new Abandoned();
    if (state === "offline") this.stuck(`${log.name} is offline: ${reason}`);
    return state;
  }

  log(index: number): LogPlace | null {
    return this.logs.length === 0 ? null : (this.logs[index % this.logs.length] ?? null);
  }

  end(log: LogPlace): number {
    return this.describePartition(log)?.logEndOffset ?? 0;
  }

  offsets(log: LogPlace): { earliest: number; latest: number } | null {
    try {
      return this.broker.offsets(log.topic, log.partition);
    } catch {
      return null;
    }
  }

  stateOf(log: LogPlace): string {
    return this.describePartition(log)?.state ?? "gone";
  }

  describePartition(log: LogPlace): ReturnType<Broker["describeTopic"]>["partitions"][number] | null {
    try {
      return this.broker.describeTopic(log.topic).partitions[log.partition] ?? null;
    } catch (error) {
      if (error instanceof MoldauError) return null;
      throw error;
    }
  }

  refreshLogs(): void {
    this.topics = this.broker.listTopics().map(({ name, id }) => ({ name, id }));
    this.topics.sort((a, b) => (a.name < b.name ? -1 : 1));
    this.logs = [];
    for (const { name, id } of this.topics) {
      const { partitions, configs } = this.broker.describeTopic(name);
      for (const { partition } of partitions) {
        const log = { topic: name, partition, name: `${name}-${partition}@${id.slice(0, 6)}` };
        this.logs.push(log);
        if (configs["message.timestamp.type"]?.value === "LogAppendTime") this.#appendTime.add(log.name);
      }
    }
  }
}
