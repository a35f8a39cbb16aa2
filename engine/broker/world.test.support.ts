// A world for the engine's own tests: memory, the twin, a clock that tests move by hand.

import { createTwinKernel } from "../kernel/twin.ts";
import type { Storage } from "../port/storage.ts";
import type { Clock, LogLevel } from "../port/world.ts";
import type { BrokerOptions } from "./types.ts";

export class ManualClock implements Clock {
  wallMs = 1_700_000_000_000;
  #monotonicMs = 0;
  #waiting: { readonly due: number; readonly run: () => void }[] = [];

  now(): number {
    return this.wallMs;
  }

  monotonic(): number {
    return this.#monotonicMs;
  }

  schedule(delayMs: number, run: () => void): () => void {
    const entry = { due: this.#monotonicMs + delayMs, run };
    this.#waiting.push(entry);
    return () => {
      this.#waiting = this.#waiting.filter((other) => other !== entry);
    };
  }

  /** Moves both clocks, running what comes due in order, and lets what that set off settle. */
  async advance(ms: number): Promise<void> {
    const end = this.#monotonicMs + ms;
    for (;;) {
      const next = this.#waiting.reduce<{ due: number; run: () => void } | null>(
        (first, entry) => (entry.due <= end && (first === null || entry.due < first.due) ? entry : first),
        null,
      );
      if (next === null) break;
      this.#waiting = this.#waiting.filter((entry) => entry !== next);
      this.wallMs += next.due - this.#monotonicMs;
      this.#monotonicMs = next.due;
      next.run();
      await drain();
    }
    this.wallMs += end - this.#monotonicMs;
    this.#monotonicMs = end;
    await drain();
  }
}

/** Lets every promise that can settle do so. */
export async function drain(): Promise<void> {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => setImmediate(resolve));
}

export interface TestWorld extends BrokerOptions {
  readonly clock: ManualClock;
  readonly said: { readonly level: LogLevel; readonly message: string }[];
}

export function testWorld(storage: Storage, clock: ManualClock = new ManualClock()): TestWorld {
  let chance = 1;
  const said: { level: LogLevel; message: string }[] = [];
  return {
    storage,
    clock,
    said,
    kernel: createTwinKernel(),
    entropy: {
      fill: (bytes) => {
        for (let at = 0; at < bytes.length; at += 1) {
          chance = (chance * 1103515245 + 12345) % 2147483648;
          bytes[at] = chance >>> 16;
        }
      },
    },
    logger: { log: (level, message) => said.push({ level, message }) },
  };
}
