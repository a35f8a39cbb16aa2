// One core's share of a campaign, in a thread of its own.
//
// Owns: which units it runs, and that it stops when it is told to. Never: prints.

import { parentPort, workerData } from "node:worker_threads";
import { type Outcome, runPlans, shrink } from "./campaign.ts";
import type { FromWorker, WorkerStart } from "./messages.ts";
import { plansOf, unitSeed } from "./seeds.ts";

const { seed, firstUnit, step } = workerData as WorkerStart;
let isStopped = false;
parentPort?.on("message", () => {
  isStopped = true;
});
const tell = (message: FromWorker): void => parentPort?.postMessage(message);

async function work(): Promise<void> {
  for (let unit = firstUnit; !isStopped; unit += step) {
    const unitsSeed = unitSeed(seed, unit);
    const failed: Outcome[] = [];
    await runPlans(plansOf(unitsSeed), (outcome, tally) => {
      tell({ kind: "tally", tally });
      if (outcome.found !== null) failed.push(outcome);
      return !isStopped && failed.length === 0;
    });
    for (const outcome of failed) {
      tell({ kind: "shrinking", unitSeed: unitsSeed, index: outcome.index, found: outcome.found ?? "" });
      tell({ kind: "failure", failure: await shrink(unitsSeed, outcome) });
    }
  }
  parentPort?.close();
}

work().catch((error: unknown) => {
  tell({ kind: "broken", error: error instanceof Error ? (error.stack ?? error.message) : String(error) });
  parentPort?.close();
});
