// Work on a live log, by many processes at once, written down as a history.
//
// Owns: `runWorkload`: its options, its phases (work, quiet, audit) and what faults may do meanwhile.
// Never: judges (checker/); knows of any log (the adapter is handed in).

import type { LogAdapter } from "../adapter/contract.ts";
import { demandPromised, heldToShapes } from "../adapter/contract-shapes.ts";
import type { History } from "../history.ts";
import { draw } from "../random.ts";
import { atLeast, demandOptions, fields, method, or, positive, type Shape, that, whole } from "../shapes.ts";
import { audit, heal } from "./audit.ts";
import {
  Cursor,
  conditionalWriter,
  idempotentProducer,
  keyedProducer,
  type Log,
  plainProducer,
  type Stage,
  wanderer,
} from "./clients.ts";
import { Faults } from "./faults.ts";
import { Member } from "./member.ts";
import { Recorder } from "./recorder.ts";
import { renewer } from "./renewer.ts";
import { sleep } from "./sleep.ts";
import { noteCreated, noteTopics } from "./topics.ts";

export interface Processes {
  readonly plainProducers: number;
  readonly idempotentProducers: number;
  readonly conditionalWriters: number;
  readonly cursors: number;
  readonly members: number;
  /** Of the compacted log. */
  readonly keyedProducers: number;
  /** They read anywhere, and delete a little where that is supported. */
  readonly wanderers: number;
  /** Each deletes a topic of its own and makes it anew, where topics can be deleted and listed. */
  readonly renewers: number;
}

/** Those that a log does not support are left out. */
export const defaultProcesses: Processes = {
  plainProducers: 3,
  idempotentProducers: 2,
  conditionalWriters: 2,
  cursors: 2,
  members: 3,
  keyedProducers: 2,
  wanderers: 1,
  renewers: 1,
};

export interface WorkloadOptions {
  readonly adapter: LogAdapter;
  readonly seed: number;
  /** It ends after this long, or after so many operations, whichever comes first; one is needed. */
  readonly seconds?: number;
  readonly operations?: number;
  readonly partitions?: number; // 3
  readonly processes?: Partial<Processes>;
  /** How long the first life of a renewer's topic lasts, about; each is as much longer than the one before. */
  readonly renewalMs?: number; // 300
  /** An operation without an answer is `info` after this long. */
  readonly operationTimeoutMs?: number; // 10 s
  /** How long the log has at the end to answer again, and then to be read; it counts as stuck after that, a violation. */
  readonly healMs?: number; // 60 s
  /** The history is kept in memory: the work ends when it holds so many records. */
  readonly maxRecords?: number; // 2 million
  /**
   * Runs beside the work and does things to the log; `control` writes them down. The work goes on
   * until it has ended, whatever `seconds` says; it should end soon after `control.signal` is aborted.
   */
  readonly faults?: (control: FaultControl) => Promise<void>;
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the work early; the audit follows all the same. */
  readonly signal?: AbortSignal;
}

const count = or(undefined, atLeast(0));
const shapes: { readonly [Name in Exclude<keyof WorkloadOptions, "adapter">]-?: Shape } = {
  seed: whole,
  ...{ seconds: or(undefined, positive), operations: or(undefined, atLeast(1)), partitions: or(undefined, atLeast(1)) },
  processes: or(
    undefined,
    fields(Object.fromEntries(Object.keys(defaultProcesses).map((name): [string, Shape] => [name, count]))),
  ),
  ...{
    renewalMs: or(undefined, positive),
    operationTimeoutMs: or(undefined, positive),
    healMs: or(undefined, positive),
  },
  maxRecords: or(undefined, atLeast(1)),
  faults: or(undefined, method),
  onProgress: or(undefined, method),
  signal: or(
    undefined,
    that("an AbortSignal", (value) => value instanceof AbortSignal),
  ),
};

export interface Progress {
  readonly elapsedMs: number;
  readonly operations: number;
  readonly phase: "work" | "healing" | "audit";
}

export interface FaultControl {
  /** Aborted when the time is up. */
  readonly signal: AbortSignal;
  elapsedMs(): number;
  operations(): number;
  /** Resolves after so long, or when the time is up. */
  sleep(ms: number): Promise<void>;
  /** Writes a `fault` event. */
  fault(what: string, detail: string, where?: { readonly log?: string; readonly process?: string }): void;
  /** Call it right before the log's process is killed: a `fault` named `what`. */
  crashing(what: string, detail: string): void;
  /** Call it once the process is dead, before another is started: the `crash` event. */
  crashed(detail: string): void;
  /**
   * Call it when it was started again; the work's processes reconnect by themselves. Resolves to whether it
   * answers: at once when it does, to false when `signal` is aborted before.
   */
  restarted(detail: string, signal?: AbortSignal): Promise<boolean>;
}

export interface WorkloadResult {
  readonly history: History;
  readonly startedAt: string;
  readonly seconds: number;
  readonly operations: number;
  /** How often each thing happened: operations by kind and outcome, faults by what they were. */
  readonly coverage: Readonly<Record<string, number>>;
  /** Those that were made for it; they are left. */
  readonly topics: readonly string[];
}

/**
 * Rejects when the topics cannot be made, and with a TypeError when the adapter, or what it answers, is not of the contract's
 * shape; whatever else comes later is in the history.
 */
export async function runWorkload(options: WorkloadOptions): Promise<WorkloadResult> {
  return new Workload(options).run();
}

const progressEveryMs = 500;
const defaultHealMs = 60_000;
/** Of a log that answers all at once, every operation: a turn takes about 1 ms. */
const turnEveryMs = 50;

class Workload {
  readonly #options: WorkloadOptions;
  /** Of the topics and the group: another check with the same seed has others. */
  readonly #name: string;
  readonly #adapter: LogAdapter;
  readonly #recorder: Recorder;
  readonly #startedAt: string = new Date().toISOString();
  readonly #ended: AbortController = new AbortController();
  #phase: Progress["phase"] = "work";
  #faulting = false;

  constructor(options: WorkloadOptions) {
    if (typeof options !== "object" || options === null)
      throw new TypeError("runWorkload({ adapter, seed, seconds }): it was given no options");
    if (options.seconds === undefined && options.operations === undefined)
      throw new TypeError("runWorkload: seconds or operations is needed, or it would never end");
    demandOptions("runWorkload", shapes, options, "runWorkload({ adapter, seed: 7, seconds: 3 })");
    this.#options = options;
    this.#name = `moldau-check-${options.seed}-${Date.now().toString(36)}`;
    this.#adapter = heldToShapes(options.adapter);
    demandPromised(this.#adapter);
    this.#recorder = new Recorder({
      operationTimeoutMs: options.operationTimeoutMs ?? 10_000,
      maxRecords: options.maxRecords ?? 2_000_000,
      turnEveryMs,
    });
  }

  async run(): Promise<WorkloadResult> {
    const { seed, healMs = defaultHealMs, onProgress } = this.#options;
    const logs: Log[] = [];
    const stage: Stage = {
      ...{ adapter: this.#adapter, recorder: this.#recorder, logs, topics: new Set() },
      working: () => this.#works(),
      sleep: (ms) => this.#sleep(ms),
    };
    await this.#createTopics(stage, logs);
    const report = (): void =>
      onProgress?.({
        ...{ elapsedMs: this.#recorder.elapsedMs(), operations: this.#recorder.operations, phase: this.#phase },
      });
    const timer = setInterval(report, progressEveryMs);
    try {
      const { cursors, members, running } = this.#start(stage);
      const faults = this.#fault(stage);
      // What a source of faults throws ends the work, and is thrown when that has ended.
      faults.catch(() => this.#timeUp.abort());
      await this.#untilDone();
      try {
        await faults;
      } finally {
        this.#ended.abort();
        await Promise.all(running);
      }
      this.#phase = "healing";
      const group = this.#name;
      const auditing = { stage, cursors, members, group, random: draw(seed, "audit"), healMs };
      const healed = await heal(auditing);
      // Of one that has not healed, too: why it does not answer may be that it has lost them.
      await noteTopics(stage);
      if (healed) {
        this.#phase = "audit";
        await audit(auditing);
      }
      await Promise.all(members.map((member) => member.leave()));
    } finally {
      clearInterval(timer);
      this.#ended.abort();
    }
    report();
    return {
      history: this.#recorder.history,
      startedAt: this.#startedAt,
      seconds: this.#recorder.elapsedMs() / 1000,
      operations: this.#recorder.operations,
      coverage: Object.fromEntries([...this.#recorder.counts].sort(([a], [b]) => (a < b ? -1 : 1))),
      topics: [...stage.topics],
    };
  }

  async #createTopics(stage: Stage, logs: Log[]): Promise<void> {
    const { partitions = 3 } = this.#options;
    const name = this.#name;
    const create = async (topic: string, count: number, configs: Record<string, string>, compacted: boolean) => {
      const answer = await this.#recorder.call(() => this.#adapter.createTopic(topic, { partitions: count, configs }));
      if (answer.outcome !== "ok") throw answer.error;
      await noteCreated(stage, topic, answer);
      for (let partition = 0; partition < count; partition++)
        logs.push({ place: { topic, partition }, name: `${topic}-${partition}`, compacted });
    };
    await create(name, partitions, plainConfigs, false);
    if (this.#adapter.supports.compaction) {
      const topic = `${name}-compacted`;
      await create(topic, 1, compactedConfigs, true);
      this.#recorder.push({ kind: "policy", log: `${topic}-0`, compact: true, deleteRetentionMs });
    }
    await noteTopics(stage);
  }

  #start(stage: Stage): { cursors: Cursor[]; members: Member[]; running: Promise<void>[] } {
    const { seed, renewalMs = 300, healMs = defaultHealMs } = this.#options;
    const processes = { ...defaultProcesses, ...this.#options.processes };
    const { supports } = this.#adapter;
    const group = this.#name;
    const some = <T>(
      count: number,
      letter: string,
      make: (process: string, random: ReturnType<typeof draw>) => T,
    ): T[] => Array.from({ length: count }, (_, index) => make(`${letter}${index}`, draw(seed, letter, index)));
    const cursors = some(processes.cursors, "r", (process, random) => new Cursor(stage, process, random));
    const members = some(
      supports.groups === "none" ? 0 : processes.members,
      "m",
      (process, random) => new Member(stage, group, process, random, healMs / 2),
    );
    const renews = supports.listTopics && this.#adapter.deleteTopic !== undefined;
    const running = [
      ...some(processes.plainProducers, "p", (process, random) => plainProducer(stage, process, random)),
      ...some(supports.idempotence ? processes.idempotentProducers : 0, "i", (process, random) =>
        idempotentProducer(stage, process, random),
      ),
      ...some(supports.conditionalAppends ? processes.conditionalWriters : 0, "c", (process, random) =>
        conditionalWriter(stage, process, random),
      ),
      ...some(supports.compaction ? processes.keyedProducers : 0, "k", (process, random) =>
        keyedProducer(stage, process, random),
      ),
      ...some(processes.wanderers, "w", (process, random) => wanderer(stage, process, random)),
      ...some(renews ? processes.renewers : 0, "t", (process, random) =>
        renewer(stage, process, random, {
          ...{ name: `${group}-${process}`, configs: plainConfigs, longerMs: renewalMs },
        }),
      ),
      ...cursors.map((cursor) => cursor.run()),
      ...members.map((member) => member.run()),
    ];
    // What one of them throws ends the work, and is thrown when that has ended.
    for (const one of running) one.catch(() => this.#timeUp.abort());
    return { cursors, members, running };
  }

  async #fault(stage: Stage): Promise<void> {
    const { faults } = this.#options;
    if (faults === undefined) return;
    this.#faulting = true;
    try {
      await faults(new Faults(stage, this.#timeUp.signal));
    } finally {
      this.#faulting = false;
    }
  }

  readonly #timeUp: AbortController = new AbortController();

  /** The time, the operations or the room are used up, or somebody wants it to end. */
  async #untilDone(): Promise<void> {
    const { seconds, operations, signal } = this.#options;
    const isDone = (): boolean =>
      signal?.aborted === true ||
      this.#timeUp.signal.aborted ||
      (seconds !== undefined && this.#recorder.elapsedMs() >= seconds * 1000) ||
      (operations !== undefined && this.#recorder.operations >= operations) ||
      this.#recorder.isFull;
    while (!isDone()) await new Promise((resolve) => setTimeout(resolve, 5));
    this.#timeUp.abort();
  }

  /** The work goes on while faults are under way, so that they meet some; but not without bounds. */
  #works(): boolean {
    if (this.#ended.signal.aborted || this.#recorder.isFull) return false;
    return !this.#timeUp.signal.aborted || this.#faulting;
  }

  #sleep(ms: number): Promise<void> {
    return sleep(ms, this.#ended.signal);
  }
}

/** How long a tombstone stays at least: shorter than a run, so that some go. */
const deleteRetentionMs = 5000;
/** What a cluster's own defaults must not change under the checkers; all of it is Kafka's default as it comes. */
const pinnedConfigs = {
  "compression.type": "producer",
  "message.timestamp.type": "CreateTime",
  "min.insync.replicas": "1",
};
const plainConfigs = {
  ...pinnedConfigs,
  "cleanup.policy": "delete",
  "retention.ms": "-1",
  "retention.bytes": "-1",
};
/** So that compaction has something to do within a minute. */
const compactedConfigs = {
  ...pinnedConfigs,
  "cleanup.policy": "compact",
  "segment.ms": "1000",
  "min.cleanable.dirty.ratio": "0.01",
  "delete.retention.ms": `${deleteRetentionMs}`,
};
