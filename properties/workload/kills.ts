// SIGKILLs at seeded moments: a fault source for a log that runs as a process.
//
// Owns: when it is killed, how long it stays down, and what the history is told of it.
// Never: knows how a process is started or killed; that is handed in.
//
// Invariants: all kills take place, however slowly the log starts, unless `stop` is aborted; between two of them
//   the log has answered.

import { draw, type Random } from "../random.ts";
import type { FaultControl } from "./index.ts";

/** The process of a log, as whoever started it sees it. */
export interface KillableProcess {
  /** SIGKILL to all of it; resolves when nothing of it is left. */
  kill(): Promise<void>;
  /** Starts it again. */
  start(): void;
  /** Resolves when the process that was started last has ended, whoever ended it, with how it did. */
  ended(): Promise<string>;
}

export interface KillOptions {
  readonly process: KillableProcess;
  readonly kills: number;
  /** Over how long a time the kills are spread. */
  readonly seconds: number;
  readonly seed: number;
  /** Ends the killing early; the log is left running. */
  readonly stop?: AbortSignal;
  /** How long it may take until it answers again; after that it counts as gone, and the audit tells. */
  readonly answerMs?: number; // 60 s
  readonly onKill?: (kill: number) => void;
}

/** It works this long at least between two kills: a log that never answers proves nothing. */
const leastLifeMs = 500;
const longestDownMs = 400;
/** One that ends by itself as often as this without ever having answered in between doesn't come back. */
const mostFailedStarts = 3;

/** For `faults` of `runWorkload`. One that ends without having been killed is started again, and the history says so. */
export function killAndRestart(options: KillOptions): (control: FaultControl) => Promise<void> {
  const { process, kills, seconds, seed, stop, onKill } = options;
  return async (control) => {
    const random = draw(seed, "kills");
    const moments = killMoments(random, kills, seconds);
    let livesSince = control.elapsedMs();
    // When the work ends before its time there is nothing to wait for.
    const soon = stop === undefined ? control.signal : AbortSignal.any([control.signal, stop]);
    for (let kill = 0; kill < kills; ) {
      const atMs = Math.max(moments[kill] as number, livesSince + leastLifeMs);
      const ended = await Promise.race([process.ended(), pause(atMs - control.elapsedMs(), soon)]);
      if (stop?.aborted === true) return;
      if (ended === undefined) {
        kill += 1;
        control.crashing("SIGKILL", `${kill} of ${kills}`);
        onKill?.(kill);
        await process.kill();
        control.crashed("SIGKILL");
      } else {
        control.crashing("ended by itself", ended);
        control.crashed(ended);
        await process.kill();
      }
      await pause(random.below(longestDownMs));
      if (!(await startAgain(options, control))) return;
      livesSince = control.elapsedMs();
    }
  };
}

/** Whether it answers again. */
async function startAgain({ process, answerMs = 60_000 }: KillOptions, control: FaultControl): Promise<boolean> {
  const givesUp = new AbortController();
  const timer = setTimeout(() => givesUp.abort(), answerMs);
  try {
    for (let failed = 0; failed < mostFailedStarts && !givesUp.signal.aborted; failed++) {
      process.start();
      const life = new AbortController();
      const answers = control.restarted("started again", AbortSignal.any([givesUp.signal, life.signal]));
      const ended = await Promise.race([answers, process.ended()]);
      life.abort();
      if (ended === true) return true;
      if (ended === false) break;
      control.crashing("ended by itself", ended);
      control.crashed(ended);
      await process.kill();
    }
    control.fault("did not come back", `it did not answer again within ${answerMs / 1000} s`);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

/** Milliseconds: one in each of as many equal parts of the time, so that they spread; none in its first or last twentieth. */
export function killMoments(random: Random, kills: number, seconds: number): number[] {
  const [first, room] = [seconds * 1000 * 0.05, seconds * 1000 * 0.9];
  return Array.from({ length: kills }, (_, kill) => first + ((kill + random.next()) / kills) * room);
}

function pause(ms: number, stop?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    const end = (): void => {
      clearTimeout(timer);
      stop?.removeEventListener("abort", end);
      resolve();
    };
    const timer = setTimeout(end, Math.max(0, ms));
    if (stop?.aborted === true) end();
    else stop?.addEventListener("abort", end);
  });
}
