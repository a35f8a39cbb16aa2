// What a campaign came to, for people.
//
// Owns: the lines. Never: measures.

import { Coverage } from "../coverage.ts";
import { campaignFloors, faultsPerHour, operationsPerHour, plansThatOwe } from "./floors.ts";
import type { Tally } from "./messages.ts";

export function add(to: Tally, other: Tally): void {
  for (const [name, value] of Object.entries(other) as [keyof Tally, unknown][]) {
    if (typeof value === "number") (to as unknown as Record<string, number>)[name] = (to[name] as number) + value;
  }
  for (const part of ["coverage", "checked"] as const)
    for (const [name, count] of Object.entries(other[part])) to[part][name] = (to[part][name] ?? 0) + count;
}

const hours = (ms: number): string => (ms / 3_600_000).toFixed(2);
const anHour = (count: number, { countedMs }: Tally): string =>
  thousands(count / Math.max(1e-9, countedMs / 3_600_000));
const thousands = (value: number): string => String(Math.round(value)).replace(/\B(?=(\d{3})+$)/g, " ");

export interface Progress {
  readonly elapsedMs: number;
  /** In which plans were played: without the time that it took to make failing ones small, in the mean of the workers. */
  readonly playedMs: number;
  readonly violated: number;
  /** Failing plans that are being made small. */
  readonly makingSmall: number;
}

export function progressLine(tally: Tally, { elapsedMs, playedMs, violated, makingSmall }: Progress): string {
  return [
    `${Math.round(elapsedMs / 1000)} s`,
    `${thousands(tally.plans)} plans`,
    `${hours(tally.countedMs)} simulated hours`,
    `${thousands(tally.events / (playedMs / 1000))} events/s`,
    `${thousands(tally.operations)} operations`,
    `${violated} violated`,
    ...(makingSmall > 0 ? [`making ${makingSmall} plan${makingSmall === 1 ? "" : "s"} small`] : []),
  ].join(", ");
}

/** What it took to play the plans, without making failing ones small. */
export interface Effort {
  /** Of real time, of all workers together. */
  readonly coreSeconds: number;
  /** Of all processors together, as the system counted. */
  readonly processorSeconds: number;
}

export function summary(tally: Tally, { coreSeconds, processorSeconds }: Effort): string {
  const faults = Object.entries(tally.coverage).filter(([name]) =>
    /^(fault|disk|messages|lives|members that)/.test(name),
  );
  const others = Object.entries(tally.coverage).filter((entry) => !faults.some(([name]) => name === entry[0]));
  return [
    `plans                       ${thousands(tally.plans)}`,
    `simulated hours             ${hours(tally.countedMs)} with at least ${thousands(operationsPerHour)} operations and ${faultsPerHour} faults an hour each;`,
    `                            on average ${anHour(tally.countedOperations, tally)} and ${anHour(tally.countedFaults, tally)}. ${hours(tally.simulatedMs - tally.countedMs)} more with fewer are not counted`,
    `times real time             ${thousands(tally.countedMs / 1000 / coreSeconds)} a core; ${thousands(tally.countedMs / 1000 / processorSeconds)} times the processors' time`,
    `events                      ${thousands(tally.events)}: messages delivered, operations of disks and of clients, faults; no timer`,
    `events a second             ${thousands(tally.events / coreSeconds)} a core; ${thousands(tally.events / processorSeconds)} of a processor's time`,
    `client operations           ${thousands(tally.operations)}`,
    `history events judged       ${thousands(tally.historyEvents)}, in ${Math.round(tally.judgingMs / 10 / Math.max(1, coreSeconds))} % of the time`,
    ...held(tally),
    "faults, and how often each fired",
    ...lines(faults),
    "and what else was met",
    ...lines(others),
  ].join("\n");
}

/** How many invariants something was held against, and of which nothing was shown. */
function held({ checked }: Tally): string[] {
  const names = Object.keys(checked);
  const silent = names.filter((name) => checked[name] === 0);
  return [
    `invariants                  ${names.length - silent.length} of ${names.length} had something held against them${silent.length > 0 ? "; nothing was shown of" : ""}`,
    ...silent.map((name) => `                            ${name}`),
  ];
}

/** What a campaign that found no violation says at its end, and its exit code: 1 when it met too little, 2 when nothing. */
export function conclude({ plans, coverage }: Pick<Tally, "plans" | "coverage">): { text: string; status: 0 | 1 | 2 } {
  if (plans === 0) return { text: "no plan came to its end: nothing is shown; give it more time", status: 2 };
  const owes = plans >= plansThatOwe;
  try {
    new Coverage(Object.entries(coverage)).demand(campaignFloors, owes ? plans / 1000 : 0);
  } catch (error) {
    return { text: (error as Error).message, status: 1 };
  }
  const floors = owes
    ? `and met what ${thousands(plans)} plans owe`
    : `but whether they met what they are for was not judged: floors are judged from ${plansThatOwe} plans on, and these were ${plans}`;
  return { text: `every run held, ${floors}`, status: 0 };
}

function lines(entries: readonly (readonly [string, number])[]): string[] {
  return [...entries]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([name, count]) => `${thousands(count).padStart(12)} ${name}`);
}
