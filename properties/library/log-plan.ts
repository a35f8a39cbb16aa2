// What is done to somebody's log, as data: drawn by fast-check, shrunk by it, and played again as it is.
//
// Owns: the shapes, and the arbitrary that draws only what the log supports.
// Never: does any of it (play.ts). fast-check is handed in: it is the caller's.

import type fc from "fast-check";
import type { Acks, Manifest } from "../adapter/contract.ts";

export type LogCommand =
  | {
      readonly do: "produce";
      readonly process: number;
      readonly partition: number;
      readonly records: number;
      readonly acks: Acks;
    }
  | {
      readonly do: "send";
      readonly producer: number;
      readonly partition: number;
      readonly records: number;
      readonly again: boolean;
    }
  | { readonly do: "conditional"; readonly process: number; readonly partition: number; readonly beyond: number }
  | { readonly do: "poll"; readonly cursor: number; readonly partition: number }
  | { readonly do: "fetch"; readonly partition: number; readonly percent: number }
  | { readonly do: "delete records"; readonly partition: number; readonly percent: number };

export interface LogRound {
  /** Sent all at once. */
  readonly commands: readonly LogCommand[];
  /** What comes then; `crash` after so many of them are answered, while the others are under way. */
  readonly end: "go on" | "close" | "crash";
  readonly answersBeforeCrash: number;
}

export interface LogPlan {
  readonly partitions: number;
  readonly rounds: readonly LogRound[];
}

export interface LogPlanConstraints {
  /** Of the adapter. */
  readonly supports: Manifest;
  /** Whether it can be started again. */
  readonly restarts: boolean;
  readonly maxRounds?: number; // 6
  readonly maxCommands?: number; // 12
}

/** Plans for a log, the simplest first. */
export function logPlans(check: typeof fc, constraints: LogPlanConstraints): fc.Arbitrary<LogPlan> {
  const { supports, restarts, maxRounds = 6, maxCommands = 12 } = constraints;
  const partition = check.nat({ max: 1 });
  const records = check.integer({ min: 1, max: 3 });
  const commands: fc.Arbitrary<LogCommand>[] = [
    check.record({
      ...{ do: check.constant("produce" as const), process: check.nat({ max: 2 }), partition, records },
      acks: check.nat({ max: supports.acks.length - 1 }).map((at) => supports.acks[at] as Acks),
    }),
    check.record({ do: check.constant("poll" as const), cursor: check.nat({ max: 1 }), partition }),
    check.record({ do: check.constant("fetch" as const), partition, percent: check.nat({ max: 100 }) }),
  ];
  if (supports.idempotence)
    commands.push(
      check.record({
        ...{ do: check.constant("send" as const), producer: check.nat({ max: 1 }), partition, records },
        again: check.boolean(),
      }),
    );
  if (supports.conditionalAppends)
    commands.push(
      check.record({
        ...{ do: check.constant("conditional" as const), process: check.nat({ max: 1 }), partition },
        beyond: check.constantFrom(0, 0, 0, -1, 1),
      }),
    );
  if (supports.deleteRecords)
    commands.push(
      check.record({ do: check.constant("delete records" as const), partition, percent: check.nat({ max: 100 }) }),
    );
  const round = check.record({
    commands: check.array(check.oneof(...commands), { minLength: 1, maxLength: maxCommands }),
    end: restarts
      ? check.constantFrom<LogRound["end"]>("go on", "close", "crash")
      : check.constant<LogRound["end"]>("go on"),
    answersBeforeCrash: check.nat({ max: maxCommands }),
  });
  return check.record({
    partitions: check.integer({ min: 1, max: 2 }),
    rounds: check.array(round, { minLength: 1, maxLength: maxRounds }),
  });
}
