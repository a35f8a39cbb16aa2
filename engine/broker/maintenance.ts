// What a broker does by itself: recovery points, retention, and the removal of what was deleted.
// Compaction, which is more, has a file of its own (compaction.ts).
//
// Owns: when the checkpoint files are written, and the order that makes a deletion safe: a
//   durable producer snapshot, then the checkpoints, then the segments, oldest first.
// Never: decides what a policy names (log/retain.ts), or answers a client.

import { MoldauError, toMoldauError } from "../errors.ts";
import { recoveryPointIntervalMs } from "../limits.ts";
import { isDeleted } from "../log/cleanup-policy.ts";
import { retainedStart } from "../log/retain.ts";
import type { EngineParts } from "./broker.ts";
import { CheckpointFile, cleanedFileName, logStartFileName, recoveryPointFileName } from "./checkpoints.ts";
import type { Partition } from "./partition.ts";

const defaultRetentionCheckMs = 300_000;
const unlimited = { retentionMs: -1, retentionBytes: -1 };

export class Maintenance {
  readonly #parts: EngineParts;
  readonly #recoveryPoints: CheckpointFile;
  readonly #logStarts: CheckpointFile;
  readonly #cleaned: CheckpointFile;
  /** What recovery-point-offset-checkpoint says. */
  #recordedPoints: ReadonlyMap<string, number> = new Map();
  #ticking: Promise<unknown> = Promise.resolve();
  #ended = false;

  constructor(parts: EngineParts) {
    const { options } = parts;
    this.#parts = parts;
    this.#recoveryPoints = new CheckpointFile(
      options.storage,
      recoveryPointFileName,
      () => this.#collect(({ log, recorded }) => log?.syncedOffset ?? recorded.recoveryPoint),
      (entries) => {
        this.#recordedPoints = entries;
        return this.#pruneSnapshots(entries);
      },
    );
    this.#logStarts = new CheckpointFile(
      options.storage,
      logStartFileName,
      () => this.#collect(({ log, recorded }) => log?.requestedStart ?? recorded.logStartOffset),
      (entries) => this.#exposeStarts(entries),
    );
    // A folder in which nothing was ever compacted needs no file that says so.
    this.#cleaned = new CheckpointFile(
      options.storage,
      cleanedFileName,
      () => this.#collectCleaned(),
      () => {},
      parts.hasCleanedFile ? null : new Map(),
    );
  }

  /** What is synced and what was deleted is recorded durably when it resolves. */
  async recordCheckpoints(): Promise<void> {
    await this.#recoveryPoints.write();
    await this.#logStarts.write();
    await this.#cleaned.write();
  }

  /** Records how far logs are synced; resolves when it is durable. */
  recordRecoveryPoints(): Promise<void> {
    return this.#recoveryPoints.write();
  }

  /** How far a partition is synced by what is on the disk. */
  recordedPoint({ context }: Partition): number {
    return this.#recordedPoints.get(`${context.topic} ${context.partition}`) ?? 0;
  }

  recordCleaned(): Promise<void> {
    return this.#cleaned.write();
  }

  #collectCleaned(): Map<string, number> {
    const entries = this.#collect(({ log, recorded }) => log?.cleanedTo ?? recorded.cleanedTo);
    for (const [key, offset] of entries) if (offset === 0) entries.delete(key);
    return entries;
  }

  #collect(offsetOf: (partition: Partition) => number): Map<string, number> {
    const entries: Map<string, number> = new Map();
    for (const partition of this.#parts.topics.partitions()) {
      const { topic, partition: number } = partition.context;
      entries.set(`${topic} ${number}`, offsetOf(partition));
    }
    return entries;
  }

  async #pruneSnapshots(recorded: ReadonlyMap<string, number>): Promise<void> {
    for (const partition of this.#parts.topics.partitions()) {
      const { topic, partition: number } = partition.context;
      const point = recorded.get(`${topic} ${number}`);
      if (point === undefined || partition.state !== "online") continue;
      try {
        await partition.log?.pruneSnapshots(point);
      } catch (error) {
        this.#parts.options.logger.log(
          "warn",
          `${partition.name}: an old producer snapshot stays: ${toMoldauError(error).message}`,
        );
      }
    }
  }

  #exposeStarts(recorded: ReadonlyMap<string, number>): void {
    for (const partition of this.#parts.topics.partitions()) {
      const { topic, partition: number } = partition.context;
      const start = recorded.get(`${topic} ${number}`);
      if (start !== undefined) partition.log?.exposeStart(start);
    }
  }

  /** Begins the periodic work. */
  begin(): void {
    this.#tick(recoveryPointIntervalMs, () => this.#recoveryPoints.write(), "recovery points were not recorded");
    const interval = this.#parts.options.retentionCheckIntervalMs ?? defaultRetentionCheckMs;
    this.#tick(interval, () => this.runRetention(), "retention failed");
  }

  #tick(intervalMs: number, work: () => Promise<unknown>, failure: string): void {
    this.#parts.timers.after(intervalMs, () => {
      if (this.#ended) return;
      const attempt = this.#attempt(work, failure);
      // The result is let go: kept, it would hold that of the tick before, and so on.
      this.#ticking = Promise.all([this.#ticking, attempt]).then(() => {});
      void attempt.then(() => this.#tick(intervalMs, work, failure));
    });
  }

  async #attempt(work: () => Promise<unknown>, failure: string): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#parts.options.logger.log("warn", `${failure}: ${toMoldauError(error).message}`);
    }
  }

  /** No more of it begins; resolves when what is under way has ended. */
  async end(): Promise<void> {
    this.#ended = true;
    await this.#ticking;
  }

  /** Records the new starts, then unlinks: a crash in between finds segments that it knows are deleted. */
  async removeBelowStart(partitions: readonly Partition[]): Promise<number> {
    const { counters, options } = this.#parts;
    const { logger } = options;
    const ready: Partition[] = [];
    for (const partition of partitions) if (await this.#keepsProducers(partition)) ready.push(partition);
    try {
      // The snapshot that recovery begins with must not be older than the oldest segment kept.
      await this.recordCheckpoints();
    } catch (error) {
      throw new MoldauError(
        "KAFKA_STORAGE_ERROR",
        `the log start offset could not be recorded: ${toMoldauError(error).message}`,
        {
          cause: error,
          effect: "unknown",
        },
      );
    }
    let removed = 0;
    for (const partition of ready) {
      try {
        removed += await partition.exclusively(
          async () => (partition.state === "online" ? await partition.log?.removeBefore() : 0) ?? 0,
        );
      } catch (error) {
        logger.log(
          "warn",
          `${partition.name}: ${toMoldauError(error).message}; what is deleted keeps its room until the next retention pass`,
        );
      }
    }
    counters.segmentsDeleted += removed;
    return removed;
  }

  /** Sees to it that a recovery without the deleted segments still knows every producer's sequence. */
  async #keepsProducers(partition: Partition): Promise<boolean> {
    const { log } = partition;
    if (log === null) return false;
    try {
      await partition.settle();
      if (log.hasSnapshotAbove(log.requestedStart)) return true;
      await partition.exclusively(() => log.saveSnapshot());
      await partition.settle();
      return true;
    } catch (error) {
      const { logger } = this.#parts.options;
      logger.log(
        "warn",
        `${partition.name}: ${toMoldauError(error).message}; without a producer snapshot its old segments stay`,
      );
      return false;
    }
  }

  async runRetention(): Promise<number> {
    const { topics, options } = this.#parts;
    const now = options.clock.now();
    const raised: Partition[] = [];
    for (const topic of topics.all()) {
      for (const partition of topic.partitions) {
        if (partition.state !== "online" || partition.log === null) continue;
        const log = partition.log;
        log.producers.expire(now, topic.config.producerIdExpirationMs);
        const start = retainedStart(
          log.segments,
          log.logStartOffset,
          log.highWatermark,
          log.logEndOffset,
          isDeleted(topic.config) ? topic.config : unlimited,
          now,
        );
        if (start <= log.logStartOffset) {
          // Records were deleted up to here while this was the active segment.
          if ((log.segments[1]?.baseOffset ?? Number.POSITIVE_INFINITY) <= log.logStartOffset) raised.push(partition);
          continue;
        }
        try {
          // All of it is old: what comes next begins a new segment, so that this one can go.
          if (start === log.logEndOffset) partition.roll();
        } catch (error) {
          options.logger.log(
            "warn",
            `${partition.name}: retention cannot begin a new segment: ${toMoldauError(error).message}`,
          );
          continue;
        }
        log.requestStart(start);
        raised.push(partition);
      }
    }
    return raised.length === 0 ? 0 : this.removeBelowStart(raised);
  }
}
