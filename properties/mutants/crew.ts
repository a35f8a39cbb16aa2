// Threads that share out tasks: each takes the next one when it has ended its own.
//
// Owns: how many there are, and that one which hangs is replaced: a mutant may well loop for ever.
// Never: judges.

import { Worker } from "node:worker_threads";
import { ending } from "./copy.ts";
import type { FromWorker, Task, TaskEnd } from "./worker.ts";

/** A seed takes far less. Milliseconds. */
const silenceLimitMs = 300_000;

export interface CrewOptions {
  readonly workers: number;
  readonly tasks: readonly Task[];
  readonly played: (task: Task, seeds: number) => void;
  /** `reason`: why there is no end: the thread failed, or was silent for too long. */
  readonly ended: (task: Task, end: TaskEnd | { readonly reason: string }) => void;
}

/** Resolves when every task has ended. */
export async function work({ workers, tasks, played, ended }: CrewOptions): Promise<void> {
  const left = [...tasks];
  const member = async (): Promise<void> => {
    let worker: Worker | null = null;
    for (let task = left.shift(); task !== undefined; task = left.shift()) {
      worker ??= new Worker(new URL(`./worker${ending}`, import.meta.url));
      const current = task;
      const end = await done(worker, current, (seeds) => played(current, seeds));
      if ("reason" in end) {
        await worker.terminate();
        worker = null;
      }
      ended(current, end);
    }
    await worker?.terminate();
  };
  await Promise.all(Array.from({ length: Math.min(workers, tasks.length) }, member));
}

function done(
  worker: Worker,
  task: Task,
  played: (seeds: number) => void,
): Promise<TaskEnd | { readonly reason: string }> {
  return new Promise((resolve) => {
    const silent = (): void => finish({ reason: `silent for ${silenceLimitMs / 1000} s` });
    let timer = setTimeout(silent, silenceLimitMs);
    const finish = (end: TaskEnd | { readonly reason: string }): void => {
      clearTimeout(timer);
      for (const [event, listener] of listeners) worker.off(event, listener);
      resolve(end);
    };
    const heard = (message: FromWorker): void => {
      clearTimeout(timer);
      if (message.kind === "ended") return finish(message.end);
      if (message.kind === "failed") return finish({ reason: message.reason });
      timer = setTimeout(silent, silenceLimitMs);
      played(message.seeds);
    };
    // Off one by one: all at once would stop the thread's port for good.
    const listeners = [
      ["message", heard],
      ["error", (error: Error) => finish({ reason: error.message })],
      ["exit", (code: number) => finish({ reason: `the thread ended with ${code}` })],
    ] as const;
    for (const [event, listener] of listeners) worker.on(event, listener);
    worker.postMessage(task);
  });
}
