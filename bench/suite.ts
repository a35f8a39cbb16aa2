// A process in which benchmarks run: `suite.ts '{"names": [...], ...}'`; each result goes out as a line of JSON.
//
// Owns: that process. main.ts starts one for each group, so that no group profits or suffers from
//   what another made of the compiler and of the heap.
// Never: prints for people, or outlives the process that started it: it ends when its standard
//   input does, and its servers with it.

import { benchmarks } from "./benchmarks.ts";
import { type Effort, efforts, type SubjectRuntime } from "./harness/benchmark.ts";
import { runOne } from "./harness/run-one.ts";

export interface SuiteOrder {
  readonly names: readonly string[];
  readonly effort: Effort["name"];
  readonly runtime: SubjectRuntime;
  readonly folder: string;
  readonly root: string;
  readonly profiles?: string;
}

process.stdin.on("end", () => process.exit(1));
process.stdin.resume();
for (const signal of ["SIGINT", "SIGTERM"] as const) process.on(signal, () => process.exit(1));

process.on("uncaughtException", (error) => {
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
});

const order = JSON.parse(process.argv[2] ?? "") as SuiteOrder;
for (const name of order.names) {
  const benchmark = benchmarks.find((candidate) => candidate.name === name);
  if (benchmark === undefined) throw new Error(`there is no benchmark '${name}'`);
  const result = await runOne(benchmark, { ...order, effort: efforts[order.effort] });
  await new Promise((resolve) => process.stdout.write(`${JSON.stringify(result)}\n`, resolve));
}
process.exit(0);
