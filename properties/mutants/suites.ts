// The suites that hunt mutants, each as a function of one number: a seed gives one plan, and a plan one history.
//
// Owns: which plan a seed gives, and the streams of seeds. Never: knows a mutant: the same plans are played
// over the healthy engine.

import fc from "fast-check";
import type { Violation } from "../checker/index.ts";
import { compactionPlans, compactionScript } from "../compaction/plans.ts";
import { classicStep, consumerStep, groupPlans } from "../groups/plans.ts";
import { killedThenPowerless, type Plan, plans, retainedUnsynced } from "../plan.ts";
import { draw } from "../random.ts";
import type { SimPlan } from "../sim/plan.ts";
import { simPlans } from "../sim/themes.ts";
import { drawing } from "../simulate/seeds.ts";
import type { Runs } from "./runs.ts";

export type SuiteName = "lives" | "compaction" | "classic groups" | "consumer groups" | "simulation";

/** Plays the plan of a seed, on the engine of these runs. */
export type Suite = (seed: number, runs: Runs) => Promise<readonly Violation[]>;

const livesDrawn = plans();
const compactionsDrawn = compactionPlans();
const classicDrawn = groupPlans(classicStep);
const consumerDrawn = groupPlans(consumerStep);
const simulationsDrawn = simPlans();

export const suites: Readonly<Record<SuiteName, Suite>> = {
  lives: (seed, runs) => runs.lives(lifeOf(seed)),
  compaction: (seed, runs) => compactionOf(seed, runs),
  "classic groups": (seed, runs) => runs.classicGroups(one(classicDrawn, seed)),
  "consumer groups": (seed, runs) => runs.consumerGroups(one(consumerDrawn, seed)),
  simulation: (seed, runs) =>
    runs.simulation(fc.sample(simulationsDrawn, { ...drawing, seed, numRuns: 1 })[0] as SimPlan),
};

export const suiteNames: readonly SuiteName[] = Object.keys(suites) as SuiteName[];

/** The `index`-th seed of a stream; streams are independent of each other. */
export function seedOf(stream: number, index: number): number {
  return draw(stream, "seed", index).below(2 ** 31);
}

/** Some are short, and made for what comes together too seldom. */
function lifeOf(seed: number): Plan {
  const chance = draw(seed, "life");
  const kind = chance.below(12);
  if (kind < 2) return killedThenPowerless(seed, 1 + chance.below(15));
  if (kind === 2) return retainedUnsynced(seed, 2 + chance.below(6), 1 + chance.below(7));
  return one(livesDrawn, seed);
}

/** One in four is the same life every time, in which power goes at another write. */
function compactionOf(seed: number, runs: Runs): Promise<readonly Violation[]> {
  const chance = draw(seed, "compaction");
  if (chance.below(4) > 0) return runs.compaction(one(compactionsDrawn, seed), {});
  return runs.compaction(compactionScript(seed), { crashAtWrites: [1 + chance.below(300)] });
}

function one<Drawn>(drawn: fc.Arbitrary<Drawn>, seed: number): Drawn {
  return fc.sample(drawn, { seed, numRuns: 1 })[0] as Drawn;
}
