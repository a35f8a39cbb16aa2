// What workers and the command say to each other.
//
// Owns: the shapes. Never: sends one.

import type { SimPlan } from "../sim/plan.ts";

export interface WorkerStart {
  readonly seed: number;
  /** This worker's units: first, first + step, and so on. */
  readonly firstUnit: number;
  readonly step: number;
}

export interface Tally {
  plans: number;
  /** Of runs above the floors: time, operations and faults. */
  countedMs: number;
  countedOperations: number;
  countedFaults: number;
  simulatedMs: number;
  judgingMs: number;
  operations: number;
  events: number;
  historyEvents: number;
  coverage: Record<string, number>;
  /** By invariant: how many times something was held against it; 0 says that nothing was shown of it. */
  checked: Record<string, number>;
}

export interface Failure {
  /** Of the unit, and which of its plans. */
  readonly unitSeed: number;
  readonly index: number;
  readonly shrinks: number;
  readonly plan: SimPlan;
  readonly found: string;
}

export type FromWorker =
  | { readonly kind: "tally"; readonly tally: Tally }
  | { readonly kind: "shrinking"; readonly unitSeed: number; readonly index: number; readonly found: string }
  | { readonly kind: "failure"; readonly failure: Failure }
  | { readonly kind: "broken"; readonly error: string };
