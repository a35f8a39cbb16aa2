// What the lives of both kinds of groups have in common: a broker with a topic, and the end in which all is quiet.
//
// Owns: how a life begins, and that it converges. Never: acts for a client.

import type { TopicSummary } from "../subject.ts";
import { consumerSession } from "./consumer-client.ts";
import type { Ledger } from "./ledger.ts";
import type { GroupPlan } from "./plans.ts";
import { Stage } from "./stage.ts";

export const clients = 4;
export const partitions = 5;
const settleMs = 120_000;
/** Often enough that what expired wrongly is noticed within a life; nothing is so old. */
const options = { offsetsTopicPartitions: 2, offsetsRetentionCheckIntervalMs: 4000 } as const;

export async function begin(plan: GroupPlan): Promise<{ readonly stage: Stage; readonly base: TopicSummary }> {
  const stage = new Stage(plan.seed, {
    ...{ ...options, initialRebalanceDelayMs: plan.delayMs },
    consumerSessionTimeoutMs: consumerSession.sessionTimeoutMs,
  });
  await stage.open();
  const { id } = await stage.settle(stage.broker.createTopic("base", { partitions }));
  return { stage, base: { name: "base", id, partitions } };
}

/** Until `done`, or it is a violation of liveness. */
export async function converge(stage: Stage, ledger: Ledger, done: () => boolean, state: () => string): Promise<void> {
  const startedMs = stage.nowMs;
  if (await stage.world.time.until(done, settleMs)) {
    ledger.coverage.add("convergences");
    ledger.coverage.add("virtual seconds to converge", Math.round((stage.nowMs - startedMs) / 1000));
  } else ledger.violate("when all is quiet everything is shared out", `not after ${settleMs} ms: ${state()}`);
}
