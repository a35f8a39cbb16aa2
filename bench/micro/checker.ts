// How long a verdict on a long history takes.
//
// Owns: the history, which is true and has everything in it: many clients at once, crashes, groups,
//   deletions, compaction. It is judged whole, against every invariant. What is read are records of
//   their own, as a client decodes them.

import { performance } from "node:perf_hooks";
import { judge } from "../../properties/checker/index.ts";
import { trueHistory } from "../../properties/checker/true-history.ts";
import type { HistoryEvent } from "../../properties/history.ts";
import { type Bench, type Benchmark, type Outcome, spreadOf } from "../harness/benchmark.ts";

const million = 1_000_000;

export const checkerBenchmarks: readonly Benchmark[] = [
  {
    group: "checker",
    name: "judge a million operations",
    runs: "process",
    timed:
      "properties/checker judge() of a history of a million operations (of fewer when quick, and scaled), against every invariant; seconds",
    run: judgeAMillion,
  },
];

async function judgeAMillion({ effort }: Bench): Promise<Outcome> {
  const operations = Math.min(million, effort.mostRecords);
  const history = decoded(trueHistory({ seed: 1, operations, logs: 8, crashEvery: 5000 }));
  const seconds: number[] = [];
  for (let run = 0; run < Math.min(3, effort.runs); run++) {
    const begun = performance.now();
    const verdict = judge(history);
    seconds.push(((performance.now() - begun) / 1000) * (million / verdict.operations));
    if (!verdict.holds) throw new Error(`a true history was judged broken: ${verdict.violations[0]?.message}`);
  }
  return {
    subject: { name: "moldau", unit: "s", ...spreadOf(seconds) },
    peers: [],
    ratios: [],
    curves: [],
    notes: [`${history.length} events`],
    missing: [],
  };
}

/** The history's writer hands the records of its log to every reader; a client's are new ones. */
function decoded(history: readonly HistoryEvent[]): HistoryEvent[] {
  return history.map((event) =>
    event.kind === "read"
      ? { ...event, records: event.records.map((record) => ({ ...record, value: copyOf(record.value) })) }
      : event,
  );
}

function copyOf(text: string): string {
  return Buffer.from(text).toString();
}
