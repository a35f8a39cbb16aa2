// What is run over the engine, healthy or with a fault put back: a plan in, violations out.
//
// Owns: the one module of a copy that is asked for (copy.ts). Never: draws a plan (suites.ts), so that a
// copy needs no package.

import type { Violation } from "../checker/index.ts";
import type { CompactionPlan } from "../compaction/plan.ts";
import { type CompactionRunOptions, executeCompaction } from "../compaction/run.ts";
import { Coverage } from "../coverage.ts";
import { runClassic } from "../groups/classic-life.ts";
import { runConsumer } from "../groups/consumer-life.ts";
import type { GroupPlan } from "../groups/plans.ts";
import { execute } from "../lives/run.ts";
import type { Plan } from "../plan.ts";
import type { SimPlan } from "../sim/plan.ts";
import { simulate } from "../sim/simulation.ts";

type Violations = Promise<readonly Violation[]>;

export interface Runs {
  lives(plan: Plan): Violations;
  compaction(plan: CompactionPlan, options: CompactionRunOptions): Violations;
  classicGroups(plan: GroupPlan): Violations;
  consumerGroups(plan: GroupPlan): Violations;
  simulation(plan: SimPlan): Violations;
}

export const runs: Runs = {
  lives: async (plan) => (await execute(plan)).violations,
  compaction: async (plan, options) => (await executeCompaction(plan, options)).violations,
  classicGroups: (plan) => runClassic(plan, new Coverage()),
  consumerGroups: (plan) => runConsumer(plan, new Coverage()),
  simulation: async (plan) => (await simulate(plan)).violations,
};
