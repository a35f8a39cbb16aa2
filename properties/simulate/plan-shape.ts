// What a plan in a file has to look like.
//
// Owns: the words and members that plans have, as their types have them (properties/sim): the compiler compares.
// Never: reads a file; says whether a plan is a sensible one.

import type { ActorPlan, FaultPlan, NodeMix, SimPlan } from "../sim/plan.ts";
import {
  type Doing,
  doing,
  flag,
  type Kind,
  list,
  mapOf,
  number,
  numberOr,
  object,
  optional,
  type Shape,
  scalar,
  word,
} from "./kinds.ts";

type Actor<D> = Shape<Omit<Doing<ActorPlan, D>, "do">>;
type Fault<D> = Shape<Omit<Doing<FaultPlan, D>, "do">>;

const part = { luck: number, atMs: number };
const work = { ...part, operations: number, everyMs: number };

const produce: Actor<"produce"> = {
  ...{ ...work, log: number },
  acks: word({ all: true, leader: true, none: true }),
  window: optional(number),
  behindMs: optional(number),
};
const produceIdempotently: Actor<"produce idempotently"> = {
  ...{ ...work, log: number },
  acks: word({ all: true, leader: true }),
  ...{ window: number, inOrder: flag, wraps: flag },
  ...{ behindMs: optional(number), doubts: optional(flag), zombies: optional(flag) },
};
const administer: Actor<"administer"> = {
  ...work,
  tasks: optional(
    list(
      word({
        ...{ "delete records": true, retention: true, "retention, and a look": true, compaction: true, alter: true },
        ...{ "create topic": true, "delete topic": true, allocate: true },
      }),
    ),
  ),
};

const loss: Fault<"crash"> = {
  ...{ ...part, afterWrites: number, downMs: number, again: list(number) },
  inVain: optional(numberOr(word({ sync: true }))),
  in: optional(word({ swap: true, roll: true })),
};
const span = { ...part, forMs: number };
const cut: Fault<"clog"> = {
  ...span,
  of: word({ one: true, all: true }),
  way: word({ both: true, requests: true, answers: true }),
};
const failDisk: Fault<"fail disk"> = {
  ...{ ...part, count: number },
  kind: word({
    ...{
      "sync log": true,
      "sync journal": true,
      append: true,
      read: true,
      "read log": true,
      create: true,
      other: true,
    },
  }),
};
const decay = { ...part, downMs: number };

export const planKind: Kind<SimPlan> = object<SimPlan>({
  seed: number,
  chaosMs: number,
  topics: list(object({ partitions: number, configs: mapOf(scalar) })),
  network: object({ lossPercent: number, duplicatePercent: number, delayMs: number, latePercent: number }),
  disk: object({ syncMs: number, otherMs: number }),
  node: optional(object<NodeMix>({ mapKeys: optional(number), offsetsCheckMs: optional(number) })),
  actors: list(
    doing<ActorPlan>({
      produce,
      "produce idempotently": produceIdempotently,
      read: {
        ...part,
        log: number,
        everyMs: number,
        maxWaitMs: number,
        limit: number,
        raw: flag,
        holdMs: optional(number),
      },
      consume: {
        ...{ ...part, everyMs: number, limit: number, isStatic: flag },
        protocol: word({ classic: true, consumer: true }),
      },
      "keep offsets": { ...work, log: number },
      administer,
    }),
  ),
  faults: list(
    doing<FaultPlan>({
      ...{ crash: loss, kill: loss, partition: cut, clog: cut, "fail disk": failDisk },
      restart: { ...decay, without: optional(list(word({ snapshots: true, indexes: true, "cleaner point": true }))) },
      ...{ pause: span, "stall disk": span, "fill disk": span, rot: decay, misdirect: decay },
      "jump clock": { ...part, byMs: number },
    }),
  ),
});
