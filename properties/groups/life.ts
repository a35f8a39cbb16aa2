// What the lives of both kinds of groups have in common: a broker with a topic, and the end in which all is quiet.
//
// Owns: how a life begins, and that it converges. Never: acts for a client.

import { progress } from "../checker/durability.ts";
import { commitsSurvive } from "../checker/groups.ts";
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

/** What nobody else commits to, and what is committed there from outside. */
const kept = { topic: "kept", offset: 4711 } as const;

export async function begin(
  plan: GroupPlan,
  groupId: string,
): Promise<{ readonly stage: Stage; readonly base: TopicSummary }> {
  const stage = new Stage(plan.seed, {
    ...{ ...options, initialRebalanceDelayMs: plan.delayMs },
    consumerSessionTimeoutMs: consumerSession.sessionTimeoutMs,
  });
  await stage.open();
  const { id } = await stage.settle(stage.broker.createTopic("base", { partitions }));
  await stage.settle(stage.broker.createTopic(kept.topic, { partitions: 1 }));
  // A group that keeps nothing is forgotten when it is empty, and its generations begin anew.
  const offset = { partitionIndex: 0, committedOffset: kept.offset };
  await stage.settle(
    stage.broker.groups.commitOffsets({ groupId, topics: [{ name: kept.topic, partitions: [offset] }] }),
  );
  return { stage, base: { name: "base", id, partitions } };
}

/** The end: what was committed from outside is there after one more loss of power. */
export async function end(stage: Stage, ledger: Ledger, groupId: string): Promise<void> {
  await stage.restart("power");
  const topics = [{ name: kept.topic, partitionIndexes: [0] }];
  const fetched = await stage.settle(stage.broker.groups.fetchOffsets({ groupId, topics }));
  const { committedOffset } = fetched.topics[0]!.partitions[0]!;
  if (committedOffset !== kept.offset) {
    ledger.violate(commitsSurvive, `${kept.topic}: ${committedOffset} instead of ${kept.offset}`);
  }
}

/** Until `done`, or it is a violation of liveness. */
export async function converge(stage: Stage, ledger: Ledger, done: () => boolean, state: () => string): Promise<void> {
  const startedMs = stage.nowMs;
  if (await stage.world.time.until(done, settleMs)) {
    ledger.coverage.add("convergences");
    ledger.coverage.add("virtual seconds to converge", Math.round((stage.nowMs - startedMs) / 1000));
  } else ledger.violate(progress, `all is quiet, and not everything shared out after ${settleMs} ms: ${state()}`);
}
