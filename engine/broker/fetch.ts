// Fetch: whole batches from several partitions, waiting for enough of them.
//
// Owns: the limits of one answer, and the wait for minBytes on the high watermark.
// Never: polls; a waiting fetch costs a listener a partition and one timer.
//
// Invariants: the first partition that has data yields at least one whole batch, even over the
//   limit; an error of a partition answers at once; a gone client frees its wait, and what was
//   lent for it. Nothing that is lent is held while a fetch waits, be it for data or for room.

import { MoldauError, toMoldauError } from "../errors.ts";
import { fetchBytes, maxWaiters } from "../limits.ts";
import { type Lender, ownMemory } from "../log/lending.ts";
import type { Clock } from "../port/world.ts";
import type { Counters } from "./counters.ts";
import type { FetchPool } from "./fetch-pool.ts";
import type { Partition } from "./partition.ts";
import type { Timers } from "./timers.ts";
import type { FetchedPartition, FetchOptions, FetchPartition } from "./types.ts";

/** More waits that end in one turn than this are spread over the next ones. */
const wakesPerTurn = 64;

export interface FetcherParts {
  readonly find: (topic: string, partition: number) => Partition;
  readonly timers: Timers;
  readonly clock: Clock;
  readonly counters: Counters;
  readonly pool: FetchPool;
}

export class Fetcher {
  readonly #find: (topic: string, partition: number) => Partition;
  readonly #timers: Timers;
  readonly #clock: Clock;
  readonly #counters: Counters;
  readonly #pool: FetchPool;
  #wokenThisTurn = 0;
  #turnScheduled = false;
  readonly #laterWakes: (() => void)[] = [];

  constructor({ find, timers, clock, counters, pool }: FetcherParts) {
    this.#find = find;
    this.#timers = timers;
    this.#clock = clock;
    this.#counters = counters;
    this.#pool = pool;
  }

  async fetch(wanted: readonly FetchPartition[], options: FetchOptions): Promise<FetchedPartition[]> {
    const { minBytes = 1, maxWaitMs = 0, signal, pooled = false } = options;
    const most = pooled ? this.#pool.answerBytes : Number.POSITIVE_INFINITY;
    const maxBytes = Math.min(options.maxBytes ?? fetchBytes, most);
    const deadline = this.#clock.monotonic() + maxWaitMs;
    const wantedBytes = Math.min(minBytes, maxBytes);
    this.#counters.fetches += 1;
    for (;;) {
      signal?.throwIfAborted();
      const before = this.#highBytes(wanted);
      const { fetched, isFull } = await this.#read(wanted, maxBytes, pooled, signal);
      const sizeBytes = fetched.reduce((sum, { bytes }) => sum + bytes.length, 0);
      const left = deadline - this.#clock.monotonic();
      if (sizeBytes >= wantedBytes || isFull || left <= 0 || fetched.some(({ error }) => error !== undefined)) {
        this.#counters.bytesFetched += sizeBytes;
        return fetched;
      }
      releaseAll(fetched);
      await this.#wait(wanted, before, wantedBytes - sizeBytes, left, signal);
    }
  }

  #highBytes(wanted: readonly FetchPartition[]): number[] {
    return wanted.map(({ topic, partition }) => {
      try {
        return this.#find(topic, partition).readable().readableBytes;
      } catch {
        return 0; // the read will say what is wrong
      }
    });
  }

  /** `isFull`: there is more than one answer takes, by its limits or by a segment's end: nothing to wait for. */
  async #read(
    wanted: readonly FetchPartition[],
    maxBytes: number,
    pooled: boolean,
    signal: AbortSignal | undefined,
  ): Promise<{ readonly fetched: FetchedPartition[]; readonly isFull: boolean }> {
    const fetched: FetchedPartition[] = [];
    let isFull = false;
    let left = maxBytes;
    let empty = true;
    try {
      for (const one of wanted) {
        const readableTo = this.#highWatermark(one);
        const lender = pooled ? (empty ? this.#pool.patient(signal) : this.#pool.hasty) : ownMemory;
        const part = await this.#readPartition(one, left, empty, lender);
        fetched.push(part);
        // Who has gone gives nothing back.
        if (pooled) signal?.throwIfAborted();
        if (part.nextOffset < readableTo) isFull = true;
        if (part.bytes.length > 0) empty = false;
        left = Math.max(0, left - part.bytes.length);
      }
    } catch (error) {
      releaseAll(fetched);
      throw error;
    }
    return { fetched, isFull: isFull && !empty };
  }

  #highWatermark({ topic, partition }: FetchPartition): number {
    try {
      return this.#find(topic, partition).log?.highWatermark ?? -1;
    } catch {
      return -1; // the read will say what is wrong
    }
  }

  async #readPartition(
    wanted: FetchPartition,
    left: number,
    atLeastOne: boolean,
    lender: Lender,
  ): Promise<FetchedPartition> {
    const { topic, partition, offset } = wanted;
    let found: Partition | null = null;
    try {
      found = this.#find(topic, partition);
      const log = found.readable();
      const limit = Math.min(left, wanted.maxBytes ?? left);
      const batches = await log.read(offset, limit, atLeastOne, lender);
      const { bytes, nextOffset } = batches;
      const { logStartOffset, highWatermark } = log;
      return {
        topic,
        partition,
        bytes,
        nextOffset,
        logStartOffset,
        highWatermark,
        lastStableOffset: highWatermark,
        release: () => batches.release(),
      };
    } catch (thrown) {
      // What was closed under the reader fails in its files: the reason is what counts.
      const error = toMoldauError(found?.state === "closed" ? found.unavailable() : thrown);
      if (error.code === "CORRUPT_MESSAGE") found?.takeOffline(error.message);
      const log = found?.log;
      return {
        topic,
        partition,
        bytes: new Uint8Array(0),
        logStartOffset: log?.logStartOffset ?? -1,
        highWatermark: log?.highWatermark ?? -1,
        lastStableOffset: log?.highWatermark ?? -1,
        nextOffset: offset,
        release: () => {},
        error,
      };
    }
  }

  /** Resolves when `missingBytes` more are below the high watermarks, or time is up, or the signal fires. */
  async #wait(
    wanted: readonly FetchPartition[],
    before: readonly number[],
    missingBytes: number,
    leftMs: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (this.#counters.waitingFetches >= maxWaiters) {
      throw new MoldauError("THROTTLING_QUOTA_EXCEEDED", `${maxWaiters} fetches are waiting already: retry later`);
    }
    let partitions: readonly Partition[];
    try {
      partitions = wanted.map(({ topic, partition }) => this.#find(topic, partition));
    } catch {
      return; // deleted since the read: the next one says which
    }
    this.#counters.waitingFetches += 1;
    const ends: (() => void)[] = [];
    try {
      await new Promise<void>((resolve) => {
        let woken = false;
        const wake = (): void => {
          if (woken) return;
          woken = true;
          this.#wakeSoon(resolve);
        };
        const look = (): void => {
          let grown = 0;
          for (const [at, partition] of partitions.entries()) {
            if (partition.state === "closed" || partition.state === "offline") return wake();
            grown += (partition.log?.readableBytes ?? 0) - (before[at] as number);
          }
          if (grown >= missingBytes) wake();
        };
        for (const partition of partitions) ends.push(partition.listen(look));
        const timer = this.#timers.after(leftMs, resolve);
        ends.push(() => timer.cancel());
        signal?.addEventListener("abort", resolve as () => void);
        ends.push(() => signal?.removeEventListener("abort", resolve as () => void));
        // What came between the read and now is not told again.
        if (signal?.aborted === true) resolve();
        else look();
      });
    } finally {
      this.#counters.waitingFetches -= 1;
      for (const end of ends) end();
    }
  }

  #wakeSoon(resolve: () => void): void {
    this.#wokenThisTurn += 1;
    if (this.#wokenThisTurn <= wakesPerTurn) resolve();
    else this.#laterWakes.push(resolve);
    if (this.#turnScheduled) return;
    this.#turnScheduled = true;
    this.#clock.schedule(0, () => {
      this.#turnScheduled = false;
      this.#wokenThisTurn = 0;
      const later = this.#laterWakes.splice(0, wakesPerTurn);
      for (const wake of later) this.#wakeSoon(wake);
      if (this.#laterWakes.length > 0 && !this.#turnScheduled) this.#wakeSoon(() => {});
    });
  }
}

function releaseAll(fetched: readonly FetchedPartition[]): void {
  for (const part of fetched) part.release();
}
