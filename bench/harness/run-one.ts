// Runs one benchmark in a folder of its own, and judges it.
//
// Owns: the folder's life. Never: prints.

import { mkdtempSync, rmSync } from "node:fs";
import { join } from "node:path";
import type { Bench, Benchmark } from "./benchmark.ts";
import { type Result, runtimeName } from "./report.ts";
import { verdictsOf } from "./verdict.ts";

/** `bench.folder` is where folders are made. */
export async function runOne(benchmark: Benchmark, bench: Bench): Promise<Result> {
  const folder = mkdtempSync(join(bench.folder, "bench-"));
  try {
    const outcome = await benchmark.run({ ...bench, folder });
    const { group, name, timed, guarantees } = benchmark;
    return {
      group,
      name,
      timed,
      ...(guarantees === undefined ? {} : { guarantees }),
      ...outcome,
      runtime: runtimeName(bench.runtime),
      verdicts: verdictsOf(name, outcome, bench.runtime),
    };
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}
