// Compaction of a broker's logs: which one next, and at what pace.
//
// Owns: that one log is compacted at a time, the dirtiest first; that a pass gives way to everybody
//   else after each slice and rests as long as it has worked; what must be durable before a pass
//   may take anything out; and how long what it replaced is kept for those who read it.
// Never: looks into a log (log/compact.ts), or what of it is worth a pass (log/compaction-plan.ts).
//
// Invariants: before a segment is replaced its records are below a recovery point that is on the
//   disk, where a missing offset is no damage, and so is a snapshot of the producers behind it.
//   A log that cannot be compacted is said once and left alone until the next start.

import { MoldauError, toMoldauError } from "../errors.ts";
import {
  type Compacted,
  CompactionStoppedError,
  compactLog,
  InterruptedSwapError,
  isUncleanable,
} from "../log/compact.ts";
import { type CompactionPlan, isActiveOverdue, planCompaction } from "../log/compaction-plan.ts";
import type { Log } from "../log/log.ts";
import { StorageError } from "../port/storage.ts";
import type { EngineParts } from "./broker.ts";
import type { TopicConfig } from "./configs.ts";
import type { Maintenance } from "./maintenance.ts";
import type { Partition } from "./partition.ts";
import type { Timer } from "./timers.ts";
import type { CompactionSummary } from "./types.ts";

const defaultCheckMs = 15_000;
/** A pass never begins its next slice sooner: the loop has turned in between. */
const shortestRestMs = 1;
const secretBytes = 16;

interface Candidate {
  readonly partition: Partition;
  readonly log: Log;
  readonly config: TopicConfig;
  readonly plan: CompactionPlan;
}

export class Compaction {
  readonly #parts: EngineParts;
  readonly #maintenance: Maintenance;
  readonly #uncleanable: WeakSet<Partition> = new WeakSet();
  readonly #removals: Map<Partition, Timer> = new Map();
  #running: Promise<unknown> = Promise.resolve();
  #ended = false;
  #wake: () => void = () => {};

  constructor(parts: EngineParts, maintenance: Maintenance) {
    this.#parts = parts;
    this.#maintenance = maintenance;
  }

  /** Begins the periodic work. */
  begin(): void {
    const { timers, options } = this.#parts;
    timers.after(options.compactionCheckIntervalMs ?? defaultCheckMs, () => {
      if (this.#ended) return;
      void this.run().then(
        () => this.begin(),
        (error: unknown) => {
          options.logger.log("warn", `compaction failed: ${toMoldauError(error).message}`);
          this.begin();
        },
      );
    });
  }

  /** Compacts what is due, after what is being compacted. */
  run(): Promise<CompactionSummary> {
    const run = this.#running.then(() => this.#run());
    this.#running = run.catch(() => {});
    return run;
  }

  /** No pass begins, the one under way stops at its next slice; resolves when it has, and nothing replaced is kept any more. */
  async end(): Promise<void> {
    this.#ended = true;
    this.#wake();
    await this.#running;
    for (const [partition, timer] of [...this.#removals]) {
      timer.cancel();
      await this.#removeRetired(partition);
    }
  }

  async #run(): Promise<CompactionSummary> {
    const summary = {
      ...{ passes: 0, recordsRemoved: 0, bytesRead: 0, bytesWritten: 0, segmentsBefore: 0, segmentsAfter: 0 },
    };
    await this.#endOverdueSegments();
    const tried = new Set<Partition>();
    for (;;) {
      if (this.#ended) return summary;
      const candidate = this.#dirtiest(tried);
      if (candidate === null) return summary;
      const compacted = await this.#compact(candidate, summary);
      // A pass that had no room for all keys goes on with the rest.
      if (compacted === null || compacted.cleanedTo <= candidate.plan.firstDirtyOffset) tried.add(candidate.partition);
    }
  }

  /** What is too old may lie in an active segment to which nobody appends. */
  async #endOverdueSegments(): Promise<void> {
    const now = this.#parts.options.clock.now();
    const rolled: Partition[] = [];
    for (const { partition, log, config } of this.#compacted()) {
      if (!isActiveOverdue(log.active, config, now)) continue;
      try {
        partition.roll();
        rolled.push(partition);
      } catch (error) {
        this.#say(partition, `cannot begin a new segment: ${toMoldauError(error).message}`);
      }
    }
    await Promise.all(rolled.map((partition) => partition.settle()));
  }

  *#compacted(): Generator<Omit<Candidate, "plan">, void, void> {
    for (const { partitions, config } of this.#parts.topics.all()) {
      for (const partition of partitions) {
        const { log } = partition;
        if (log === null || partition.state !== "online" || this.#uncleanable.has(partition)) continue;
        yield { partition, log, config };
      }
    }
  }

  #dirtiest(except: ReadonlySet<Partition>): Candidate | null {
    const now = this.#parts.options.clock.now();
    let dirtiest: Candidate | null = null;
    for (const candidate of this.#compacted()) {
      if (except.has(candidate.partition)) continue;
      const { log, config } = candidate;
      const plan = planCompaction(log, config, Math.min(log.syncedOffset, log.highWatermark), now);
      if (plan !== null && (dirtiest === null || plan.dirtyRatio > dirtiest.plan.dirtyRatio)) {
        dirtiest = { ...candidate, plan };
      }
    }
    return dirtiest;
  }

  async #compact(candidate: Candidate, summary: Mutable<CompactionSummary>): Promise<Compacted | null> {
    const { partition } = candidate;
    const { counters } = this.#parts;
    const counts = { bytesRead: 0, bytesWritten: 0, recordsRemoved: 0 };
    try {
      const compacted = await this.#pass(candidate, counts);
      if (compacted === null) return null;
      counters.compactions += 1;
      summary.passes += 1;
      summary.segmentsBefore += compacted.segmentsBefore;
      summary.segmentsAfter += compacted.segmentsAfter;
      return compacted;
    } catch (error) {
      if (error instanceof CompactionStoppedError) return null;
      counters.compactionFailures += 1;
      this.#fail(partition, error);
      return null;
    } finally {
      counters.compactionBytesRead += counts.bytesRead;
      counters.compactionBytesWritten += counts.bytesWritten;
      counters.recordsCompacted += counts.recordsRemoved;
      summary.bytesRead += counts.bytesRead;
      summary.bytesWritten += counts.bytesWritten;
      summary.recordsRemoved += counts.recordsRemoved;
      this.#removeLater(candidate);
    }
  }

  async #pass(candidate: Candidate, counts: { bytesRead: number; bytesWritten: number; recordsRemoved: number }) {
    const { partition, log, config } = candidate;
    const { options } = this.#parts;
    await this.#secure(candidate);
    const below = Math.min(log.syncedOffset, log.highWatermark, this.#maintenance.recordedPoint(partition));
    const nowMs = options.clock.now();
    const plan = planCompaction(log, config, below, nowMs);
    if (plan === null) return null;
    const secret = new Uint8Array(secretBytes);
    options.entropy.fill(secret);
    const compacted = await compactLog(log, {
      ...{ plan, secret, nowMs, counts },
      deleteRetentionMs: config.deleteRetentionMs,
      decompressor: options.decompressor,
      turn: this.#pace(partition),
      exclusively: (work) =>
        partition.exclusively(async () => {
          this.#demandOnline(partition);
          await work();
        }),
    });
    if (compacted === null) return null;
    log.cleanedTo = Math.max(log.cleanedTo, compacted.cleanedTo);
    log.horizonMs = compacted.horizonMs;
    await this.#maintenance.recordCleaned();
    return compacted;
  }

  /** Sees to it that a crash finds what is compacted below the recovery point, and the producers' state behind it. */
  async #secure({ partition, log, plan }: Candidate): Promise<void> {
    const isRecorded = (): boolean => {
      const point = this.#maintenance.recordedPoint(partition);
      return point >= plan.endOffset && log.hasSnapshotFrom(plan.endOffset, point);
    };
    // A snapshot of the last roll may wait for its sync still.
    await partition.settle();
    if (isRecorded()) return;
    await this.#maintenance.recordRecoveryPoints();
    if (isRecorded()) return;
    await partition.exclusively(async () => {
      this.#demandOnline(partition);
      await log.saveSnapshot();
    });
    await partition.settle();
    await this.#maintenance.recordRecoveryPoints();
    if (!isRecorded()) throw new CompactionStoppedError("what it would compact is not recorded as synced");
  }

  #demandOnline(partition: Partition): void {
    if (this.#ended || partition.state !== "online") throw new CompactionStoppedError("the partition is closing");
  }

  /** Rests as long as the pass has worked since the last turn. */
  #pace(partition: Partition): () => Promise<void> {
    const { clock } = this.#parts.options;
    let begun = clock.monotonic();
    return async () => {
      this.#demandOnline(partition);
      await this.#rest(Math.max(shortestRestMs, clock.monotonic() - begun));
      this.#demandOnline(partition);
      begun = clock.monotonic();
    };
  }

  #rest(restMs: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = this.#parts.timers.after(restMs, resolve);
      this.#wake = () => {
        timer.cancel();
        resolve();
      };
    });
  }

  #fail(partition: Partition, error: unknown): void {
    const { message } = toMoldauError(error);
    if (error instanceof InterruptedSwapError) partition.fence(message);
    else if (isUncleanable(error) || (error instanceof StorageError && error.kind === "io")) {
      this.#uncleanable.add(partition);
      this.#say(partition, `cannot be compacted, and is left as it is until the next start: ${message}`);
    } else if (error instanceof MoldauError || error instanceof StorageError) this.#say(partition, message);
    else throw error;
  }

  #say(partition: Partition, message: string): void {
    this.#parts.options.logger.log("warn", `${partition.name}: compaction: ${message}`);
  }

  // ---- what was replaced -------------------------------------------------------------------

  #removeLater({ partition, log, config }: Candidate): void {
    if (!log.hasRetired || this.#removals.has(partition)) return;
    const timer = this.#parts.timers.after(config.fileDeleteDelayMs, () => void this.#removeRetired(partition));
    this.#removals.set(partition, timer);
  }

  async #removeRetired(partition: Partition): Promise<void> {
    this.#removals.delete(partition);
    if (partition.state === "closed") return;
    try {
      await partition.exclusively(async () => partition.log?.removeRetired());
    } catch (error) {
      this.#say(partition, `${toMoldauError(error).message}; what it replaced keeps its room until the next start`);
    }
  }
}

type Mutable<Of> = { -readonly [Key in keyof Of]: Of[Key] };
