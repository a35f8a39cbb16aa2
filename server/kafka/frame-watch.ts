// Whether a request that has begun comes on: it holds memory that others may wait for.
//
// Owns: when it has stalled, and when it is too slow for those who wait.
// Never: reads, or ends a connection itself.

import type { Clock } from "../../engine/index.ts";

export interface FrameWatchOptions {
  readonly clock: Pick<Clock, "schedule">;
  /** So long fewer than 256 KiB of a request: it has stalled. Milliseconds. */
  readonly stalledMs: number;
  /** Somebody waits for memory that requests hold. */
  readonly isMemoryAwaited: () => boolean;
  /** Of the connection, so far. Bytes. */
  readonly receivedBytes: () => number;
  /** We hold its reading up ourselves: nothing can come. */
  readonly isPaused: () => boolean;
  /** Called once, with why. */
  readonly giveUp: (reason: string) => void;
}

const stalledBytes = 256 * 1024;
/** One that holds no more keeps nobody waiting. Bytes. */
const smallBytes = 2 * 1024 * 1024;
const paceMs = 1000;
/** Of so many bytes in so long. */
const leastPaceBytes = 1024 * 1024;
/** A turn that takes long makes one look slow, since what has come was not read yet. */
const slowLooks = 3;

export class FrameWatch {
  readonly #options: FrameWatchOptions;
  #unscheduleStall: (() => void) | null = null;
  #unschedulePace: (() => void) | null = null;

  constructor(options: FrameWatchOptions) {
    this.#options = options;
  }

  /** It has begun and is not whole; its size when that has been said. May be told again. */
  begin(sizeBytes: number | null): void {
    if (this.#unscheduleStall === null) this.#awaitBytes();
    if (this.#unschedulePace === null && sizeBytes !== null && sizeBytes > smallBytes) this.#awaitPace(sizeBytes, 0);
  }

  /** It is whole, or for nobody any more. */
  end(): void {
    this.#unscheduleStall?.();
    this.#unscheduleStall = null;
    this.#unschedulePace?.();
    this.#unschedulePace = null;
  }

  #awaitBytes(): void {
    const { clock, stalledMs, receivedBytes, isPaused } = this.#options;
    const before = receivedBytes();
    this.#unscheduleStall = clock.schedule(stalledMs, () => {
      this.#unscheduleStall = null;
      const came = receivedBytes() - before;
      if (isPaused() || came >= stalledBytes) this.#awaitBytes();
      else this.#giveUp(`a request has begun, and ${came} bytes came in ${stalledMs} ms`);
    });
  }

  #awaitPace(sizeBytes: number, slowBefore: number): void {
    const { clock, receivedBytes, isPaused, isMemoryAwaited } = this.#options;
    const before = receivedBytes();
    this.#unschedulePace = clock.schedule(paceMs, () => {
      this.#unschedulePace = null;
      const isSlow = !isPaused() && receivedBytes() - before < leastPaceBytes && isMemoryAwaited();
      const slow = isSlow ? slowBefore + 1 : 0;
      if (slow < slowLooks) this.#awaitPace(sizeBytes, slow);
      else {
        const pace = `less than ${leastPaceBytes} bytes a second of a request of ${sizeBytes}`;
        this.#giveUp(`${pace} came for ${slowLooks} s, while others waited for the memory that it holds`);
      }
    });
  }

  #giveUp(reason: string): void {
    this.end();
    this.#options.giveUp(reason);
  }
}
