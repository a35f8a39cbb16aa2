// Memory for the bytes of answers: one aligned piece, lent in parts and given back.
//
// Owns: the memory, made at the first loan; who waits for room, in the order of asking.
// Never: times a wait out (the caller's signal does), or knows what the bytes are.
//
// Invariants: no two lendings overlap, and none is lent again before its release, because a
//   socket or a file may still be at it; all of them lie within the memory, which is the budget;
//   nobody overtakes a waiter.

import { MoldauError } from "../errors.ts";
import { maxRunBytes, maxWaiters } from "../limits.ts";
import type { Lender, Lending } from "../log/lending.ts";
import { Arena, roomFor } from "./arena.ts";

/** Smaller answers would cost more to ask for than to send. */
const leastAnswerBytes = 64 * 1024;

interface Waiter {
  readonly sizeBytes: number;
  readonly grant: (lending: Lending) => void;
  readonly refuse: (reason: unknown) => void;
}

export class FetchPool {
  readonly #arena: Arena;
  readonly #makeMemory: (sizeBytes: number) => Uint8Array;
  readonly #maxWaiters: number;
  #memory: Uint8Array | null = null;
  // A set keeps the order of asking, and a waiter that gives up leaves in one step.
  readonly #waiters: Set<Waiter> = new Set();
  #closed: MoldauError | null = null;
  /** For a reader that holds something of the pool already: two who wait for each other would wait for ever. */
  readonly hasty: Lender = { lend: (sizeBytes) => this.lendNow(sizeBytes) };

  /** `makeMemory` gives the memory, beginning on a 64-byte boundary; RangeError when no batch would be sure to fit. */
  constructor(totalBytes: number, makeMemory: (sizeBytes: number) => Uint8Array, waiters: number = maxWaiters) {
    if (!(totalBytes >= maxRunBytes)) {
      throw new RangeError(`a fetch pool of ${totalBytes} bytes is too small: the largest batch takes ${maxRunBytes}`);
    }
    this.#arena = new Arena(totalBytes);
    this.#makeMemory = makeMemory;
    this.#maxWaiters = waiters;
  }

  get totalBytes(): number {
    return this.#arena.totalBytes;
  }

  get usedBytes(): number {
    return this.#arena.usedBytes;
  }

  get waiting(): number {
    return this.#waiters.size;
  }

  /** What one answer may take: a share of what is free, so that slow readers never hold all of it. A single batch may pass it. Bytes. */
  get answerBytes(): number {
    return Math.max((this.totalBytes - this.usedBytes) >>> 3, leastAnswerBytes);
  }

  /** Lends when there is room now, and nobody waits for it. */
  lendNow(sizeBytes: number): Lending | null {
    if (this.#closed !== null) throw this.#closed;
    return this.#waiters.size === 0 ? this.#take(sizeBytes) : null;
  }

  /**
   * Lends, or waits for room. Throws or rejects with MESSAGE_TOO_LARGE when there never can be
   * enough, THROTTLING_QUOTA_EXCEEDED when too many wait, or the signal's reason.
   */
  lend(sizeBytes: number, signal?: AbortSignal): Lending | Promise<Lending> {
    if (roomFor(sizeBytes) > this.totalBytes) {
      throw new MoldauError(
        "MESSAGE_TOO_LARGE",
        `${sizeBytes} bytes are more than all answers together may hold, ${this.totalBytes}: fetch them unpooled`,
      );
    }
    return this.lendNow(sizeBytes) ?? this.#wait(sizeBytes, signal);
  }

  /** For a reader that waits for room until the signal fires; it may hold nothing of the pool meanwhile. */
  patient(signal: AbortSignal | undefined): Lender {
    return { lend: (sizeBytes) => this.lend(sizeBytes, signal) };
  }

  #wait(sizeBytes: number, signal: AbortSignal | undefined): Promise<Lending> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) throw signal.reason;
      if (this.#waiters.size >= this.#maxWaiters) {
        throw new MoldauError(
          "THROTTLING_QUOTA_EXCEEDED",
          `${this.#maxWaiters} fetches wait for memory already; try again later`,
        );
      }
      const end = (): void => signal?.removeEventListener("abort", giveUp);
      const waiter: Waiter = {
        sizeBytes,
        grant: (lending) => {
          end();
          resolve(lending);
        },
        refuse: (reason) => {
          end();
          reject(reason);
        },
      };
      const giveUp = (): void => {
        this.#waiters.delete(waiter);
        waiter.refuse(signal?.reason);
        // It may have been the one that those behind it waited for.
        this.#grantWaiters();
      };
      this.#waiters.add(waiter);
      signal?.addEventListener("abort", giveUp);
    });
  }

  #take(sizeBytes: number): Lending | null {
    const position = this.#arena.take(roomFor(sizeBytes));
    if (position < 0) return null;
    this.#memory ??= this.#makeMemory(this.totalBytes);
    return new PooledBytes(this, position, this.#memory.subarray(position, position + sizeBytes));
  }

  /** For what was lent: its room from `start` on is free. */
  giveBack(start: number, roomBytes: number): void {
    this.#arena.give(start, roomBytes);
    if (roomBytes > 0) this.#grantWaiters();
  }

  #grantWaiters(): void {
    for (const waiter of this.#waiters) {
      const lending = this.#take(waiter.sizeBytes);
      if (lending === null) return;
      this.#waiters.delete(waiter);
      waiter.grant(lending);
    }
  }

  /** Nothing more is lent; those who wait are told why. What is lent stays until it is given back. */
  close(reason: MoldauError): void {
    this.#closed ??= reason;
    const waiters = [...this.#waiters];
    this.#waiters.clear();
    for (const waiter of waiters) waiter.refuse(reason);
  }
}

class PooledBytes implements Lending {
  bytes: Uint8Array;
  readonly #pool: FetchPool;
  readonly #position: number;
  #roomBytes: number;

  constructor(pool: FetchPool, position: number, bytes: Uint8Array) {
    this.#pool = pool;
    this.#position = position;
    this.#roomBytes = roomFor(bytes.length);
    this.bytes = bytes;
  }

  keep(sizeBytes: number): void {
    if (sizeBytes < this.bytes.length) this.bytes = this.bytes.subarray(0, sizeBytes);
    // Slivers would only leave holes in which the next answer of that size finds no room.
    const roomBytes = roomFor(sizeBytes);
    if (this.#roomBytes - roomBytes > this.#roomBytes >>> 3) this.#shrink(roomBytes);
  }

  release(): void {
    this.#shrink(0);
  }

  #shrink(roomBytes: number): void {
    const spare = this.#roomBytes - roomBytes;
    if (spare <= 0) return;
    this.#roomBytes = roomBytes;
    this.#pool.giveBack(this.#position + roomBytes, spare);
  }
}
