// Work on a live log, by many processes at once, written down as a history.
//
// Owns: `runWorkload`: its options, its phases (work, quiet, audit) and what faults may do meanwhile.
// Never: judges (checker/); knows of any log (the adapter is handed in).

import type { LogAdapter } from "../adapter/contract.ts";
import type { History } from "../history.ts";

export interface Processes {
  readonly plainProducers: number;
  readonly idempotentProducers: number;
  readonly conditionalWriters: number;
  readonly cursors: number;
  readonly members: number;
  /** Deletes records and looks offsets up by time, where that is supported. */
  readonly others: number;
}

export interface WorkloadOptions {
  readonly adapter: LogAdapter;
  readonly seed: number;
  /** It ends after this long, or after so many operations, whichever comes first; one is needed. */
  readonly seconds?: number;
  readonly operations?: number;
  readonly partitions?: number; // 3
  readonly processes?: Partial<Processes>;
  /** An operation without an answer is `info` after this long. */
  readonly operationTimeoutMs?: number; // 10 s
  /** How long the log has at the end to answer everything again before the audit gives up: a violation then. */
  readonly healMs?: number; // 60 s
  /** The history is kept in memory: the work ends when it holds so many records. */
  readonly maxRecords?: number; // 2 million
  /**
   * Runs beside the work and does things to the log; `control` writes them down. The work goes on
   * until it has ended, whatever `seconds` says; it should end soon after `control.signal` is aborted.
   */
  readonly faults?: (control: FaultControl) => Promise<void>;
  readonly onProgress?: (progress: Progress) => void;
  /** Ends the work early; the audit follows all the same. */
  readonly signal?: AbortSignal;
}

export interface Progress {
  readonly elapsedMs: number;
  readonly operations: number;
  readonly phase: "work" | "healing" | "audit";
}

export interface FaultControl {
  /** Aborted when the time is up. */
  readonly signal: AbortSignal;
  elapsedMs(): number;
  operations(): number;
  /** Resolves after so long, or when the time is up. */
  sleep(ms: number): Promise<void>;
  /** Writes a `fault` event. */
  fault(what: string, detail: string, where?: { readonly log?: string; readonly process?: string }): void;
  /** Call it right before the log's process is killed: a `crash` event, and a `fault` named `what`. */
  crashing(what: string, detail: string): void;
  /** Call it when it was started again; processes reconnect by themselves all the time. Resolves when it answers. */
  restarted(detail: string): Promise<void>;
}

export interface WorkloadResult {
  readonly history: History;
  readonly startedAt: string;
  readonly seconds: number;
  readonly operations: number;
  /** How often each thing happened: operations by kind and outcome, faults by what they were. */
  readonly coverage: Readonly<Record<string, number>>;
  /** What of the log was used: the partitions' names. */
  readonly logs: readonly string[];
}

export function runWorkload(options: WorkloadOptions): Promise<WorkloadResult> {
  throw new Error(`not yet: ${options.adapter.name}`);
}
