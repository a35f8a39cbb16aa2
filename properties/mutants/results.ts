// What a run found, as data and as tables.
//
// Owns: the shape of results.json, and how it reads. Never: runs anything, or leaves out who survived.

import type { Mutant } from "./mutant.ts";
import type { SuiteName } from "./suites.ts";

/** One hunt, over one stream of seeds. */
export interface HuntResult {
  /** Seeds played; the last of them killed, if one did. */
  readonly seeds: number;
  readonly killedBy: { readonly seed: number; readonly invariant: string; readonly message: string } | null;
  readonly seconds: number;
  /** What else was broken or thrown, or why the hunt had no end. */
  readonly others: readonly string[];
}

export interface MutantResult {
  readonly name: string;
  readonly source: string;
  readonly suite: SuiteName;
  readonly hunts: readonly HuntResult[];
}

export interface HealthyResult {
  readonly suite: SuiteName;
  readonly seeds: number;
  readonly seconds: number;
  readonly violations: readonly string[];
}

export interface Taken {
  readonly date: string;
  readonly machine: string;
  readonly runtime: string;
  readonly workers: number;
  /** Of wall clock, for all of it. */
  readonly seconds: number;
}

export interface MutantsRun {
  readonly taken: Taken;
  readonly limit: number;
  readonly streams: number;
  readonly mutants: readonly MutantResult[];
}

export interface HealthyRun {
  readonly taken: Taken;
  readonly suites: readonly HealthyResult[];
}

export interface Results {
  /** With the suite that each mutant names. */
  readonly mutants: MutantsRun;
  readonly simulation: MutantsRun;
  readonly healthy: HealthyRun;
}

/** In every stream. */
export function isKilled({ hunts }: MutantResult): boolean {
  return hunts.length > 0 && hunts.every(({ killedBy }) => killedBy !== null);
}

/** Of the streams' seeds to kill; null when it survives half of them. */
export function medianSeeds({ hunts }: MutantResult): number | null {
  const counts = hunts
    .map(({ seeds, killedBy }) => (killedBy === null ? Number.POSITIVE_INFINITY : seeds))
    .sort((a, b) => a - b);
  const median = counts[counts.length >> 1] ?? Number.POSITIVE_INFINITY;
  return Number.isFinite(median) ? median : null;
}

function mostSeeds({ hunts }: MutantResult): number {
  return Math.max(...hunts.map(({ seeds }) => seeds));
}

function secondsOf({ hunts }: MutantResult): number {
  return hunts.reduce((sum, { seconds }) => sum + seconds, 0);
}

/** What noticed, most often first. */
export function killers({ hunts }: MutantResult): string[] {
  const counts = new Map<string, number>();
  for (const { killedBy } of hunts) {
    if (killedBy !== null) counts.set(killedBy.invariant, (counts.get(killedBy.invariant) ?? 0) + 1);
  }
  return [...counts].sort((a, b) => b[1] - a[1]).map(([invariant]) => invariant);
}

export function scoreOf(run: MutantsRun): string {
  const killed = run.mutants.filter(isKilled).length;
  return `${killed} of ${run.mutants.length} killed (${((100 * killed) / run.mutants.length).toFixed(1)}%)`;
}

/** A line a mutant, for a terminal. */
export function tableOf(run: MutantsRun): string {
  const rows = run.mutants.map((one) => {
    const median = medianSeeds(one);
    const noticed = isKilled(one)
      ? (killers(one)[0] ?? "")
      : `survived; noticed otherwise: ${[...new Set(one.hunts.flatMap(({ others }) => others))].slice(0, 3).join("; ") || "nothing"}`;
    return [
      isKilled(one) ? "killed" : "SURVIVED",
      median === null ? "-" : String(median),
      String(mostSeeds(one)),
      `${secondsOf(one).toFixed(1)} s`,
      one.suite,
      `${one.name} (${one.source})`,
      noticed,
    ];
  });
  const all = [["", "median", "most", "time", "suite", "mutant", "noticed by"], ...rows];
  const widths = all[0]!.map((_, column) => Math.max(...all.map((row) => row[column]!.length)));
  const lines = all.map((row) =>
    row
      .map((cell, column) =>
        column >= 1 && column <= 3 ? cell.padStart(widths[column]!) : cell.padEnd(widths[column]!),
      )
      .join("  ")
      .trimEnd(),
  );
  return [...lines, "", scoreOf(run)].join("\n");
}

export function healthyTableOf(run: HealthyRun): string {
  return run.suites
    .map(({ suite, seeds, seconds, violations }) => {
      const verdict = violations.length === 0 ? "no violation" : `VIOLATED\n  ${violations.join("\n  ")}`;
      return `${suite.padEnd(16)} ${String(seeds).padStart(6)} seeds ${seconds.toFixed(0).padStart(6)} s  ${verdict}`;
    })
    .join("\n");
}

/** Every invariant that noticed something, of all hunts. */
export function everyKiller({ mutants, simulation }: Results): Set<string> {
  return new Set([...mutants.mutants, ...simulation.mutants].flatMap(killers));
}

/** Seeds to kill: the median of the streams, and the most. */
function seedsOf(result: MutantResult | undefined, limit: number): string {
  if (result === undefined) return "not run";
  const median = medianSeeds(result);
  if (median === null) return `not within ${limit}`;
  return `${median} (${isKilled(result) ? mostSeeds(result) : `not within ${limit}`})`;
}

/** The page, from the results and from the mutants as they are described today. */
export function pageOf(
  { mutants: run, simulation, healthy }: Results,
  groups: ReadonlyMap<string, readonly Mutant[]>,
): string {
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`;
  const { taken } = run;
  const results = new Map(run.mutants.map((one) => [one.name, one]));
  const simulated = new Map(simulation.mutants.map((one) => [one.name, one]));
  const sections = [...groups].map(([group, mutants]) => {
    const rows = mutants.map((mutant) => {
      const result = results.get(mutant.name);
      const seeds = seedsOf(simulated.get(mutant.name), simulation.limit);
      if (result === undefined) return line([mutant.name, mutant.source, "not run", "", "", "", "", seeds]);
      return line([
        mutant.name,
        mutant.source,
        isKilled(result) ? "killed" : "**survives**",
        seedsOf(result, run.limit),
        `${(secondsOf(result) / Math.max(1, result.hunts.length)).toFixed(1)} s`,
        killers(result)[0] ?? "",
        mutant.suite,
        seeds,
      ]);
    });
    const head = ["mutant", "source", "", "seeds", "time", "noticed by", "suite", "simulation"];
    const words = mutants.map(
      ({ name, history, here }) => `- *${name}*: ${history}${here === undefined ? "" : ` Here: ${here}.`}`,
    );
    return [`## ${group}`, "", line(head), line(head.map(() => "---")), ...rows, "", ...words].join("\n");
  });
  const sum = healthy.suites.reduce((all, { seeds }) => all + seeds, 0);
  const broken = healthy.suites.reduce((all, { violations }) => all + violations.length, 0);
  return `# Mutants

Faults that brokers have had, and some that this engine's own design makes possible, each put back into a copy of the
engine by find and replace. The suites that run over the healthy engine run over the copy, and one of the invariants of
[properties.md](properties.md) has to notice: one that the mutant names, and where that one is about much else, with a
message of what the mutant does. Nothing else counts. Nothing of them is in what ships. A mutant that survives means a
weak suite.

A seed is one plan: topics, what clients do, faults; a run of it is one history. *seeds* is how many it took, the
median of ${run.streams} independent streams of seeds, and in brackets the most; the limit is ${run.limit}. *time*
is what a stream took, on average, of one of ${taken.workers} threads. *suite* is the one that was made for what the mutant breaks;
*simulation* is how many seeds the [simulator](simulation.md) took, whose plans are the same for all of them: the median of
${simulation.streams === 1 ? "1 stream" : `${simulation.streams} streams`}, and the most, within ${simulation.limit}.

**${scoreOf(run)}, and ${simulation.mutants.filter(isKilled).length} by the simulator too.** The engine as it is: ${broken} violations in ${sum} seeds (${healthy.suites.map(({ suite, seeds }) => `${suite} ${seeds}`).join(", ")}).

\`npm run mutants\` hunts them all, with both; \`npm run mutants -- --suite simulation\` with the simulator alone,
\`npm run mutants -- --only NAME\` one mutant. \`npm run mutants -- --healthy 10000\` looks for violations where nothing was
put back. With \`--write\` whole runs leave their results in \`properties/mutants/results.json\`,
and this page is made of that; a test fails when it says something else.

${sections.join("\n\n")}

Taken on ${taken.date}: ${taken.machine}, ${taken.runtime}, ${taken.workers} threads; ${Math.round(taken.seconds)} s for the mutants with their suites,
${Math.round(simulation.taken.seconds)} s with the simulator (${simulation.taken.date}, ${simulation.taken.workers} threads), ${Math.round(healthy.taken.seconds)} s for the healthy engine (${healthy.taken.date}),
beside whatever else the machine had to do.
`;
}
