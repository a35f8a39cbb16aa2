// Plans by number: a campaign is the same whoever runs which part of it.
//
// Owns: how a campaign's seed becomes units, and a unit's seed its plans.
// Never: runs one.

import fc from "fast-check";
import { mix } from "../random.ts";
import { type SimPlan, simPlans } from "../sim/plan.ts";

/** Plans of a unit: fast-check draws small ones first, so that a unit has some of every size. */
export const plansPerUnit = 40;

export function unitSeed(campaignSeed: number, unit: number): number {
  return mix(campaignSeed, unit) & 0x7fffffff;
}

export function plansOf(seed: number, count: number = plansPerUnit): SimPlan[] {
  return fc.sample(simPlans(), { seed, numRuns: count });
}
