// Plans by number: a campaign is the same whoever runs which part of it.
//
// Owns: how a campaign's seed becomes units, and a unit's seed its plans.
// Never: runs one.

import fc from "fast-check";
import { mix } from "../random.ts";
import type { SimPlan } from "../sim/plan.ts";
import { simPlans } from "../sim/themes.ts";

export const plansPerUnit = 40;

/** Of all sizes alike: left to itself fast-check prefers small ones, in whose hours little happens. */
export const drawing = { unbiased: true } as const;

export function unitSeed(campaignSeed: number, unit: number): number {
  return mix(campaignSeed, unit) & 0x7fffffff;
}

export function plansOf(seed: number, count: number = plansPerUnit): SimPlan[] {
  return fc.sample(simPlans(), { ...drawing, seed, numRuns: count });
}
