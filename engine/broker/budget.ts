// Bytes that may be held at once, lent in the order of asking.
//
// Owns: the count, and who waits for room.
// Never: holds the bytes, or times a wait out (the caller's signal does).
//
// Invariants: 0 <= usedBytes <= totalBytes; nobody overtakes a waiter, so a large request is
//   not starved by small ones; what is released twice counts once.

import { MoldauError } from "../errors.ts";
import { maxWaiters } from "../limits.ts";

interface Waiter {
  readonly bytes: number;
  readonly grant: () => void;
}

/** Gives back all that was taken, or all but so many bytes of it. */
export type Release = (keptBytes?: number) => void;

export class Budget {
  readonly totalBytes: number;
  readonly #maxWaiters: number;
  // A set keeps the order of asking, and a waiter that gives up leaves in one step.
  readonly #waiters: Set<Waiter> = new Set();
  #usedBytes = 0;

  constructor(totalBytes: number, waiters: number = maxWaiters) {
    this.totalBytes = totalBytes;
    this.#maxWaiters = waiters;
  }

  get usedBytes(): number {
    return this.#usedBytes;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /**
   * Waits for room; the result gives it back. Rejects with MESSAGE_TOO_LARGE when there never can
   * be enough, THROTTLING_QUOTA_EXCEEDED when too many wait, or the signal's reason.
   */
  reserve(bytes: number, signal?: AbortSignal): Promise<Release> {
    return new Promise((resolve, reject) => {
      if (bytes > this.totalBytes) {
        throw new MoldauError(
          "MESSAGE_TOO_LARGE",
          `a request of ${bytes} bytes can never fit: all requests together may hold ${this.totalBytes}`,
        );
      }
      if (signal?.aborted) throw signal.reason;
      if (this.#waiters.size === 0 && this.#usedBytes + bytes <= this.totalBytes) {
        resolve(this.#take(bytes));
        return;
      }
      if (this.#waiters.size >= this.#maxWaiters) {
        throw new MoldauError(
          "THROTTLING_QUOTA_EXCEEDED",
          `${this.#maxWaiters} requests wait for memory already; try again later`,
        );
      }
      const waiter: Waiter = {
        bytes,
        grant: () => {
          signal?.removeEventListener("abort", giveUp);
          resolve(this.#take(bytes));
        },
      };
      const giveUp = (): void => {
        this.#waiters.delete(waiter);
        reject(signal?.reason);
        // It may have been the one that those behind it waited for.
        this.#grantWaiters();
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", giveUp, { once: true });
    });
  }

  /** Room that is there now and that nobody waits for; null when `reserve` would wait or refuse. */
  tryReserve(bytes: number): Release | null {
    return this.#waiters.size === 0 && this.#usedBytes + bytes <= this.totalBytes ? this.#take(bytes) : null;
  }

  #take(bytes: number): Release {
    this.#usedBytes += bytes;
    let heldBytes = bytes;
    return (keptBytes = 0) => {
      if (keptBytes >= heldBytes) return;
      this.#usedBytes -= heldBytes - keptBytes;
      heldBytes = keptBytes;
      this.#grantWaiters();
    };
  }

  #grantWaiters(): void {
    for (const waiter of this.#waiters) {
      if (this.#usedBytes + waiter.bytes > this.totalBytes) return;
      this.#waiters.delete(waiter);
      waiter.grant();
    }
  }
}
