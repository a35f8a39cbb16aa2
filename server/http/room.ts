// The wait for room in a budget: until the client goes, or for so long.
//
// Owns: how long that is, and what is said then. Never: a budget, or the order of those who wait.

import { type Budget, MoldauError, type Release } from "../../engine/index.ts";
import type { Face } from "./operation.ts";

/** How long a body or an answer waits for its turn. Milliseconds. */
export const roomWaitMs: number = 10_000;

/** Whoever made the request; the signal is made when it is asked for. */
export interface Client {
  readonly signal: AbortSignal;
}

/** Room in a budget, or THROTTLING_QUOTA_EXCEEDED when there is none for long. */
export async function room(budget: Budget, sizeBytes: number, client: Client, face: Face): Promise<Release> {
  const atOnce = budget.tryReserve(sizeBytes);
  if (atOnce !== null) return atOnce;
  const waiting = waitingForRoom(client, roomWaitMs, face);
  try {
    return await budget.reserve(sizeBytes, waiting.signal);
  } finally {
    waiting.end();
  }
}

/** A signal that fires when the client goes, or with THROTTLING_QUOTA_EXCEEDED after so long. */
export function waitingForRoom(
  client: Client,
  waitMs: number,
  { clock }: Face,
): { readonly signal: AbortSignal; end(): void } {
  const { signal } = client;
  const waiting = new AbortController();
  const leave = (): void => waiting.abort(signal.reason);
  if (signal.aborted) leave();
  signal.addEventListener("abort", leave, { once: true });
  const unschedule = clock.schedule(waitMs, () => {
    const words = `there was no room for the request for ${roomWaitMs / 1000} s; try again later`;
    waiting.abort(new MoldauError("THROTTLING_QUOTA_EXCEEDED", words));
  });
  return {
    signal: waiting.signal,
    end() {
      unschedule();
      signal.removeEventListener("abort", leave);
    },
  };
}
