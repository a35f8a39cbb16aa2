// Plans of what members of a group do, and what is done to their broker.
//
// Owns: the steps, and how likely each is.
// Never: runs one (classic-life.ts, consumer-life.ts).

import fc from "fast-check";
import { clients } from "./life.ts";
import type { End, Moment } from "./stage.ts";

export type Step =
  | { readonly do: "start" | "vanish" | "leave" | "away" | "late commit"; readonly client: number }
  | { readonly do: "pause"; readonly client: number; readonly ms: number }
  | { readonly do: "subscribe"; readonly client: number; readonly subscription: number }
  | { readonly do: "restart"; readonly end: End; readonly moment: Moment }
  | { readonly do: "topic"; readonly change: "create" | "widen" | "delete" };

export interface GroupPlan {
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
export const classicStep: fc.Arbitrary<Step> = fc.oneof(
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
export const consumerStep: fc.Arbitrary<Step> = fc.oneof(
  evenly,
  { weight: 10, arbitrary: classicStep },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("away" as const), client }) },
  { weight: 1, arbitrary: fc.record({ do: fc.constant("subscribe" as const), client, subscription: fc.nat(3) }) },
  {
    weight: 1,
    arbitrary: fc.record({ do: fc.constant("topic" as const), change: fc.constantFrom("create", "widen", "delete") }),
  },
);

export function groupPlans(step: fc.Arbitrary<Step>): fc.Arbitrary<GroupPlan> {
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
