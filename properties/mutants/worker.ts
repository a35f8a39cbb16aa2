// A thread that hunts: takes one task after the other.
//
// Owns: the copies of its tasks, one at a time, and that none stays behind on the disk. Never: decides what is hunted next (crew.ts).

import { parentPort } from "node:worker_threads";
import { copyWith } from "./copy.ts";
import { hunt } from "./hunt.ts";
import { mutants } from "./index.ts";
import { type Runs, runs } from "./runs.ts";
import { type SuiteName, seedOf, suites } from "./suites.ts";

export interface Task {
  /** null: the engine as it is. */
  readonly mutant: string | null;
  readonly suite: SuiteName;
  readonly stream: number;
  readonly firstIndex: number;
  readonly limit: number;
}

export interface TaskEnd {
  readonly kill: {
    readonly seeds: number;
    readonly seed: number;
    readonly invariant: string;
    readonly message: string;
  } | null;
  readonly played: number;
  readonly others: readonly (readonly [string, number])[];
  readonly ms: number;
}

export type FromWorker =
  | { readonly kind: "played"; readonly seeds: number }
  | { readonly kind: "ended"; readonly end: TaskEnd }
  | { readonly kind: "failed"; readonly reason: string };

const port = parentPort;
let copy: { readonly runs: Runs; readonly of: string } | null = null;

// What a mutant leaves behind unawaited is its own affair; the history tells.
process.on("unhandledRejection", () => {});

async function work({ mutant, suite, stream, firstIndex, limit }: Task): Promise<TaskEnd> {
  const of = mutants.find(({ name }) => name === mutant);
  if (copy?.of !== mutant) copy = null;
  if (of !== undefined && copy === null) {
    const { runs: changed, remove } = await copyWith(of);
    // Loaded whole. A thread that is ended from outside would leave it.
    remove();
    copy = { runs: changed, of: of.name };
  }
  const subject = copy?.runs ?? runs;
  let unsaid = 0;
  const startedMs = performance.now();
  let saidMs = startedMs;
  const { kill, played, others } = await hunt({
    found: of?.found ?? null,
    seeds: seedsOf(stream, firstIndex, limit),
    play: (seed) => suites[suite](seed, subject),
    played: () => {
      unsaid += 1;
      const nowMs = performance.now();
      if (nowMs - saidMs < 500) return;
      saidMs = nowMs;
      say({ kind: "played", seeds: unsaid });
      unsaid = 0;
    },
  });
  say({ kind: "played", seeds: unsaid });
  return { kill, played, others: [...others], ms: performance.now() - startedMs };
}

function* seedsOf(stream: number, firstIndex: number, limit: number): Generator<number, void, void> {
  for (let index = firstIndex; index < firstIndex + limit; index += 1) yield seedOf(stream, index);
}

function say(message: FromWorker): void {
  port?.postMessage(message);
}

port?.on("message", (task: Task) => {
  work(task).then(
    (end) => say({ kind: "ended", end }),
    (error: unknown) => say({ kind: "failed", reason: error instanceof Error ? error.message : String(error) }),
  );
});
