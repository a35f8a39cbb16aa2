// A partition is a log with people waiting on it.
//
// Owns: who waits for the high watermark (acknowledgements, fetches), when a sync is due
//   (at once for acks=all; else within limits.syncIntervalMs or limits.syncBytes), the leader
//   epoch's entry, and the state: online, fenced (a write or a sync failed), offline (corrupt).
// Never: looks inside a batch, or knows other partitions.
//
// Invariants: at most one flush is under way; one flush serves all who wait. A failed sync is
//   never retried: it fences. Removal of segments never overlaps a flush. The syncs ahead of a flush
//   promise nobody anything, but a failure is told to one sync alone: what a flush covers is
//   acknowledged only when all of them that were under way with it have succeeded too.

import { MoldauError } from "../errors.ts";
import type { RunBytes } from "../kernel/kernel.ts";
import { syncAheadBytes, syncBytes, syncIntervalMs } from "../limits.ts";
import { storageError } from "../log/append-errors.ts";
import { formatEpochCheckpoint, formatOffset } from "../log/checkpoint-file.ts";
import type { Appended, Log } from "../log/log.ts";
import { epochCheckpointName, fenceName } from "../log/segment-names.ts";
import { StorageError } from "../port/storage.ts";
import type { Clock, Logger } from "../port/world.ts";
import { replaceFile } from "../storage/replace-file.ts";
import type { Counters } from "./counters.ts";
import type { Timer, Timers } from "./timers.ts";
import type { Durability, PartitionDescription } from "./types.ts";

export interface PartitionContext {
  readonly topic: string;
  readonly partition: number;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly timers: Timers;
  readonly durability: Durability;
  readonly leaderEpoch: number;
  readonly counters: Counters;
}

/** A store syncs three files at once; one way is left for the flush. */
const mostAhead = 2;

export interface RecordedOffsets {
  readonly recoveryPoint: number;
  readonly logStartOffset: number;
  readonly cleanedTo: number;
}

interface AckWaiter {
  readonly offset: number;
  readonly resolve: () => void;
  readonly reject: (error: MoldauError) => void;
  readonly timer: Timer;
}

/** Appends a run of batches, which may be overwritten when it returns. Throws MoldauError. */
export type AppendNow = (bytes: RunBytes, expectedEndOffset?: number) => Appended;

/** Called when the high watermark moves, or when it never will again. */
export type Listener = () => void;

export class Partition {
  readonly context: PartitionContext;
  /** null when offline. */
  readonly log: Log | null;
  /** What the checkpoints said of it at the start; kept for one that is offline. */
  readonly recorded: RecordedOffsets;
  #state: "online" | "offline" | "fenced" | "closed";
  #reason: string | undefined;
  /** In the order of their offsets. */
  #acks: AckWaiter[] = [];
  readonly #listeners: Set<Listener> = new Set();
  #flushing: Promise<void> | null = null;
  #flushAgain = false;
  /** Syncs under way ahead of a flush, each of which resolves whatever comes of it. */
  readonly #ahead: Set<Promise<void>> = new Set();
  /** Appended bytes for which one was begun. */
  #aheadTo = 0;
  #aheadFailure: { readonly error: unknown } | null = null;
  #syncTimer: Timer | null = null;
  #epoch: Promise<void> | null = null;
  #epochReady = false;
  /** Appends that could not run at once, and the end of the last of them. */
  #inLine = 0;
  #line: Promise<void> = Promise.resolve();
  #deleted = false;
  #exclusive: Promise<void> = Promise.resolve();

  constructor(context: PartitionContext, log: Log | null, reason: string | undefined, recorded: RecordedOffsets) {
    this.context = context;
    this.log = log;
    this.recorded = recorded;
    this.#state = log === null ? "offline" : "online";
    this.#reason = reason;
  }

  get state(): "online" | "offline" | "fenced" | "closed" {
    return this.#state;
  }

  get name(): string {
    return `${this.context.topic}-${this.context.partition}`;
  }

  /** The log for reading; a fenced one still serves what lies below its high watermark. */
  readable(): Log {
    if (this.log !== null && (this.#state === "online" || this.#state === "fenced")) return this.log;
    throw this.unavailable();
  }

  /** Why this partition refuses, in the state it is in. */
  unavailable(): MoldauError {
    if (this.#state === "closed") {
      if (this.#deleted) return new MoldauError("UNKNOWN_TOPIC_OR_PARTITION", `partition ${this.name} was deleted`);
      return new MoldauError("BROKER_CLOSED", "the broker is stopping: retry when it is back");
    }
    if (this.#state === "fenced") {
      return new MoldauError(
        "KAFKA_STORAGE_ERROR",
        `partition ${this.name} takes no writes until a restart: ${this.#reason}`,
      );
    }
    // Kafka's code asks for a retry; what is damaged stays so until somebody restores it.
    return new MoldauError("LEADER_NOT_AVAILABLE", `partition ${this.name} is offline: ${this.#reason}`, {
      retriable: false,
    });
  }

  describe(): PartitionDescription {
    const state = this.#state === "closed" ? "offline" : this.#state;
    const log = this.log;
    return {
      partition: this.context.partition,
      state,
      ...(this.#reason === undefined ? {} : { reason: this.#reason }),
      logStartOffset: log?.logStartOffset ?? -1,
      highWatermark: log?.highWatermark ?? -1,
      lastStableOffset: log?.highWatermark ?? -1,
      logEndOffset: log?.logEndOffset ?? -1,
      leaderEpoch: this.context.leaderEpoch,
      segments: log?.segments.length ?? 0,
      sizeBytes: log?.sizeBytes ?? 0,
    };
  }

  // ---- append ------------------------------------------------------------------------------

  /**
   * Runs `work` in one synchronous step in which nobody else appends: at once, or when the epoch's
   * entry is durable (the first append of a broker's life waits for that) and no more than twice
   * limits.syncBytes wait for a sync.
   */
  append<Result>(work: (append: AppendNow) => Result): Result | Promise<Result> {
    const log = this.#writable();
    const isReady = this.#epochReady && this.#inLine === 0 && log.unsyncedBytes < 2 * syncBytes;
    return isReady ? work(this.#append) : this.#appendInTurn(work);
  }

  async #appendInTurn<Result>(work: (append: AppendNow) => Result): Promise<Result> {
    const before = this.#line;
    let done: () => void = () => {};
    this.#line = new Promise((resolve) => {
      done = resolve;
    });
    this.#inLine += 1;
    try {
      await this.#startEpoch();
      // Those who came before go first, in their order.
      await before;
      // Who never lets the loop turn, as one who awaits only acks=leader, would keep the syncs from ending.
      while (this.#writable().unsyncedBytes >= 2 * syncBytes) {
        this.flush();
        await this.#flushing;
      }
      return work(this.#append);
    } finally {
      this.#inLine -= 1;
      done();
    }
  }

  readonly #append: AppendNow = (bytes, expectedEndOffset) => {
    const log = this.#writable();
    const rollsBefore = log.rolls;
    const appended = this.#appendNow(log, bytes, expectedEndOffset);
    this.context.counters.segmentRolls += log.rolls - rollsBefore;
    if (!appended.duplicate) this.#appended(log, log.rolls > rollsBefore);
    return appended;
  };

  #writable(): Log {
    if (this.log !== null && this.#state === "online") return this.log;
    throw this.unavailable();
  }

  #appendNow(log: Log, bytes: RunBytes, expectedEndOffset: number | undefined): Appended {
    try {
      return log.append(bytes, this.context.leaderEpoch, expectedEndOffset);
    } catch (error) {
      this.#fenceUnlessFull(error);
      throw error;
    }
  }

  /** Begins a new segment, so that the one before it may be deleted. */
  roll(): void {
    const log = this.#writable();
    const rollsBefore = log.rolls;
    try {
      log.roll();
    } catch (error) {
      this.#fenceUnlessFull(error);
      throw error;
    }
    this.context.counters.segmentRolls += log.rolls - rollsBefore;
    this.flush();
  }

  /** A full disk is told to the client and changes nothing; after any other failure nobody knows what is there. */
  #fenceUnlessFull(error: unknown): void {
    if (error instanceof MoldauError && error.cause instanceof StorageError && error.cause.kind !== "no-space") {
      this.fence(error.message);
    }
  }

  #appended(log: Log, rolled: boolean): void {
    if (this.context.durability === "os") {
      if (log.exposeAll()) this.#wake();
      // As Kafka: a closed segment is synced behind everybody's back, so that recovery need not read it.
      if (rolled) this.flush();
      return;
    }
    if (log.appendedBytes - this.#aheadTo >= syncAheadBytes) this.#syncAhead(log);
    if (log.unsyncedBytes >= syncBytes) this.flush();
    else this.#syncTimer ??= this.context.timers.after(syncIntervalMs, () => this.flush());
  }

  /** The entry of this broker's epoch is durable before the first batch of it is acknowledged. */
  async #startEpoch(): Promise<void> {
    // Awaited by all alike, also once it is written: nobody overtakes those who came before.
    this.#epoch ??= this.#writeEpoch();
    await this.#epoch;
  }

  async #writeEpoch(): Promise<void> {
    const log = this.#writable();
    const { storage, folder } = log.context;
    try {
      // Written even when it is assigned already: an attempt before may have found no room.
      log.epochs.assign(this.context.leaderEpoch, log.logEndOffset);
      await replaceFile(storage, `${folder}/${epochCheckpointName}`, formatEpochCheckpoint(log.epochs.entries));
      this.#epochReady = true;
    } catch (error) {
      this.#epoch = null;
      const failure = storageError(error, `cannot record the leader epoch in ${folder}`);
      this.#fenceUnlessFull(failure);
      throw failure;
    }
  }

  // ---- durability --------------------------------------------------------------------------

  /** The disk works while more is appended: what a flush finds left to do is the last piece. */
  #syncAhead(log: Log): void {
    this.#aheadTo = log.appendedBytes;
    if (this.#ahead.size >= mostAhead || this.#aheadFailure !== null) return;
    const ended = (): void => void this.#ahead.delete(sync);
    const sync: Promise<void> = log.context.storage.sync([log.active.log]).then(ended, (error: unknown) => {
      this.#aheadFailure ??= { error };
      ended();
    });
    this.#ahead.add(sync);
  }

  /** Throws when one of those that were under way, or one before them, failed. */
  async #aheadEnded(): Promise<void> {
    if (this.#ahead.size > 0) await Promise.all(this.#ahead);
    if (this.#aheadFailure !== null) throw this.#aheadFailure.error;
  }

  isAcknowledged(lastOffset: number): boolean {
    return this.log !== null && this.log.highWatermark > lastOffset;
  }

  /**
   * Resolves when the high watermark has passed `lastOffset`; rejects when it never will, and with
   * REQUEST_TIMED_OUT when it has not within `timeoutMs`.
   */
  acknowledged(lastOffset: number, timeoutMs: number): Promise<void> {
    if (this.isAcknowledged(lastOffset)) return Promise.resolve();
    if (this.#state !== "online") return Promise.reject(this.#lost());
    const waiting = new Promise<void>((resolve, reject) => {
      const timer = this.context.timers.after(timeoutMs, () => this.#timeOut(waiter, timeoutMs));
      const waiter: AckWaiter = { offset: lastOffset, resolve, reject, timer };
      let at = this.#acks.length;
      // A retry waits for its original, which lies before what was appended meanwhile.
      while (at > 0 && (this.#acks[at - 1] as AckWaiter).offset > lastOffset) at -= 1;
      if (at === this.#acks.length) this.#acks.push(waiter);
      else this.#acks.splice(at, 0, waiter);
    });
    this.flush();
    return waiting;
  }

  #timeOut(waiter: AckWaiter, timeoutMs: number): void {
    const at = this.#acks.indexOf(waiter);
    if (at >= 0) this.#acks.splice(at, 1);
    waiter.reject(
      new MoldauError(
        "REQUEST_TIMED_OUT",
        `not acknowledged within ${timeoutMs} ms: the records are written and may yet be acknowledged`,
      ),
    );
  }

  #lost(): MoldauError {
    if (this.#state === "closed") {
      const { code, message } = this.unavailable();
      return new MoldauError(code, message, { effect: "unknown" });
    }
    return new MoldauError("KAFKA_STORAGE_ERROR", `partition ${this.name} could not sync: ${this.#reason}`, {
      effect: "unknown",
    });
  }

  /** Begins a sync, or sees to it that another follows the one under way. */
  flush(): void {
    this.#syncTimer?.cancel();
    this.#syncTimer = null;
    if (this.#flushing !== null) {
      this.#flushAgain = true;
      return;
    }
    this.#flushing = this.#flushLoop();
  }

  async #flushLoop(): Promise<void> {
    do {
      this.#flushAgain = false;
      await this.exclusively(() => this.#flushOnce());
    } while (this.#flushAgain && this.#state === "online");
    this.#flushing = null;
  }

  async #flushOnce(): Promise<void> {
    const log = this.log;
    if (log === null || this.#state !== "online") return;
    const { clock, counters } = this.context;
    try {
      const flush = await log.beginFlush();
      if (flush === null) return;
      const started = clock.monotonic();
      if (this.#aheadFailure !== null) throw this.#aheadFailure.error;
      await log.context.storage.sync(flush.files);
      await this.#aheadEnded();
      if (flush.directory) await log.context.storage.syncDirectory(log.context.folder);
      counters.syncs += 1;
      counters.syncSeconds += (clock.monotonic() - started) / 1000;
      if (await log.completeFlush(flush)) this.#wake();
    } catch (error) {
      this.fence(error instanceof Error ? error.message : String(error));
      await Promise.all(this.#ahead);
      await this.#recordFence(log);
    }
  }

  /** Waits until everything appended so far is synced, or the partition is fenced. */
  async settle(): Promise<void> {
    this.flush();
    while (this.#flushing !== null) await this.#flushing;
  }

  /** Runs maintenance that may not overlap a flush: one after the other. */
  async exclusively<Result>(work: () => Promise<Result>): Promise<Result> {
    const before = this.#exclusive;
    let release: () => void = () => {};
    this.#exclusive = new Promise((resolve) => {
      release = resolve;
    });
    await before;
    try {
      return await work();
    } finally {
      release();
    }
  }

  /** No more writes: what is on disk above the high watermark is unknown. Reads go on below it. */
  fence(reason: string): void {
    if (this.#state !== "online") return;
    this.#state = "fenced";
    this.#reason = reason;
    this.context.logger.log("error", `partition ${this.name} fenced: ${reason}`, {
      highWatermark: this.log?.highWatermark ?? -1,
    });
    this.#rejectAcks();
    this.#tell();
  }

  /** Reading found damage below the high watermark. */
  takeOffline(reason: string): void {
    if (this.#state === "offline" || this.#state === "closed") return;
    this.#state = "offline";
    this.#reason = reason;
    this.context.logger.log("error", `partition ${this.name} offline: ${reason}`);
    this.#rejectAcks();
    this.#tell();
  }

  /** Best effort: the disk has just failed. Without it, recovery judges by the bytes alone. */
  async #recordFence(log: Log): Promise<void> {
    const { storage, folder } = log.context;
    try {
      await replaceFile(storage, `${folder}/${fenceName}`, formatOffset(log.highWatermark));
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.context.logger.log("error", `partition ${this.name}: the fence could not be recorded: ${reason}`);
    }
    try {
      await log.discardUnsynced();
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.context.logger.log("error", `partition ${this.name}: what was not synced could not be cut off: ${reason}`);
    }
  }

  #rejectAcks(): void {
    const waiters = this.#acks;
    this.#acks = [];
    for (const waiter of waiters) {
      waiter.timer.cancel();
      waiter.reject(this.#lost());
    }
  }

  // ---- waking ------------------------------------------------------------------------------

  /** Calls `listener` whenever the high watermark moved or the state changed; the result stops that. */
  listen(listener: Listener): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  #wake(): void {
    const high = this.log?.highWatermark ?? 0;
    let served = 0;
    while (served < this.#acks.length && (this.#acks[served] as AckWaiter).offset < high) served += 1;
    if (served > 0) {
      for (const waiter of this.#acks.splice(0, served)) {
        waiter.timer.cancel();
        waiter.resolve();
      }
    }
    this.#tell();
  }

  #tell(): void {
    if (this.#listeners.size > 0) for (const listener of [...this.#listeners]) listener();
  }

  /** Ends all waits and frees the files. */
  async close(why: "deleted" | "stopping"): Promise<void> {
    this.#syncTimer?.cancel();
    this.#syncTimer = null;
    if (this.#state === "closed") return;
    this.#state = "closed";
    this.#deleted = why === "deleted";
    this.#rejectAcks();
    this.#tell();
    while (this.#flushing !== null) await this.#flushing;
    await Promise.all(this.#ahead);
    await this.exclusively(async () => this.log?.close());
  }
}
