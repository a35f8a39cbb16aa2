// A life of a consumer group (KIP-848): clients that come, go, sleep and change their minds, topics that
// come and go, and a broker that dies.
//
// Owns: who does what when, and when everything is shared out. Never: judges (ledger.ts).

import { progress } from "../checker/durability.ts";
import type { Violation } from "../checker/index.ts";
import type { Coverage } from "../coverage.ts";
import { ConsumerClient, consumerSession, groupId, type Subscription } from "./consumer-client.ts";
import { Ledger } from "./ledger.ts";
import { begin, clients, converge, end, partitions } from "./life.ts";
import type { GroupPlan, Step } from "./plans.ts";
import type { Stage } from "./stage.ts";

const subscriptions: readonly Subscription[] = [
  { names: ["base"], regex: null },
  { names: ["base", "extra"], regex: null },
  { names: [], regex: "base|extra" },
  { names: ["base"], regex: "ext.*" },
];

export async function runConsumer(plan: GroupPlan, coverage: Coverage): Promise<readonly Violation[]> {
  const { stage, base } = await begin(plan, groupId);
  const ledger = new Ledger(coverage);
  const lastHeard = new Map<string, number>();
  const all = Array.from({ length: clients }, (_, at) => {
    const subscription = subscriptions[at % 2]!;
    return new ConsumerClient(stage, ledger, { name: `c${at}`, isStatic: at % 2 === 1, subscription, lastHeard, base });
  });
  for (const { afterMs, step } of plan.steps) {
    await stage.world.time.pass(afterMs);
    if (step.do === "restart") {
      await stage.restart(step.end, step.moment);
      coverage.add(`restarts (${step.end})`);
      if (step.end !== "close") coverage.add(`sudden ends (${step.moment.at})`);
    } else if (step.do === "topic") await changeTopic(stage, step.change, coverage);
    else actAsConsumer(all[step.client]!, step);
    if (ledger.violations.length > 0) return ledger.violations;
  }
  for (const one of all) one.resume();
  if (all.every(({ isRunning }) => !isRunning)) all[0]!.start();
  const running = all.filter(({ isRunning }) => isRunning);
  // Until the sessions of who vanished are over, their share is reserved.
  await stage.world.time.pass(consumerSession.sessionTimeoutMs + consumerSession.rebalanceTimeoutMs);
  const isSharedOut = (): boolean => {
    const owned = running.flatMap((one) => [...one.owned]);
    const wanted = wantedBy(stage, running);
    return (
      owned.length === wanted.size && owned.every((key) => wanted.has(key)) && new Set(owned).size === owned.length
    );
  };
  const state = (): string =>
    JSON.stringify([running.map(({ name, owned }) => [name, [...owned]]), [...wantedBy(stage, running)]]);
  await converge(stage, ledger, isSharedOut, state);
  await stage.world.time.pass(3000);
  if (!isSharedOut()) ledger.violate(progress, `what is shared out does not stay so: ${state()}`);
  await end(stage, ledger, groupId);
  await stage.settle(all[0]!.audit(partitions));
  return ledger.violations;
}

function wantedBy(stage: Stage, running: readonly ConsumerClient[]): Set<string> {
  const wanted = new Set<string>();
  for (const topic of stage.broker.listTopics()) {
    const isWanted = running.some(
      ({ subscription: { names, regex } }) =>
        names.includes(topic.name) || (regex !== null && new RegExp(`^(?:${regex})$`).test(topic.name)),
    );
    if (isWanted) for (let at = 0; at < topic.partitions; at += 1) wanted.add(`${topic.id}:${at}`);
  }
  return wanted;
}

function actAsConsumer(one: ConsumerClient, step: Step): void {
  if (step.do === "start") one.start();
  else if (step.do === "vanish") one.vanish();
  else if (step.do === "leave") void one.leave(false);
  else if (step.do === "away") void one.leave(true);
  else if (step.do === "pause") one.pause(step.ms);
  else if (step.do === "subscribe") one.subscribe(subscriptions[step.subscription]!);
  else if (step.do === "late commit") void one.commit(true);
}

async function changeTopic(stage: Stage, change: "create" | "widen" | "delete", coverage: Coverage): Promise<void> {
  const extra = stage.broker.listTopics().find(({ name }) => name === "extra");
  if (change === "create" && extra === undefined) {
    await stage.settle(stage.broker.createTopic("extra", { partitions: 3 }));
  } else if (change === "widen" && extra !== undefined) {
    await stage.settle(stage.broker.alterTopic("extra", { partitions: extra.partitions + 1 }));
  } else if (change === "delete" && extra !== undefined) await stage.settle(stage.broker.deleteTopic("extra"));
  else return;
  coverage.add(`topics: ${change}`);
}
