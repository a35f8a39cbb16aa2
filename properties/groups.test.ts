// Whatever members of a group do and whenever the broker dies: one owner a partition, nobody of the
// past commits, what was acknowledged is where the next owner begins, and in the end all is shared out.
//
// Source: correctness.md A 17.

import { test } from "node:test";
import fc from "fast-check";
import { check } from "./check.ts";
import type { Violation } from "./checker/index.ts";
import type { Coverage } from "./coverage.ts";
import { ClassicClient } from "./groups/classic-client.ts";
import { ConsumerClient, consumerSession, type Subscription } from "./groups/consumer-client.ts";
import { Ledger } from "./groups/ledger.ts";
import { type End, type Moment, Stage } from "./groups/stage.ts";
import type { TopicSummary } from "./subject.ts";

const clients = 4;
const partitions = 5;
const settleMs = 120_000;
const options = { offsetsTopicPartitions: 2 } as const;

type Step =
  | { readonly do: "start" | "vanish" | "leave" | "away" | "late commit"; readonly client: number }
  | { readonly do: "pause"; readonly client: number; readonly ms: number }
  | { readonly do: "subscribe"; readonly client: number; readonly subscription: number }
  | { readonly do: "restart"; readonly end: End; readonly moment: Moment }
  | { readonly do: "topic"; readonly change: "create" | "widen" | "delete" };

interface Plan {
  readonly seed: number;
  readonly delayMs: number;
  readonly steps: readonly { readonly afterMs: number; readonly step: Step }[];
}

const client = fc.nat(clients - 1);
const moment: fc.Arbitrary<Moment> = fc.oneof(
  fc.constant({ at: "now" as const }),
  fc.record({ at: fc.constantFrom("write" as const, "answer" as const), count: fc.integer({ min: 1, max: 6 }) }),
  fc.record({ at: fc.constant("answer" as const), count: fc.integer({ min: 1, max: 2 }) }),
);
/** Without it fast-check prefers the first of them. */
const evenly = { depthSize: "max" } as const;
const classicStep: fc.Arbitrary<Step> = fc.oneof(
  evenly,
  { weight: 6, arbitrary: fc.record({ do: fc.constant("start" as const), client }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom("vanish" as const, "leave" as const), client }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant("late commit" as const), client }) },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constant("pause" as const), client, ms: fc.constantFrom(1500, 5000, 12_000) }),
  },
  {
    weight: 1,
    arbitrary: fc.record({
      do: fc.constant("restart" as const),
      end: fc.constantFrom<End>("close", "kill", "power"),
      moment,
    }),
  },
);
const consumerStep: fc.Arbitrary<Step> = fc.oneof(
  evenly,
  { weight: 10, arbitrary: classicStep },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("away" as const), client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("subscribe" as const), client, subscription: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("topic" as const), change: fc.constantFrom("create", "widen", "delete") }),
  },
);

function plans(step: fc.Arbitrary<Step>): fc.Arbitrary<Plan> {
  return fc.record({
    seed: fc.nat(),
    delayMs: fc.constantFrom(0, 0, 500),
    steps: fc.array(fc.record({ afterMs: fc.constantFrom(0, 3, 40, 700, 2500, 7000, 10_000), step }), {
      minLength: 8,
      maxLength: 40,
      size: "max",
    }),
  });
}

async function begin(plan: Plan): Promise<{ readonly stage: Stage; readonly base: TopicSummary }> {
  const stage = new Stage(plan.seed, {
    ...{ ...options, initialRebalanceDelayMs: plan.delayMs },
    consumerSessionTimeoutMs: consumerSession.sessionTimeoutMs,
  });
  await stage.open();
  const { id } = await stage.settle(stage.broker.createTopic("base", { partitions }));
  return { stage, base: { name: "base", id, partitions } };
}

/** Until `done`, or it is a violation of liveness. */
async function converge(stage: Stage, ledger: Ledger, done: () => boolean, state: () => string): Promise<void> {
  const startedMs = stage.nowMs;
  if (await stage.world.time.until(done, settleMs)) {
    ledger.coverage.add("convergences");
    ledger.coverage.add("virtual seconds to converge", Math.round((stage.nowMs - startedMs) / 1000));
  } else ledger.violate("when all is quiet everything is shared out", `not after ${settleMs} ms: ${state()}`);
}

async function runClassic(plan: Plan, coverage: Coverage): Promise<readonly Violation[]> {
  const { stage } = await begin(plan);
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
  const running = all.filter(({ isRunning }) => isRunning);
  const isSharedOut = (): boolean => {
    const [generation] = new Set(running.map(({ current }) => current?.generationId));
    const owned = running.flatMap(({ current }) => current?.partitions ?? []);
    return (
      running.every(({ current }) => current !== null && current.generationId === generation) &&
      owned.length === partitions &&
      new Set(owned).size === partitions
    );
  };
  await converge(stage, ledger, isSharedOut, () =>
    JSON.stringify(running.map(({ name, current }) => ({ name, current }))),
  );
  await stage.restart("power");
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

const subscriptions: readonly Subscription[] = [
  { names: ["base"], regex: null },
  { names: ["base", "extra"], regex: null },
  { names: [], regex: "base|extra" },
  { names: ["base"], regex: "ext.*" },
];

async function runConsumer(plan: Plan, coverage: Coverage): Promise<readonly Violation[]> {
  const { stage, base } = await begin(plan);
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
  if (!isSharedOut()) ledger.violate("what is shared out stays so", state());
  await stage.restart("power");
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

test("a classic group keeps A 17 whoever comes, goes, sleeps or dies", async () => {
  await check(
    {
      name: "classic groups",
      runs: 60,
      floors: {
        convergences: 60,
        "generations assigned": 200,
        "commits acknowledged": 1200,
        "commits refused ILLEGAL_GENERATION": 25,
        "commits refused UNKNOWN_MEMBER_ID": 15,
        "commits refused FENCED_INSTANCE_ID": 5,
        "commits without an answer": 4,
        "sudden ends (answer)": 10,
        "sudden ends (write)": 4,
        "offsets fetched after a commit": 1000,
        "members left": 20,
        "members let go": 5,
        "static members replaced in a stable group": 50,
        "restarts (close)": 15,
        "restarts (kill)": 15,
        "restarts (power)": 15,
      },
    },
    plans(classicStep),
    runClassic,
  );
});

test("a consumer group gives no partition to two, and converges", async () => {
  await check(
    {
      name: "consumer groups",
      runs: 60,
      floors: {
        convergences: 60,
        "partitions assigned": 700,
        revocations: 100,
        "epochs reached": 700,
        "partitions taken from who was silent": 8,
        "heartbeats refused UNKNOWN_MEMBER_ID": 4,
        "heartbeats refused UNRELEASED_INSTANCE_ID": 300,
        "heartbeats without an answer": 20,
        "commits acknowledged": 2000,
        "commits refused STALE_MEMBER_EPOCH": 15,
        "commits refused UNKNOWN_MEMBER_ID": 10,
        "sudden ends (answer)": 10,
        "sudden ends (write)": 4,
        "members left": 25,
        "static members away": 8,
        "static members replaced with what they had": 40,
        "restarts (close)": 12,
        "restarts (kill)": 12,
        "restarts (power)": 12,
        "topics: create": 15,
        "topics: widen": 3,
        "topics: delete": 3,
      },
    },
    plans(consumerStep),
    runConsumer,
  );
});
