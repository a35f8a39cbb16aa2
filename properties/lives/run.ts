// Carries out a plan on a broker in its world, and writes down what clients saw.
//
// Owns: the broker's lives, one after the other: openings, crashes, orderly ends; the rounds of a plan, and when
//   in a round each command is sent.
// Never: judges: checker/ is handed the history when the run is over.

import { judge, type Violation } from "../checker/index.ts";
import type { Coverage } from "../coverage.ts";
import type { EventSketch, HistoryEvent } from "../history.ts";
import type { Command, Plan, Round } from "../plan.ts";
import { draw, type Random } from "../random.ts";
import { type Broker, type Durability, kernel, kernelOfALife, limits, openBroker } from "../subject.ts";
import { type Lies, World, type WorldOptions } from "../world.ts";
import { Admin } from "./admin.ts";
import { Auditor } from "./auditor.ts";
import { IdempotentProducers } from "./idempotent-producers.ts";
import { Producers } from "./producers.ts";
import { Readers } from "./readers.ts";
import { Retention } from "./retention.ts";
import { Abandoned, answerLimitMs, type LogPlace, Stage } from "./stage.ts";

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
  readonly #stage: Stage;
  readonly #admin: Admin;
  readonly #producers: Producers;
  readonly #idempotent: IdempotentProducers;
  readonly #readers: Readers;
  readonly #retention: Retention;
  readonly #auditor: Auditor;
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
    const stage = new Stage(plan.seed, this.world, options.coverage);
    this.#stage = stage;
    this.#admin = new Admin(stage);
    this.#producers = new Producers(stage);
    this.#idempotent = new IdempotentProducers(stage);
    this.#readers = new Readers(stage);
    this.#retention = new Retention(stage);
    this.#auditor = new Auditor(stage);
  }

  get history(): readonly HistoryEvent[] {
    return this.#stage.history;
  }

  get broker(): Broker {
    return this.#stage.broker;
  }

  get logs(): readonly LogPlace[] {
    return this.#stage.logs;
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
      throw new Error(
        judge(this.history)
          .violations.map(({ message }) => message)
          .join("\n"),
      );
    }
  }

  async #play(): Promise<void> {
    await this.open([]);
    for (const topic of this.plan.topics) {
      await this.#settleOrRecover(() => this.#admin.createTopic(topic.partitions, topic.configs), []);
      // A crash may have taken it before anyone was told.
      if (this.#stage.topics.length === 0)
        await this.#settleOrRecover(() => this.#admin.createTopic(topic.partitions, topic.configs), []);
    }
    await this.#settleOrRecover(() => {
      this.#idempotent.allocateAll();
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
        kernel: kernelOfALife(kernel),
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
        this.#stage.stuck(`the broker does not open: ${failed instanceof Error ? failed.stack : String(failed)}`);
      if (!ended || opened === null) this.#stage.stuck(`the broker had not opened after ${answerLimitMs} ms`);
      this.#stage.begins(opened, sound);
      const { report } = this.broker;
      this.coverage?.add("recoveries that truncated", report.truncatedBytes > 0 ? 1 : 0);
      this.coverage?.add("indexes rebuilt", report.rebuiltIndexes);
      this.coverage?.add("openings after a clean shutdown", report.cleanShutdown ? 1 : 0);
      this.#stage.push({ kind: "open", detail: report.notes.join("; ") });
      this.#stage.refreshLogs();
      if (sound) for (const log of this.logs) this.#stage.describe(log, false);
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
    this.#stage.noteMetrics();
    const fenced = this.logs.some((log) => this.#stage.stateOf(log) !== "online");
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
    if (clean === null) this.#stage.stuck(`the broker had not closed after ${answerLimitMs} ms`);
    this.#end({ kind: "close", detail: "", clean: clean === true && !fenced });
    await this.world.endProcess();
  }

  /** The process is gone, the machine not: all that was handed to the disk is there. */
  async kill(): Promise<void> {
    this.#stage.noteMetrics();
    this.world.crashed ??= { what: "the process was killed" };
    this.#end({ kind: "crash", detail: "killed" });
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
    this.#stage.noteMetrics();
    this.#end({ kind: "crash", detail: `power went before ${this.world.crashed?.what}` });
    this.coverage?.add("crashes");
    await this.world.losePower();
  }

  /** Whatever had no answer never gets one. */
  #end(event: EventSketch): void {
    this.#stage.forget();
    this.#readers.forget();
    this.#stage.ended(event);
  }

  // ---- rounds ------------------------------------------------------------------------------

  async #round(round: Round): Promise<void> {
    this.world.wallOffsetMs += round.jumpMs;
    if (round.failSyncs > 0) {
      this.world.failSyncs(1, round.failSyncs === 1 ? ".log" : ".journal");
      this.#stage.isFaulty = true;
      this.coverage?.add("failed syncs asked for");
    }
    if (round.fullDisk) {
      this.world.fillDisk(true, round.roomFor);
      this.#stage.isFaulty = true;
      this.coverage?.add("full disks");
    }
    if (round.crashAfter > 0) this.world.crashAfter(round.crashAfter);
    this.#loadFails = round.loadFails;
    this.#onlyProcess = round.onlyProcess;
    const alive = await this.#settleOrRecover(() => {
      const chance = draw(this.plan.seed, "stagger", this.#stage.history.length);
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

  /** A pass while nothing else is under way. False when power went. */
  async #retain(recoveryCrashes: readonly number[]): Promise<boolean> {
    const before = await this.#retention.before();
    if (!(await this.#settleOrRecover(() => this.#retention.run(before), recoveryCrashes))) return false;
    if (!(await this.#auditOrRecover(recoveryCrashes))) return false;
    await this.#retention.after(before);
    return true;
  }

  /** Sends something and waits for every answer; when power goes, opens again. False then. */
  async #settleOrRecover(send: () => (() => boolean) | void, recoveryCrashes: readonly number[]): Promise<boolean> {
    const sent = send() ?? (() => true);
    const done = await this.world.time.until(
      () => this.world.crashed !== null || (sent() && this.#stage.isAnswered),
      answerLimitMs,
    );
    if (this.world.crashed !== null) {
      await this.#recover(recoveryCrashes);
      return false;
    }
    if (!done) this.#stage.stuck(`no answer after ${answerLimitMs} ms: ${this.#stage.underWay()}`);
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

  /** Waits until all is quiet, then reads and looks up everything there is. Power may go meanwhile. */
  audit(): Promise<void> {
    return this.#auditor.audit();
  }

  #send(command: Command, chance: Random): void {
    switch (command.do) {
      case "produce":
        return this.#producers.produce(command, chance);
      case "append":
        return this.#producers.append(command);
      case "conditional":
        return this.#producers.conditional(command);
      case "send":
        return this.#idempotent.send(command);
      case "allocate":
        return this.#idempotent.allocate(command.producer);
      case "fetch":
        return this.#readers.fetch(command);
      case "follow":
        return this.#readers.follow(command);
      case "delete records":
        return this.#admin.deleteRecords(command);
      case "retain":
        return this.#retention.meanwhile();
      case "alter":
        return this.#admin.alterTopic(command);
      case "create topic":
        return this.#admin.createTopic(1, command.configs);
      case "delete topic":
        return this.#admin.deleteTopic(command.topic);
    }
  }
}
