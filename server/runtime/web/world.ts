// The world that every JavaScript runtime has, as the engine's ports: time, chance, a place to log.
//
// Owns: webClock, webEntropy and the loggers. This is the default world, kept out of engine/
//   so that the engine stays pure: it is handed these, or a simulator's.
// Never: node:, a package, or a look at which runtime runs us.

import type { Clock, Entropy, Logger, LogLevel } from "../../../engine/port/world.ts";

// The web's own names, declared here because no runtime's types may leak in.
declare const performance: { now(): number };
declare const crypto: { getRandomValues<T extends Uint8Array>(bytes: T): T };
declare function setTimeout(run: () => void, delayMs: number): unknown;
declare function clearTimeout(timer: unknown): void;

/** setTimeout takes a longer delay for 1 ms. */
const longestDelayMs = 2 ** 31 - 1;
/** getRandomValues refuses more at once. */
const entropyChunkBytes = 65_536;

export const webClock: Clock = {
  now: () => Date.now(),
  monotonic: () => performance.now(),
  schedule(delayMs, run) {
    const due = performance.now() + delayMs;
    let timer: unknown;
    const wait = (): void => {
      const leftMs = due - performance.now();
      if (leftMs > longestDelayMs) timer = setTimeout(wait, longestDelayMs);
      // A timer may fire a fraction of a millisecond early; "no sooner" is the promise.
      else if (leftMs > 0) timer = setTimeout(wait, Math.ceil(leftMs));
      else run();
    };
    timer = setTimeout(wait, Math.min(Math.max(0, Math.ceil(delayMs)), longestDelayMs));
    return () => clearTimeout(timer);
  },
};

export const webEntropy: Entropy = {
  fill(bytes) {
    for (let at = 0; at < bytes.length; at += entropyChunkBytes) {
      crypto.getRandomValues(bytes.subarray(at, at + entropyChunkBytes));
    }
  },
};

export const silentLogger: Logger = { log: () => {} };

export type LogFields = Readonly<Record<string, string | number | boolean | null>>;

/** One line a message: `2026-01-01T00:00:00.000Z warn  message key=value`. */
export function textLogger(write: (line: string) => void, now: () => number = Date.now): Logger {
  return {
    log(level, message, fields = {}) {
      let line = `${new Date(now()).toISOString()} ${level.padEnd(5)} ${oneLine(message)}`;
      for (const [name, value] of Object.entries(fields)) line += ` ${name}=${textValue(value)}`;
      write(`${line}\n`);
    },
  };
}

/** One JSON object a line: time, level, message, then the fields. */
export function jsonLogger(write: (line: string) => void, now: () => number = Date.now): Logger {
  return {
    log(level: LogLevel, message: string, fields: LogFields = {}) {
      write(`${JSON.stringify({ time: new Date(now()).toISOString(), level, message, ...fields })}\n`);
    },
  };
}

// What a request carried must not forge a second line.
function oneLine(text: string): string {
  return text.replace(/[\u0000-\u001f\u007f-\u009f\u2028\u2029]+/g, " ");
}

function textValue(value: string | number | boolean | null): string {
  if (typeof value !== "string") return String(value);
  return /^[\w.:/@+-]+$/.test(value) ? value : JSON.stringify(value);
}
