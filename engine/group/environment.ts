// What one group is handed by the coordinator.
//
// Owns: the contract, and the ways to say no that both protocols share. Never: behaviour of a group.

import { type ErrorCode, MoldauError } from "../errors.ts";
import { maxGroupIdLength } from "../limits.ts";
import { Deadline } from "./deadline.ts";
import type { GroupOptions } from "./options.ts";
import type { GroupRecord, GroupTimers, TopicsView } from "./types.ts";

/** Memory that all groups share. */
export interface MemoryMeter {
  usedBytes: number;
  readonly mostBytes: number;
}

/** What all groups have done since the start. */
export interface GroupCounts {
  rebalances: number;
}

export interface GroupEnvironment {
  readonly options: GroupOptions;
  readonly timers: GroupTimers;
  readonly topics: TopicsView;
  readonly memory: MemoryMeter;
  readonly counts: GroupCounts;
  /** Wall clock, milliseconds since 1970. */
  readonly now: () => number;
  readonly monotonic: () => number;
  /** A UUID's text. */
  readonly createId: () => string;
  /** Appends to the group's log; `done` hears when the records are durable, or why they are not. In order. */
  readonly persist: (records: readonly GroupRecord[], done: (failure: MoldauError | null) => void) => void;
}

export function createDeadline(environment: GroupEnvironment, run: () => void): Deadline {
  return new Deadline(environment.timers, environment.monotonic, run);
}

/** Joins again with this id: KIP-394. */
export class MemberIdRequiredError extends MoldauError {
  readonly memberId: string;

  constructor(memberId: string) {
    super("MEMBER_ID_REQUIRED", `join again as member '${memberId}'`);
    this.memberId = memberId;
  }
}

export function refusal(code: ErrorCode, message: string): MoldauError {
  return new MoldauError(code, message);
}

export function unknownMember(groupId: string, memberId: string): MoldauError {
  return refusal("UNKNOWN_MEMBER_ID", `group '${groupId}' has no member '${memberId}': join again`);
}

/** INVALID_REQUEST for an id that is too long to keep. */
export function requireShort(what: string, text: string | null | undefined): void {
  if (text === null || text === undefined || text.length <= maxGroupIdLength) return;
  throw refusal("INVALID_REQUEST", `the ${what} has ${text.length} characters: at most ${maxGroupIdLength} are taken`);
}
