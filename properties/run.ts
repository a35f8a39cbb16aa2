// Carries out a plan on a broker in its world, and writes down what clients saw.
//
// Owns: clients (processes, producers, cursors), when they send, what counts as ok, fail and
//   info, the audits between rounds, crashes and reopenings.
// Never: judges: checker/ is handed the history when the run is over.
//
// Invariant: a client stands outside the broker. It gets no answer from a dead life, and what
//   it was waiting for is `info`.

import { judge, type Violation } from "./checker/index.ts";
import type { Coverage } from "./coverage.ts";
import type { EpochSeen, HistoryEvent, LogName, Outcome, ProducedRecord, SegmentSeen } from "./history.ts";
import type { Command, Plan, Round } from "./plan.ts";
import { draw, type Random } from "./random.ts";
import {
  batchesOf,
  concatenate,
  encodeBatch,
  type RecordToSend,
  recordsOf,
  type Stamp,
  segmentsOf,
  valueBytes,
  valueName,
} from "./records.ts";
import {
  type Broker,
  type Durability,
  type FetchedPartition,
  kernel,
  limits,
  MoldauError,
  openBroker,
} from "./subject.ts";
import { type Lies, World, type WorldOptions } from "./world.ts";

export interface RunOptions {
  readonly lies?: Lies;
  readonly durability?: Durability;
  readonly coverage?: Coverage;
  /** Power goes at these writes of the disk, counted from the world's beginning. */
  readonly crashAtWrites?: readonly number[];
  /** Whether everything is read after every round; else only after a recovery and at the end. */
  readonly auditRounds?: boolean;
  /** Another time and another disk than the world's own. */
  readonly outer?: Pick<WorldOptions, "time" | "medium" | "latency">;
}

export interface RunResult {
  readonly history: readonly HistoryEvent[];
  readonly violations: readonly Violation[];
  readonly world: World;
}

interface LogPlace {
  readonly topic: string;
  readonly partition: number;
  readonly name: LogName;
}

interface SentBatch {
  readonly epoch: number;
  readonly sequence: number;
  readonly records: readonly RecordToSend[];
  outcome: Outcome | "pending";
}

/** An idempotent producer as clients write them: it goes on only after what it sent was acknowledged. */
interface ProducerClient {
  id: number;
  epoch: number;
  readonly logs: Map<LogName, { nextSequence: number; sent: SentBatch[] }>;
}

type Answer<T> =
  | { readonly outcome: "ok"; readonly value: T }
  | { readonly outcome: "fail" | "info"; readonly code: string; readonly value?: undefined };

interface Pending {
  readonly invokedAt: number;
  readonly what: string;
  readonly ended: (answer: Answer<never>, invokedAt: number) => void;
}

const answerLimitMs = 120_000;
const sequences = 2 ** 31;

/** The run cannot go on: the history has a `stuck` event that says why. */
class Abandoned extends Error {}

export async function execute(plan: Plan, options: RunOptions = {}): Promise<RunResult> {
  const run = new Run(plan, options);
  await run.all();
  const { violations } = judge(run.history);
  options.coverage?.note(run.history);
  return { history: run.history, violations, world: run.world };
}

export class Run {
  readonly plan: Plan;
  readonly options: RunOptions;
  readonly world: World;
  readonly history: HistoryEvent[] = [];
  readonly #pending: Set<Pending> = new Set();
  #broker: Broker | null = null;
  #logs: LogPlace[] = [];
  #topics: { name: string; id: string }[] = [];
  #topicsMade = 0;
  readonly #counters: Map<string, number> = new Map();
  readonly #producers: (ProducerClient | null)[] = [null, null, null];
  readonly #cursors: Map<string, number> = new Map();
  readonly #following: Set<string> = new Set();
  /** A sync failed or the disk was full in this life: fenced partitions are to be expected. */
  #faulty = false;
  #audits = 0;
  /** The next loss is the process's, not the power's. */
  #onlyProcess = false;
  /** The read that fails when the logs are loaded after the next loss; 0: none. */
  #loadFails = 0;

  constructor(plan: Plan, options: RunOptions = {}) {
    this.plan = plan;
    this.options = options;
    this.world = new World({
      seed: plan.seed,
      ...options.outer,
      ...(options.lies === undefined ? {} : { lies: options.lies }),
      ...(options.crashAtWrites === undefined ? {} : { crashAtWrites: options.crashAtWrites }),
    });
  }

  get broker(): Broker {
    if (this.#broker === null) throw new Abandoned();
    return this.#broker;
  }

  get logs(): readonly LogPlace[] {
    return this.#logs;
  }

  get coverage(): Coverage | undefined {
    return this.options.coverage;
  }

  async all(): Promise<void> {
    try {
      await this.#play();
      await this.close();
      await this.open([]);
      await this.#auditOrRecover([]);
      await this.close();
    } catch (error) {
      if (!(error instanceof Abandoned)) throw error;
    }
  }

  /** Plays the plan and leaves the broker open, for a property that goes on by itself. */
  async begin(): Promise<void> {
    try {
      await this.#play();
      await this.audit();
    } catch (error) {
      if (!(error instanceof Abandoned)) throw error;
      throw new Error(this.history.flatMap((event) => (event.kind === "stuck" ? [event.detail] : [])).join("\n"));
    }
  }

  async #play(): Promise<void> {
    await this.open([]);
    for (const topic of this.plan.topics) {
      await this.#settleOrRecover(() => this.#createTopic(topic.partitions, topic.configs), []);
      // A crash may have taken it before anyone was told.
      if (this.#topics.length === 0)
        await this.#settleOrRecover(() => this.#createTopic(topic.partitions, topic.configs), []);
    }
    await this.#settleOrRecover(() => {
      for (const producer of this.#producers.keys()) this.#allocate(producer);
    }, []);
    for (const round of this.plan.rounds) await this.#round(round);
  }

  // ---- lives -------------------------------------------------------------------------------

  /** Opens the broker; power may go meanwhile, once for each of `crashes`. */
  async open(crashes: readonly number[], sound = true): Promise<void> {
    const left = [...crashes];
    for (;;) {
      const storage = this.world.begin();
      const crashAfter = left.shift();
      if (crashAfter !== undefined) this.world.crashAfter(crashAfter);
      let opened: Broker | null = null;
      let failed: unknown = null;
      openBroker({
        storage,
        kernel,
        clock: this.world.clock(),
        entropy: this.world.entropy,
        logger: this.world.logger,
        durability: this.options.durability ?? "sync",
        retentionCheckIntervalMs: 1e12,
        fetchPoolBytes: limits.maxRunBytes,
      }).then(
        (broker) => void (opened = broker),
        (error) => void (failed = error ?? new Error("rejected with nothing")),
      );
      const ended = await this.world.time.until(
        () => opened !== null || failed !== null || this.world.crashed !== null,
        answerLimitMs,
      );
      if (this.world.crashed !== null) {
        this.coverage?.add("crashes during recovery");
        await this.#powerGone();
        continue;
      }
      this.world.crashAfter(Number.POSITIVE_INFINITY);
      if (failed !== null)
        this.#stuck(`the broker does not open: ${failed instanceof Error ? failed.stack : String(failed)}`);
      if (!ended || opened === null) this.#stuck(`the broker had not opened after ${answerLimitMs} ms`);
      this.#broker = opened as unknown as Broker;
      this.#faulty = false;
      const { report } = this.#broker;
      this.coverage?.add("recoveries that truncated", report.truncatedBytes > 0 ? 1 : 0);
      this.coverage?.add("indexes rebuilt", report.rebuiltIndexes);
      this.coverage?.add("openings after a clean shutdown", report.cleanShutdown ? 1 : 0);
      this.#push({ kind: "open", detail: report.notes.join("; ") });
      this.#refreshLogs();
      if (sound) for (const log of this.#logs) this.describe(log, false);
      return;
    }
  }

  /** Opens a disk that an outsider damaged: a partition may be offline. */
  async reopen(): Promise<void> {
    await this.open([], false);
  }

  /** An orderly end. */
  async close(): Promise<void> {
    const broker = this.broker;
    this.#noteMetrics();
    const fenced = this.#logs.some((log) => this.#stateOf(log) !== "online");
    let clean: boolean | null = null;
    broker.close().then(
      () => void (clean = true),
      () => void (clean = false),
    );
    await this.world.time.until(() => clean !== null || this.world.crashed !== null, answerLimitMs);
    if (this.world.crashed !== null) {
      await this.#powerGone();
      return;
    }
    if (clean === null) this.#stuck(`the broker had not closed after ${answerLimitMs} ms`);
    this.#forget();
    this.#push({ kind: "close", detail: "", clean: clean === true && !fenced });
    this.#broker = null;
    await this.world.endProcess();
  }

  /** The process is gone, the machine not: all that was handed to the disk is there. */
  async kill(): Promise<void> {
    this.#noteMetrics();
    this.world.crashed ??= { what: "the process was killed" };
    this.#forget();
    this.#push({ kind: "crash", detail: "killed" });
    this.#broker = null;
    this.coverage?.add("kills");
    await this.world.endProcess();
  }

  async crash(): Promise<void> {
    this.#onlyProcess = false;
    this.world.crashed ??= { what: "nothing in particular" };
    await this.#powerGone();
  }

  async #powerGone(): Promise<void> {
    if (this.#onlyProcess) {
      this.#onlyProcess = false;
      return this.kill();
    }
    this.#noteMetrics();
    this.#forget();
    this.#push({ kind: "crash", detail: `power went before ${this.world.crashed?.what}` });
    this.#broker = null;
    this.coverage?.add("crashes");
    await this.world.losePower();
  }

  /** Whatever had no answer never gets one. */
  #forget(): void {
    for (const pending of [...this.#pending]) {
      this.#pending.delete(pending);
      pending.ended({ outcome: "info", code: "no answer" }, pending.invokedAt);
    }
    this.#following.clear();
  }

  #noteMetrics(): void {
    if (this.#broker === null) return;
    const metrics = this.#broker.metrics();
    this.coverage?.add("rolls", metrics.segmentRolls);
    this.coverage?.add("segments deleted", metrics.segmentsDeleted);
    this.coverage?.add("syncs", metrics.syncs);
  }

  // ---- rounds ------------------------------------------------------------------------------

  async #round(round: Round): Promise<void> {
    this.world.wallOffsetMs += round.jumpMs;
    if (round.failSyncs > 0) {
      this.world.failSyncs(1, round.failSyncs === 1 ? ".log" : ".journal");
      this.#faulty = true;
      this.coverage?.add("failed syncs asked for");
    }
    if (round.fullDisk) {
      this.world.fillDisk(true, round.roomFor);
      this.#faulty = true;
      this.coverage?.add("full disks");
    }
    if (round.crashAfter > 0) this.world.crashAfter(round.crashAfter);
    this.#loadFails = round.loadFails;
    // A process that dies between a failed sync and the cut that follows leaves pages that the
    // system holds for clean: no reader of files can tell. Two rare failures at once; not asked for.
    this.#onlyProcess = round.onlyProcess && round.failSyncs === 0;
    const alive = await this.#settleOrRecover(() => {
      const chance = draw(this.plan.seed, "stagger", this.history.length);
      let delayMs = 0;
      let toSend = round.commands.length;
      const life = this.world.incarnation;
      for (const command of round.commands) {
        if (chance.chance(0.4)) delayMs += chance.next() * 6;
        this.world.time.schedule(delayMs, () => {
          toSend--;
          if (this.world.crashed === null && this.world.incarnation === life) this.#send(command, chance);
        });
      }
      return () => toSend === 0;
    }, round.recoveryCrashes);
    if (!alive) return;
    this.world.fillDisk(false);
    this.world.failSyncs(0, ".log");
    const auditing = this.options.auditRounds !== false;
    if (auditing && !(await this.#auditOrRecover(round.recoveryCrashes))) return;
    if (round.retain) {
      if (!(await this.#retain(round.recoveryCrashes))) return;
    }
    this.world.crashAfter(Number.POSITIVE_INFINITY);
    if (round.end === "restart") {
      await this.close();
      await this.open(round.recoveryCrashes);
      await this.#auditOrRecover([]);
    } else if (round.end === "kill" || round.end === "crash") {
      if (round.end === "kill") await this.kill();
      else await this.crash();
      await this.#loadInVain();
      await this.open(round.recoveryCrashes);
      await this.#auditOrRecover([]);
    }
  }

  /** Sends something and waits for every answer; when power goes, opens again. False then. */
  async #settleOrRecover(send: () => (() => boolean) | void, recoveryCrashes: readonly number[]): Promise<boolean> {
    const sent = send() ?? (() => true);
    const done = await this.world.time.until(
      () => this.world.crashed !== null || (sent() && this.#pending.size === 0),
      answerLimitMs,
    );
    if (this.world.crashed !== null) {
      await this.#recover(recoveryCrashes);
      return false;
    }
    if (!done)
      this.#stuck(
        `no answer after ${answerLimitMs} ms: ${[...this.#pending].map((pending) => pending.what).join(", ")}`,
      );
    return true;
  }

  async #recover(recoveryCrashes: readonly number[]): Promise<void> {
    await this.#powerGone();
    await this.#loadInVain();
    await this.open(recoveryCrashes);
    await this.#auditOrRecover([]);
  }

  /** A start in which a log cannot be read, for once, and the orderly stop that follows. */
  async #loadInVain(): Promise<void> {
    const read = this.#loadFails;
    this.#loadFails = 0;
    if (read === 0) return;
    this.world.failRead(read);
    await this.open([], false);
    this.world.failRead(0);
    this.coverage?.add("logs that could not be loaded", this.broker.report.offlinePartitions);
    await this.close();
  }

  async #auditOrRecover(recoveryCrashes: readonly number[]): Promise<boolean> {
    await this.audit();
    if (this.world.crashed === null) return true;
    await this.#recover(recoveryCrashes);
    return false;
  }

  // ---- commands ----------------------------------------------------------------------------

  #send(command: Command, chance: Random): void {
    switch (command.do) {
      case "produce":
        return this.#produce(command, chance);
      case "append": {
        const log = this.#log(command.log);
        if (log === null) return;
        const process = `p${command.process}`;
        const batches = command.batches.map((sizes) => this.#records(process, sizes, command.shiftMs));
        return this.#append(process, log, batches, command.acks);
      }
      case "send":
        return this.#sendStamped(command);
      case "conditional": {
        const log = this.#log(command.log);
        if (log === null) return;
        const process = `c${command.process}`;
        const expectedEndOffset = this.#end(log) + command.beyond;
        if (expectedEndOffset < 0) return;
        return this.#append(process, log, [this.#records(process, command.sizes, 0)], "all", expectedEndOffset);
      }
      case "fetch":
        return this.#fetch(command);
      case "follow":
        return this.#follow(command);
      case "delete records": {
        const log = this.#log(command.log);
        if (log === null) return;
        const { earliest, latest } = this.broker.offsets(log.topic, log.partition);
        const before = command.percent < 0 ? -1 : Math.round(earliest + ((latest - earliest) * command.percent) / 100);
        return this.#invoke(
          `delete records of ${log.name}`,
          () => this.broker.deleteRecords(log.topic, log.partition, before),
          (answer, invokedAt) =>
            this.#push(
              {
                kind: "delete records",
                log: log.name,
                before,
                outcome: answer.outcome,
                ...(answer.outcome === "ok" ? { logStartOffset: answer.value } : { code: answer.code }),
              },
              invokedAt,
            ),
        );
      }
      case "retain":
        return this.#retainMeanwhile();
      case "allocate":
        return this.#allocate(command.producer);
      case "alter": {
        const topic = this.#topics[command.topic];
        if (topic === undefined) return;
        const { ...configs } = command.configs;
        // Changing it midway would make one value's timestamp depend on the race.
        delete (configs as Record<string, unknown>)["message.timestamp.type"];
        return this.#invoke(
          `alter ${topic.name}`,
          () => this.broker.alterTopic(topic.name, { configs }),
          () => this.coverage?.add("topics altered"),
        );
      }
      case "create topic":
        return this.#createTopic(1, command.configs);
      case "delete topic":
        return this.#deleteTopic(command.topic);
    }
  }

  #createTopic(partitions: number, configs: Readonly<Record<string, string | number>>): void {
    // One name in three is used again, so that an old topic's remains could be found under it.
    const number = this.#topicsMade++;
    const name = `topic${number % 3}`;
    if (this.#topics.some((topic) => topic.name === name)) return;
    this.#invoke(
      `create ${name}`,
      () => this.broker.createTopic(name, { partitions, configs }),
      (answer, invokedAt) => {
        this.#push(
          {
            kind: "create topic",
            topic: name,
            outcome: answer.outcome,
            ...(answer.outcome === "ok" ? { id: answer.value.id } : { code: answer.code }),
          },
          invokedAt,
        );
        if (answer.outcome === "ok") this.#refreshLogs();
      },
    );
  }

  #deleteTopic(index: number): void {
    const topic = this.#topics[index];
    if (topic === undefined || this.#topics.length < 2) return;
    // Nobody uses it any more, so that every outcome belongs to a topic that is known.
    this.#topics = this.#topics.filter((other) => other !== topic);
    this.#logs = this.#logs.filter((log) => log.topic !== topic.name);
    this.#invoke(
      `delete ${topic.name}`,
      () => this.broker.deleteTopic(topic.name),
      (answer, invokedAt) =>
        this.#push(
          {
            kind: "delete topic",
            topic: topic.name,
            id: topic.id,
            outcome: answer.outcome,
            ...(answer.outcome === "ok" ? {} : { code: answer.code }),
          },
          invokedAt,
        ),
    );
  }

  #allocate(producer: number): void {
    this.#invoke(
      "allocate a producer",
      () => this.broker.allocateProducer(),
      (answer, invokedAt) => {
        this.#push(
          {
            kind: "allocate producer",
            outcome: answer.outcome,
            ...(answer.outcome === "ok" ? { producerId: answer.value.producerId } : {}),
          },
          invokedAt,
        );
        if (answer.outcome === "ok")
          this.#producers[producer] = {
            id: answer.value.producerId,
            epoch: answer.value.producerEpoch,
            logs: new Map(),
          };
      },
    );
  }

  #produce(command: Command & { do: "produce" }, chance: Random): void {
    const log = this.#log(command.log);
    if (log === null) return;
    const process = `p${command.process}`;
    const records = this.#records(process, command.sizes, command.shiftMs);
    const { acks } = command;
    // Now and then without a timestamp: the broker's clock gives one.
    const timed = chance.chance(0.8);
    this.#invoke(
      `produce by ${process} to ${log.name}`,
      () =>
        this.broker.produce(
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
          return this.#pushProduced(process, log, acks, sent, invokedAt, {
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
          this.#pushProduced(
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

  #append(
    process: string,
    log: LogPlace,
    batches: readonly (readonly RecordToSend[])[],
    acks: "all" | "leader" | "none",
    expectedEndOffset?: number,
  ): void {
    const records = batches.flat();
    this.#invoke(
      `append by ${process} to ${log.name}`,
      () =>
        this.broker.appendBatches(log.topic, log.partition, concatenate(batches.map((batch) => encodeBatch(batch))), {
          acks,
          ...(expectedEndOffset === undefined ? {} : { expectedEndOffset }),
        }),
      (answer, invokedAt) =>
        this.#pushProduced(process, log, acks, records, invokedAt, {
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

  #sendStamped(command: Command & { do: "send" }): void {
    const log = this.#log(command.log);
    if (log === null) return;
    const client = this.#producers[command.producer];
    if (client === null || client === undefined) return this.#allocate(command.producer);
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
        records: this.#records(`${name}x${client.id}e${client.epoch}`, command.sizes, 0),
        outcome: "pending",
      };
      state.nextSequence = (state.nextSequence + command.sizes.length) % sequences;
      state.sent.push(batch);
    }
    const records = batch?.records ?? this.#records(`${name}stray`, command.sizes, 0);
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
      this.#pushProduced(process, log, acks, records, invokedAt, {
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
      this.#invoke(
        `append by ${name} to ${log.name}`,
        async () => {
          const { baseOffset, duplicate } = await this.broker.appendBatches(
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
      this.#invoke(
        `produce by ${name} to ${log.name}`,
        async () => {
          const results = await this.broker.produce(
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
  #bumpEpoch(client: ProducerClient): void {
    client.epoch++;
    client.logs.clear();
  }

  #fetch(command: Command & { do: "fetch" }): void {
    const log = this.#log(command.log);
    if (log === null) return;
    const { earliest, latest } = this.broker.offsets(log.topic, log.partition);
    const from = Math.round(earliest + ((latest - earliest) * command.percent) / 100);
    this.#read(`r${command.process}`, log, from, command.raw ? "raw" : "fetch", command.limit, 0, () => {});
  }

  #follow(command: Command & { do: "follow" }): void {
    const log = this.#log(command.log);
    if (log === null) return;
    const process = `f${command.process}`;
    const key = `${process} ${log.name}`;
    if (this.#following.has(key)) return;
    this.#following.add(key);
    const from = this.#cursors.get(key) ?? this.broker.offsets(log.topic, log.partition).earliest;
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
    this.#invoke(
      `read by ${process} of ${log.name}`,
      async () => {
        if (manner !== "raw") {
          const fetched = await this.broker.fetchRecords(log.topic, log.partition, { offset: from, limit, maxWaitMs });
          return {
            ...fetched,
            records: fetched.records.map(({ offset, timestamp, value }) => ({
              offset,
              timestamp,
              value: valueName(value),
            })),
          };
        }
        const [fetched] = await this.broker.fetchBatches(
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
          this.#push(
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
          const now = this.#broker === null || this.world.crashed !== null ? null : this.#offsets(log);
          // No answer is no event for a reader: it asks again from where it was.
          if (answer.outcome === "fail" && now !== null) {
            this.#push(
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

  // ---- retention ---------------------------------------------------------------------------

  /** Others append: what it may take depends on the race, and only the bounds can be judged. */
  #retainMeanwhile(): void {
    const logs = this.#logs;
    this.coverage?.add("retention while others append");
    this.#invoke(
      "retention meanwhile",
      () => this.broker.runRetention(),
      ({ outcome }, invokedAt) => {
        for (const { name } of logs) {
          const nothingKnown = { nowMs: this.world.wallMs(), retentionMs: -1, retentionBytes: -1, segments: [] };
          const bounds = { logStartOffset: 0, highWatermark: 0 };
          this.#push({ kind: "retention", log: name, outcome, alone: false, ...nothingKnown, ...bounds }, invokedAt);
        }
        for (const log of logs) if (this.world.crashed === null) this.describe(log, false);
      },
    );
  }

  async #retain(recoveryCrashes: readonly number[]): Promise<boolean> {
    const before: {
      log: LogPlace;
      segments: SegmentSeen[];
      start: number;
      high: number;
      retentionMs: number;
      retentionBytes: number;
    }[] = [];
    for (const log of this.#logs) {
      const { configs, partitions } = this.broker.describeTopic(log.topic);
      const described = partitions[log.partition];
      if (described === undefined || described.state !== "online") continue;
      before.push({
        log,
        segments: await this.segments(log),
        start: described.logStartOffset,
        high: described.highWatermark,
        retentionMs: Number(configs["retention.ms"]?.value),
        retentionBytes: Number(configs["retention.bytes"]?.value),
      });
    }
    const nowMs = this.world.wallMs();
    const alive = await this.#settleOrRecover(() => {
      this.#invoke(
        "retention",
        () => this.broker.runRetention(),
        (answer, invokedAt) => {
          for (const { log, segments, start, high, retentionMs, retentionBytes } of before) {
            this.#push(
              {
                kind: "retention",
                log: log.name,
                outcome: answer.outcome,
                alone: true,
                nowMs,
                retentionMs,
                retentionBytes,
                segments,
                logStartOffset: start,
                highWatermark: high,
              },
              invokedAt,
            );
          }
        },
      );
    }, recoveryCrashes);
    if (!alive) return false;
    // Files are unlinked later than the answer; their absence is looked for when there was time.
    if (!(await this.#auditOrRecover(recoveryCrashes))) return false;
    for (const { log } of before) {
      const { earliest } = this.broker.offsets(log.topic, log.partition);
      this.#push({ kind: "segments", log: log.name, logStartOffset: earliest, segments: await this.segments(log) });
    }
    return true;
  }

  /** The partition's segments as its folder shows them. */
  async segments(log: LogPlace): Promise<SegmentSeen[]> {
    this.world.looking = true;
    try {
      return await segmentsOf(this.world.disk, `${log.topic}-${log.partition}`);
    } finally {
      this.world.looking = false;
    }
  }

  // ---- audits ------------------------------------------------------------------------------

  /** Waits until all is quiet, then reads and looks up everything there is. Power may go meanwhile. */
  async audit(): Promise<void> {
    const world = this.world;
    const settled = (): boolean =>
      this.#logs.every((log) => {
        const described = this.#describePartition(log);
        return described === null || described.state !== "online" || described.highWatermark === described.logEndOffset;
      });
    for (let tries = 0; tries < 40; tries++) {
      await world.time.until(() => world.crashed !== null, 25);
      if (world.crashed !== null) return;
      if (settled()) break;
    }
    const chance = draw(this.plan.seed, "audit", this.#audits++);
    this.#refreshLogs();
    this.#push({ kind: "topics", ids: this.broker.listTopics().map((topic) => topic.id) });
    for (const log of this.#logs) {
      const state = this.describe(log, true);
      if (state === "offline") continue;
      const timestamps = await this.#auditRead(log, chance);
      if (world.crashed !== null) return;
      if (timestamps === null) continue;
      for (let count = 0; count < 3; count++) {
        const timestamp = timestamps.length === 0 ? world.wallMs() : chance.pick(timestamps) + chance.pick([-1, 0, 1]);
        await this.#settled(
          `look up ${log.name}`,
          () => this.broker.offsetForTimestamp(log.topic, log.partition, timestamp),
          (value, invokedAt) =>
            this.#push(
              { kind: "look up", log: log.name, timestamp, offset: value.offset, recordTimestamp: value.timestamp },
              invokedAt,
            ),
        );
        if (world.crashed !== null) return;
      }
    }
  }

  /** Gives lent bytes back as a slow peer does: when others have long fetched and appended. */
  #holdLent(log: LogPlace, from: number, { bytes, release }: FetchedPartition): void {
    if (bytes.length === 0) return;
    const expected = bytes.slice();
    // Somebody else's bytes would come to lie there, were the room free.
    const all = this.#logs.map(({ topic, partition }) => ({ topic, partition, offset: 0 }));
    this.#broker?.fetchBatches(all, { pooled: true }).then(
      (parts) => {
        for (const part of parts) part.release();
      },
      () => {},
    );
    this.world.time.schedule(1 + (from % 4) * 40, () => {
      const intact = bytes.every((byte, at) => byte === expected[at]);
      this.#push({ kind: "lent", log: log.name, from, intact });
      release();
    });
  }

  async #auditRead(log: LogPlace, chance: Random): Promise<number[] | null> {
    const raw = chance.chance(0.3);
    const maxBytes = chance.pick([100, 1000, 100_000]);
    const limit = chance.pick([1, 7, 1000]);
    const timestamps: number[] = [];
    const epochs: EpochSeen[] = [];
    const read = async (): Promise<Extract<HistoryEvent, { kind: "read" }>> => {
      const { earliest } = this.broker.offsets(log.topic, log.partition);
      const records = [];
      let offset = earliest;
      let highWatermark = earliest;
      let logStartOffset = earliest;
      for (;;) {
        if (raw) {
          const [fetched] = await this.broker.fetchBatches(
            [{ topic: log.topic, partition: log.partition, offset, maxBytes }],
            { maxWaitMs: 0 },
          );
          if (fetched === undefined || fetched.error !== undefined) throw fetched?.error ?? new Error("no answer");
          for (const { baseOffset, leaderEpoch } of batchesOf(fetched.bytes)) {
            const told = this.broker.leaderEpochAt(log.topic, log.partition, Math.max(baseOffset, earliest));
            epochs.push({ offset: baseOffset, written: leaderEpoch, told });
          }
          // The first batch may begin before the offset asked for.
          records.push(...recordsOf(fetched.bytes).filter((record) => record.offset >= offset));
          ({ highWatermark, logStartOffset } = fetched);
          if (fetched.nextOffset <= offset) break;
          offset = fetched.nextOffset;
        } else {
          const fetched = await this.broker.fetchRecords(log.topic, log.partition, {
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
      this.#push(event, invokedAt),
    );
    if (read_ && epochs.length > 0) this.#push({ kind: "epochs", log: log.name, batches: epochs });
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
    this.#invoke(
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
    const done = await this.world.time.until(() => outcome !== null || this.world.crashed !== null, answerLimitMs);
    if (this.world.crashed !== null) return false;
    if (!done) this.#stuck(`no answer to the auditor after ${answerLimitMs} ms: ${what}`);
    const answer = outcome as unknown as Answer<T>;
    if (answer.outcome !== "ok")
      this.#stuck(`the auditor was refused, ${what}: ${thrown instanceof Error ? thrown.stack : String(thrown)}`);
    else ended(answer.value, at);
    return true;
  }

  describe(log: LogPlace, quiet: boolean): "online" | "offline" | "fenced" {
    const described = this.#describePartition(log);
    if (described === null) return "offline";
    const { state, reason, logStartOffset, highWatermark, lastStableOffset, logEndOffset, segments } = described;
    this.#push({
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
    });
    if (state === "offline" || (state === "fenced" && !this.#faulty)) this.#stuck(`${log.name} is ${state}: ${reason}`);
    return state;
  }

  // ---- below -------------------------------------------------------------------------------

  #invoke<T>(what: string, call: () => Promise<T>, ended: (answer: Answer<T>, invokedAt: number) => void): void {
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
        this.#push({
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

  #pushProduced(
    process: string,
    log: LogPlace,
    acks: "all" | "leader" | "none",
    records: readonly RecordToSend[],
    invokedAt: number,
    rest: {
      outcome: Outcome;
      code?: string;
      divisible?: boolean;
      offsets?: readonly number[];
      duplicate?: boolean;
      producer?: Stamp;
      retry?: boolean;
      expectedEndOffset?: number;
    },
  ): void {
    const appendTime = this.#appendTime.has(log.name);
    const produced: ProducedRecord[] = records.map(({ value, timestamp }) => ({
      value,
      timestamp: appendTime ? -1 : timestamp,
    }));
    this.#push({ kind: "produce", process, log: log.name, acks, records: produced, ...rest }, invokedAt);
  }

  #push(
    event: DistributiveOmit<HistoryEvent, "atMs" | "incarnation" | "invokedAt">,
    invokedAt: number = this.history.length,
  ): void {
    this.history.push({
      ...event,
      atMs: this.world.time.nowMs,
      incarnation: this.world.incarnation,
      invokedAt,
    } as HistoryEvent);
  }

  #stuck(detail: string): never {
    this.#push({ kind: "stuck", detail });
    throw new Abandoned();
  }

  #records(process: string, sizes: readonly number[], shiftMs: number): RecordToSend[] {
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

  #log(index: number): LogPlace | null {
    return this.#logs.length === 0 ? null : (this.#logs[index % this.#logs.length] ?? null);
  }

  #end(log: LogPlace): number {
    return this.#describePartition(log)?.logEndOffset ?? 0;
  }

  #offsets(log: LogPlace): { earliest: number; latest: number } | null {
    try {
      return this.broker.offsets(log.topic, log.partition);
    } catch {
      return null;
    }
  }

  #stateOf(log: LogPlace): string {
    return this.#describePartition(log)?.state ?? "gone";
  }

  #describePartition(log: LogPlace): ReturnType<Broker["describeTopic"]>["partitions"][number] | null {
    try {
      return this.broker.describeTopic(log.topic).partitions[log.partition] ?? null;
    } catch (error) {
      if (error instanceof MoldauError) return null;
      throw error;
    }
  }

  readonly #appendTime: Set<LogName> = new Set();

  #refreshLogs(): void {
    this.#topics = this.broker.listTopics().map(({ name, id }) => ({ name, id }));
    this.#topics.sort((a, b) => (a.name < b.name ? -1 : 1));
    this.#logs = [];
    for (const { name, id } of this.#topics) {
      const { partitions, configs } = this.broker.describeTopic(name);
      for (const { partition } of partitions) {
        const log = { topic: name, partition, name: `${name}-${partition}@${id.slice(0, 6)}` };
        this.#logs.push(log);
        if (configs["message.timestamp.type"]?.value === "LogAppendTime") this.#appendTime.add(log.name);
      }
    }
  }
}

function logStateOf(
  client: ProducerClient,
  log: LogPlace,
  producer: number,
): { nextSequence: number; sent: SentBatch[] } {
  let state = client.logs.get(log.name);
  if (state === undefined) {
    // The third producer begins where its sequences will soon wrap.
    state = { nextSequence: producer === 2 && client.epoch === 0 ? sequences - 3 : 0, sent: [] };
    client.logs.set(log.name, state);
  }
  return state;
}

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
