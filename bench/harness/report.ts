// What a run says: one line a contender while it runs, then the targets.
//
// Owns: the shape of the report, as text and as data. Never: judges (verdict.ts).

import type { Benchmark, Effort, Figure, Outcome, Ratio, SubjectRuntime } from "./benchmark.ts";
import type { Machine } from "./machine.ts";
import { digits, type Verdict } from "./verdict.ts";

export interface Result extends Pick<Benchmark, "group" | "name" | "timed" | "guarantees">, Outcome {
  /** The runtime measured, with its version. */
  readonly runtime: string;
  readonly effort: Effort["name"];
  readonly verdicts: readonly Verdict[];
}

export interface Report {
  readonly moldau: string;
  readonly machine: Machine;
  /** Of the process that sends load and draws. */
  readonly node: string;
  readonly effort: string;
  readonly results: readonly Result[];
}

export function machineLines({ moldau, machine, node, effort }: Omit<Report, "results">): string[] {
  const { cpu, cores, memoryGiB, system, fileSystem, date } = machine;
  return [
    `moldau ${moldau}, ${date}, ${effort} run`,
    `${cpu}, ${cores} cores, ${memoryGiB} GiB, ${system}, ${fileSystem}; load from node ${node}`,
  ];
}

export function runtimeName({ name, version }: Pick<SubjectRuntime, "name" | "version">): string {
  return `${name} ${version}`;
}

export function resultLines({ name, subject, peers, ratios, guarantees, notes, missing, curves }: Result): string[] {
  const lines = [name];
  if (guarantees !== undefined) lines.push(`    (${guarantees})`);
  lines.push(`  ${figureColumns(subject)}`);
  for (const peer of peers) {
    const ratio = ratios.find((candidate) => candidate.peer === peer.name);
    lines.push(`  ${figureColumns(peer)}${ratio === undefined ? "" : `  ${ratioText(ratio)}`}`);
  }
  for (const { name: curve, x, y, points } of curves) {
    lines.push(`    ${curve}, ${y} by ${x}: ${points.map((point) => `${point.x}: ${digits(point.y)}`).join(", ")}`);
  }
  for (const note of notes) lines.push(`    ${note}`);
  for (const peer of missing) lines.push(`    NOT MEASURED: ${peer}`);
  return lines;
}

function figureColumns({ name, unit, median, least, greatest }: Figure): string {
  return `${name.padEnd(32)} ${digits(median).padStart(7)} ${unit.padEnd(12)} (${digits(least)} to ${digits(greatest)})`.padEnd(
    74,
  );
}

function ratioText({ median, least, greatest }: Ratio): string {
  return `moldau is ${digits(median)}x (${digits(least)} to ${digits(greatest)})`;
}

/** The verdicts as a table, and how many there are of each. */
export function verdictLines(results: readonly Result[]): string[] {
  const rows = results.flatMap(({ runtime, verdicts }) =>
    verdicts.map(({ benchmark, target, result, peer, is }) => [runtime, benchmark, target, result, peer, is]),
  );
  if (rows.length === 0) return ["no target is for what was measured"];
  const table = [["runtime", "target of", "target", "result", "against", ""], ...rows];
  const widths = (table[0] as string[]).map((_, column) => Math.max(...table.map((row) => row[column]?.length ?? 0)));
  const counts = new Map<string, number>();
  for (const row of rows) counts.set(row.at(-1) as string, (counts.get(row.at(-1) as string) ?? 0) + 1);
  return [
    ...table.map((row) =>
      row
        .map((cell, column) => cell.padEnd(widths[column] as number))
        .join("  ")
        .trimEnd(),
    ),
    "",
    [...counts].map(([is, count]) => `${count} ${is}`).join(", "),
  ];
}
