// Runs one benchmark in a folder of its own, and judges it.
//
// Owns: the folder's life. Never: prints.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Benchmark } from "./benchmark.ts";
import { watchOthers } from "./disturbance.ts";
import { touchPageMemory } from "./page-memory.ts";
import { readShares } from "./profile.ts";
import { type Result, runtimeName } from "./report.ts";
import { verdictsOf } from "./verdict.ts";

/** `bench.folder` is where folders are made. */
export async function runOne(benchmark: Benchmark, bench: Bench): Promise<Result> {
  const folder = mkdtempSync(join(bench.folder, "bench-"));
  try {
    const { group, name, timed, guarantees } = benchmark;
    const profiled = bench.profiles !== undefined && benchmark.runs === "server" && bench.runtime.name === "node";
    const profiles = profiled ? join(bench.profiles as string, name.replaceAll(/[^a-zA-Z0-9]+/g, "-")) : undefined;
    if (guarantees !== undefined) touchPageMemory(folder, bench.effort.pageMemoryBytes);
    const disturbance = watchOthers();
    const outcome = await benchmark.run({ ...bench, folder, ...(profiles === undefined ? {} : { profiles }) });
    const disturbed = disturbance();
    const notes = [
      ...outcome.notes,
      ...(disturbed === null ? [] : [disturbed]),
      ...(profiles === undefined ? [] : profileNotes(profiles)),
    ];
    return {
      group,
      name,
      timed,
      ...(guarantees === undefined ? {} : { guarantees }),
      ...outcome,
      notes,
      runtime: runtimeName(bench.runtime),
      effort: bench.effort.name,
      verdicts: verdictsOf(name, outcome, bench.runtime),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function profileNotes(folder: string): string[] {
  return [
    `moldau's time by layer (${folder}):`,
    ...readShares(folder).map(({ layer, share }) => `${(share * 100).toFixed(1).padStart(5)}%  ${layer}`),
  ];
}
