// Judges an outcome by its targets.
//
// Owns: what is a pass, what falls short, and what is no proof: because the peer limped, or because
//   the load was not enough for the peer and so made our ratio better than it is.
// Never: measures, or knows where targets come from.

import { type Baseline, baselineOf, weakBelow } from "../baselines.ts";
import { bestPeer, type Target, targets } from "../targets.ts";
import type { Figure, Outcome, Ratio, SubjectRuntime } from "./benchmark.ts";

export interface Verdict {
  readonly benchmark: string;
  /** For people: "≥ 3x", "< 300 ms", "flat within 10%". */
  readonly target: string;
  readonly result: string;
  readonly peer: string;
  /** What the target asks for by name: a peer, "best peer", a curve; tells two targets of one benchmark apart. */
  readonly goal: string;
  readonly is: "pass" | "short" | "weak baseline" | "client-bound" | "not measured";
}

/** Less of a core than this, and the server was not what set the pace. */
export const busyShare = 0.85;

export function verdictsOf(
  benchmark: string,
  outcome: Outcome,
  runtime: Pick<SubjectRuntime, "name">,
  all: readonly Target[] = targets,
): Verdict[] {
  return all
    .filter((target) => target.benchmark === benchmark)
    .flatMap(({ goal }): Verdict[] => {
      switch (goal.kind) {
        case "ratio":
          return [ratioVerdict(benchmark, outcome, goal.peer, goal.atLeast, runtime)];
        case "at most": {
          if (goal.only !== undefined && goal.only !== runtime.name) return [];
          const { median, unit } = outcome.subject;
          if (unit !== goal.unit) throw new Error(`${benchmark} is measured in ${unit}, its target is in ${goal.unit}`);
          return [
            {
              benchmark,
              target: `< ${goal.value} ${unit}`,
              result: `${digits(median)} ${unit}`,
              peer: "",
              goal: "",
              is: median < goal.value ? "pass" : "short",
            },
          ];
        }
        case "flat":
          return [flatVerdict(benchmark, outcome, goal.curve, goal.within)];
      }
    });
}

function ratioVerdict(
  benchmark: string,
  { ratios, peers, busy = [] }: Outcome,
  wanted: string,
  atLeast: number,
  runtime: Pick<SubjectRuntime, "name">,
): Verdict {
  const ratio = wanted === bestPeer ? hardest(ratios) : ratios.find(({ peer }) => peer === wanted);
  const target = `≥ ${atLeast}x`;
  if (ratio === undefined) return { benchmark, target, result: "", peer: wanted, goal: wanted, is: "not measured" };
  const known = baselineOf(benchmark, ratio.peer);
  const figure = peers.find(({ name }) => name === ratio.peer) as Figure;
  // The known figures are Node's.
  const limps = runtime.name === "node" && known !== undefined && isWeak(figure, known);
  // A peer that waits for its load is faster than its figure. When only the subject waits, its own is the one that
  // is too low: the ratio is at least what it seems.
  const idles = busy.some(({ name, share }) => name === ratio.peer && share < busyShare);
  const reached = ratio.median >= atLeast;
  return {
    benchmark,
    target,
    result: `${digits(ratio.median)}x`,
    peer: ratio.peer,
    goal: wanted,
    is: !reached ? "short" : limps ? "weak baseline" : idles ? "client-bound" : "pass",
  };
}

function hardest(ratios: readonly Ratio[]): Ratio | undefined {
  return [...ratios].sort((a, b) => a.median - b.median)[0];
}

/** Rates are worse when lower, times when higher. */
export function isWeak(figure: Figure, known: Baseline): boolean {
  if (figure.unit !== known.unit)
    throw new Error(`${figure.name} is in ${figure.unit}, its known figure in ${known.unit}`);
  const share = isRate(figure.unit) ? figure.median / known.value : known.value / figure.median;
  return share < weakBelow;
}

export function isRate(unit: string): boolean {
  return unit.endsWith("/s");
}

/**
 * Against the curve's first point, which is the small log or the one partition: what grows may
 * become better, and may lose no more than this share of it. Rates lose downwards, times upwards.
 */
function flatVerdict(benchmark: string, { curves }: Outcome, name: string, within: number): Verdict {
  const target = `flat within ${Math.round(within * 100)}%`;
  const curve = curves.find((candidate) => candidate.name === name);
  const [first, ...later] = curve?.points ?? [];
  if (curve === undefined || first === undefined || later.length === 0)
    return { benchmark, target, result: "", peer: name, goal: name, is: "not measured" };
  const losses = later.map(({ x, y }) => ({ x, share: (isRate(curve.y) ? first.y - y : y - first.y) / first.y }));
  const worst = losses.reduce((one, other) => (other.share > one.share ? other : one));
  const percent = Math.round(worst.share * 100);
  return {
    benchmark,
    target,
    result: percent > 0 ? `${percent}% worse at ${worst.x.toLocaleString("en")}` : "no worse",
    peer: name,
    goal: name,
    is: worst.share <= within ? "pass" : "short",
  };
}

/** Three digits that mean something. */
export function digits(value: number): string {
  if (!Number.isFinite(value)) return "?";
  if (value >= 1000) return Math.round(value).toLocaleString("en");
  return value >= 100 ? value.toFixed(0) : value >= 10 ? value.toFixed(1) : value.toFixed(2);
}
