// A life of a classic group: clients that come, go, sleep and commit too late, and a broker that dies.
//
// Owns: who does what when, and when everything is shared out. Never: judges (ledger.ts).

import type { Violation } from "../checker/index.ts";
import type { Coverage } from "../coverage.ts";
import { ClassicClient, groupId } from "./classic-client.ts";
import { Ledger } from "./ledger.ts";
import { begin, clients, converge, end, partitions } from "./life.ts";
import type { GroupPlan, Step } from "./plans.ts";

export async function runClassic(plan: GroupPlan, coverage: Coverage): Promise<readonly Violation[]> {
  const { stage } = await begin(plan, groupId);
  const ledger = new Ledger(coverage);
  const all = Array.from(
    { length: clients },
    (_, at) => new ClassicClient(stage, ledger, `c${at}`, at % 2 === 1, partitions),
  );
  for (const { afterMs, step } of plan.steps) {
    await stage.world.time.pass(afterMs);
    if (step.do === "restart") {
      await stage.restart(step.end, step.moment);
      coverage.add(`restarts (${step.end})`);
      if (step.end !== "close") coverage.add(`sudden ends (${step.moment.at})`);
    } else if ("client" in step) act(all[step.client]!, step);
    if (ledger.violations.length > 0) return ledger.violations;
  }
  for (const one of all) one.resume();
  if (all.every(({ isRunning }) => !isRunning)) all[0]!.start();
  // One may find itself fenced by what a broker had stored before it died: it ends then.
  const stillRunning = (): ClassicClient[] => all.filter(({ isRunning }) => isRunning);
  const isSharedOut = (): boolean => {
    const running = stillRunning();
    if (running.length === 0) return true;
    const [generation] = new Set(running.map(({ current }) => current?.generationId));
    const owned = running.flatMap(({ current }) => current?.partitions ?? []);
    return (
      running.every(({ current }) => current !== null && current.generationId === generation) &&
      owned.length === partitions &&
      new Set(owned).size === partitions
    );
  };
  await converge(stage, ledger, isSharedOut, () =>
    JSON.stringify(stillRunning().map(({ name, current }) => ({ name, current }))),
  );
  await end(stage, ledger, groupId);
  await stage.settle(all[0]!.audit());
  return ledger.violations;
}

function act(one: ClassicClient, step: Step): void {
  if (step.do === "start") one.start();
  else if (step.do === "vanish") one.vanish();
  else if (step.do === "leave") void one.leave();
  else if (step.do === "pause") one.pause(step.ms);
  else if (step.do === "late commit") void one.commit(1);
}
