// Groups as a client of Kafka asks for them, whatever the version.

import { strictEqual } from "node:assert/strict";
import { heartbeat } from "../schema/heartbeat.ts";
import { joinGroup } from "../schema/join-group.ts";
import { leaveGroup } from "../schema/leave-group.ts";
import type { Read, Written } from "../schema/notation.ts";
import { offsetCommit } from "../schema/offset-commit.ts";
import { offsetFetch } from "../schema/offset-fetch.ts";
import { syncGroup } from "../schema/sync-group.ts";
import { type Asked, type AskedConnection, nameOf } from "./admin.test.support.ts";

export const bytesOf = (text: string): Uint8Array => new TextEncoder().encode(text);
export const textOf = (bytes: Uint8Array): string => new TextDecoder().decode(bytes);

type Ask = Pick<AskedConnection, "ask">;
type Join = Written<(typeof joinGroup)["request"]>;

export function joinOf(more: Partial<Join> = {}): Join {
  return {
    ...{ groupId: "g", sessionTimeoutMs: 10_000, rebalanceTimeoutMs: 20_000, memberId: "", protocolType: "consumer" },
    protocols: [{ name: "range", metadata: bytesOf("what it reads") }],
    ...more,
  };
}

/** Joins, with the id that it is told to join with. */
export async function joined(
  { ask }: Ask,
  version: number,
  more: Partial<Join> = {},
): Promise<Read<(typeof joinGroup)["response"]>> {
  const first = await ask(joinGroup, version, joinOf(more));
  if (nameOf(first.errorCode) !== "MEMBER_ID_REQUIRED") return first;
  return ask(joinGroup, version, joinOf({ ...more, memberId: first.memberId }));
}

export interface Member {
  readonly memberId: string;
  readonly generationId: number;
}

/** The only member of group "g", to which "all of it" is assigned. */
export async function onlyMember(connection: Ask, more: Partial<Join> = {}): Promise<Member> {
  const { errorCode, memberId, generationId } = await joined(connection, 9, more);
  strictEqual(nameOf(errorCode), "NONE");
  const synced = await connection.ask(syncGroup, 5, {
    ...{ groupId: more.groupId ?? "g", generationId, memberId, groupInstanceId: more.groupInstanceId ?? null },
    ...{ protocolType: "consumer", protocolName: "range" },
    assignments: [{ memberId, assignment: bytesOf("all of it") }],
  });
  strictEqual(nameOf(synced.errorCode), "NONE");
  return { memberId, generationId };
}

/** The names of what heartbeat, commit and leave are answered with; leaving last. */
export async function beat({ ask }: Ask, member: Member, version = 4): Promise<string> {
  return nameOf((await ask(heartbeat, version, { groupId: "g", ...member })).errorCode);
}

export async function left({ ask }: Ask, { memberId }: Pick<Member, "memberId">): Promise<string> {
  return nameOf((await ask(leaveGroup, 0, { groupId: "g", memberId })).errorCode);
}

type Committer = Partial<Written<(typeof offsetCommit)["request"]>>;

/** Commits one offset of partition 0 of topic "t". */
export async function committed({ ask }: Ask, offset: number, committer: Committer = {}, version = 9): Promise<string> {
  const { topics } = await ask(offsetCommit, version, {
    ...{ groupId: "g", memberId: "" },
    topics: [{ name: "t", partitions: [{ partitionIndex: 0, committedOffset: offset, committedMetadata: "so far" }] }],
    ...committer,
  });
  return nameOf(topics[0]!.partitions[0]!.errorCode);
}

/** How far group "g" has come: -1 for nowhere. */
export async function offsetOf({ ask }: Pick<Asked, "ask">, groupId = "g"): Promise<number> {
  const { groups } = await ask(offsetFetch, 9, {
    groups: [{ groupId, topics: [{ name: "t", partitionIndexes: [0] }] }],
  });
  return groups[0]!.topics[0]!.partitions[0]!.committedOffset;
}
