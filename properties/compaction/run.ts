// Plays the life of a compacted topic: plan in, violations out.
//
// Owns: the commands, one after the other, and what follows a loss of power.
// Never: draws a plan (plans.ts). What is found wrong has the name of the invariant that it breaks.

import { oneRecordAKey } from "../checker/cleaning.ts";
import { progress } from "../checker/durability.ts";
import { type Invariant, judge, type Violation } from "../checker/index.ts";
import { Coverage } from "../coverage.ts";
import type { EventSketch, HistoryEvent } from "../history.ts";
import { MoldauError } from "../subject.ts";
import type { World } from "../world.ts";
import { Broken } from "./broken.ts";
import { Ledger, type Producer } from "./ledger.ts";
import { passedTombstonesGo } from "./passed-tombstones.ts";
import type { CompactionCommand, CompactionPlan, LostFiles, PlannedRecord } from "./plan.ts";
import { Reader } from "./reader.ts";
import { PowerLost, Stage, topic } from "./stage.ts";
import { Tombstones } from "./tombstones.ts";
import { Writer } from "./writer.ts";

export interface CompactionRunOptions {
  readonly crashAtWrites?: readonly number[];
  readonly coverage?: Coverage;
}

export interface CompactionResult {
  readonly violations: readonly Violation[];
  readonly world: World;
  /** Writes of the disk up to the end of the plan's commands. */
  readonly commandWrites: number;
}

const dayMs = 86_400_000;
const logName = `${topic}-0`;

/** What whole runs of compaction have left is judged by what was noted of them. */
const judged: readonly Invariant[] = [oneRecordAKey, passedTombstonesGo];

export async function executeCompaction(
  plan: CompactionPlan,
  options: CompactionRunOptions = {},
): Promise<CompactionResult> {
  const run = new CompactionRun(plan, options);
  const violations: Violation[] = [];
  try {
    await run.all();
  } catch (error) {
    // Nothing that is asked here may be refused.
    const broken = error instanceof MoldauError ? new Broken(progress, error.message) : error;
    if (!(broken instanceof Broken)) throw error;
    violations.push(broken.violation);
  }
  const verdict = judge(run.history, judged);
  for (const { invariant, times } of verdict.checked) options.coverage?.add(`offsets held against ${invariant}`, times);
  return {
    violations: [...verdict.violations, ...violations],
    world: run.world,
    commandWrites: run.commandWrites,
  };
}

class CompactionRun {
  readonly #plan: CompactionPlan;
  readonly #retentionMs: number;
  readonly #stage: Stage;
  readonly #ledger: Ledger = new Ledger();
  readonly #tombstones: Tombstones;
  readonly #writer: Writer;
  readonly #reader: Reader;
  readonly history: HistoryEvent[] = [];
  commandWrites = 0;

  constructor(plan: CompactionPlan, { crashAtWrites, coverage = new Coverage() }: CompactionRunOptions) {
    this.#plan = plan;
    this.#retentionMs = Number(plan.configs["delete.retention.ms"] ?? dayMs);
    this.#stage = new Stage(plan, coverage, crashAtWrites);
    this.#tombstones = new Tombstones(this.#retentionMs);
    this.#writer = new Writer(this.#stage, this.#ledger);
    this.#reader = new Reader(this.#stage, this.#ledger, this.#tombstones);
  }

  get world(): World {
    return this.#stage.world;
  }

  async all(): Promise<void> {
    await this.#survive(() => this.#stage.open());
    for (let made = false; !made; ) made = (await this.#survive(() => this.#begin())) !== "lost";
    for (const command of this.#plan.commands) {
      await this.#survive(() => this.#command(command), command.do === "compact" ? command.recoveryCrashes : []);
    }
    this.commandWrites = this.world.counts.writes;
    await this.#survive(() => this.#settle());
    await this.#survive(() => this.#restart([]));
    await this.#survive(() => this.#stage.close());
  }

  async #begin(): Promise<void> {
    const configs = { "cleanup.policy": "compact", "min.cleanable.dirty.ratio": 0, ...this.#plan.configs };
    await this.#stage.answer(() => this.#stage.broker.createTopic(topic, { configs }));
    this.#note({ kind: "policy", log: logName, compact: true, deleteRetentionMs: this.#retentionMs });
    await this.#writer.begin();
  }

  // ---- lives -------------------------------------------------------------------------------

  async #survive(work: () => Promise<void>, recoveryCrashes: readonly number[] = []): Promise<"done" | "lost"> {
    try {
      await work();
      return "done";
    } catch (error) {
      if (!(error instanceof PowerLost)) throw error;
    }
    await this.#afterCrash(recoveryCrashes);
    return "lost";
  }

  async #afterCrash(recoveryCrashes: readonly number[]): Promise<void> {
    const crashes = [...recoveryCrashes];
    for (;;) {
      await this.#stage.losePower();
      try {
        await this.#stage.open(crashes.shift() ?? 0);
        if (this.#ledger.producers.length > 0) await this.#reader.look();
        return;
      } catch (error) {
        if (!(error instanceof PowerLost)) throw error;
        this.#stage.coverage.add("crashes in a recovery");
      }
    }
  }

  async #restart(lost: readonly LostFiles[]): Promise<void> {
    // Of producers whose batches were deleted nothing but a snapshot knows.
    const without = lost.filter((what) => what !== "snapshots" || this.#ledger.start === 0);
    await this.#stage.close();
    await this.#stage.lose(without);
    await this.#stage.open();
    await this.#reader.look();
    for (const producer of this.#ledger.producers) await this.#writer.retry(producer);
  }

  // ---- commands ----------------------------------------------------------------------------

  async #command(command: CompactionCommand): Promise<void> {
    switch (command.do) {
      case "append":
        return this.#writer.append(command.records, command.packed, this.#producer(command.producer));
      case "retry":
        return this.#writer.retry(this.#producer(command.producer) as Producer);
      case "pass time":
        this.world.wallOffsetMs += command.ms;
        return;
      case "compact":
        if (command.crashAfter > 0) this.world.crashAfter(command.crashAfter);
        await this.#compact();
        this.world.crashAfter(Number.POSITIVE_INFINITY);
        return this.#reader.look();
      case "append while compacting":
        return this.#appendWhileCompacting(command.records);
      case "delete records":
        return this.#deleteRecords(command.percent);
      case "crash":
        throw new PowerLost();
      case "restart":
        return this.#restart(command.without);
    }
  }

  #producer(number: number | null): Producer | null {
    return number === null ? null : (this.#ledger.producers[number] as Producer);
  }

  async #deleteRecords(percent: number): Promise<void> {
    const before = Math.floor((this.#ledger.end * percent) / 100);
    if (before <= this.#ledger.start) return;
    this.#ledger.start = await this.#stage.answer(() => this.#stage.broker.deleteRecords(topic, 0, before));
    this.#stage.coverage.add("records deleted");
  }

  async #appendWhileCompacting(records: readonly PlannedRecord[]): Promise<void> {
    this.#beginPass();
    let ended = false;
    const running = this.#stage.broker.runCompaction().then(() => void (ended = true));
    running.catch(() => {});
    for (const record of records) {
      const from = this.#ledger.end;
      const nowMs = this.world.wallMs();
      await this.#writer.append([record], false, null);
      // One that comes in time is seen by a later pass of the same run.
      for (let offset = from; offset < this.#ledger.end; offset++) this.#tombstones.writtenUnderPass(offset, nowMs);
      this.#tombstones.passing(this.world.wallMs());
      await this.#reader.look(true);
    }
    await this.#stage.answer(() => running);
    if (ended) this.#stage.coverage.add("appends while compacting", records.length);
    this.#tombstones.passing(this.world.wallMs());
    return this.#reader.look();
  }

  #beginPass(): number {
    const nowMs = this.world.wallMs();
    this.#tombstones.beginPass(this.#ledger.written, nowMs);
    return nowMs;
  }

  async #compact(): Promise<void> {
    const { coverage } = this.#stage;
    const beganMs = this.#beginPass();
    const before = this.world.counts.writes;
    const summary = await this.#stage.answer(() => this.#stage.broker.runCompaction());
    coverage.add("passes", summary.passes);
    coverage.add("passes beyond the first of a run", Math.max(0, summary.passes - 1));
    coverage.add("records taken", summary.recordsRemoved);
    coverage.add("segments merged", Math.max(0, summary.segmentsBefore - summary.segmentsAfter));
    coverage.add("segments split", Math.max(0, summary.segmentsAfter - summary.segmentsBefore));
    coverage.add("writes of compactions", this.world.counts.writes - before);
    this.#tombstones.passing(this.world.wallMs());
    const run = { passes: summary.passes, beganMs, endedMs: this.world.wallMs() };
    this.#note({ kind: "compacted", log: logName, below: await this.#stage.activeBase(), ...run });
    await this.#audit();
  }

  /** Everything that a whole run has left, written down. */
  async #audit(): Promise<void> {
    const invokedAt = this.history.length;
    const { start: from, end } = this.#ledger;
    const records = (await this.#reader.readAll()).map(({ value, ...record }) => ({
      ...{ ...record, value: value ?? `tombstone.${record.offset}`, tombstone: value === null },
    }));
    this.#note(
      {
        ...{ kind: "read", process: "auditor", log: logName, manner: "audit", from, outcome: "ok", records },
        ...{ logStartOffset: from, highWatermark: end, nextOffset: end },
      },
      invokedAt,
    );
  }

  #note(event: EventSketch, invokedAt = this.history.length): void {
    const { time, incarnation } = this.world;
    this.history.push({ ...event, atMs: time.nowMs, incarnation, invokedAt } as HistoryEvent);
  }

  // ---- the end -----------------------------------------------------------------------------

  /** Time passes, and more is written: every tombstone that compaction has reached goes. */
  async #settle(): Promise<void> {
    for (let round = 0; round < 2; round++) {
      for (let filler = 0; filler < 3; filler++) {
        await this.#writer.append([{ key: 100 + filler, size: 260 }], false, null);
      }
      await this.#compact();
      await this.#reader.look();
      this.world.wallOffsetMs += this.#retentionMs + 10_000;
    }
    for (const producer of this.#ledger.producers) await this.#writer.retry(producer);
  }
}
