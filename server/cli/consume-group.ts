// `moldau consume --group`: a member's share of a topic to standard output, by long polls.
//
// Owns: that an answer is committed once it is written out, the last one too, and that the member leaves
//   at the end. It ends at the end of what it has, once it has all it is to have.
// Never: more than one answer in memory.

import type { LogRecord } from "../../engine/index.ts";
import { type Client, ClientError, retrying } from "./client.ts";
import { type Assigned, type GroupDescription, groupPath } from "./groups.ts";

interface Answer {
  readonly memberId: string;
  readonly assignment: readonly Assigned[];
  readonly answer: number;
  readonly lag: number;
  readonly next: string;
  readonly records: readonly {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
    readonly timestamp: number;
    readonly key: JsonBytes;
    readonly value: JsonBytes;
    readonly headers: readonly (readonly [string, JsonBytes])[];
  }[];
}

type JsonBytes = string | { readonly base64: string } | null;

export interface GroupReading {
  readonly client: Client;
  readonly topic: string;
  readonly group: string;
  readonly from: "earliest" | "latest";
  readonly follow: boolean;
  readonly count: number;
  readonly signal: AbortSignal;
  readonly giveUpAfterMs: number;
  readonly onRetry: (error: Error) => void;
  /** Records of one partition, in order. */
  readonly write: (records: readonly LogRecord[], partition: number) => Promise<void>;
}

const pollLimit = 1000;
const followWaitMs = 20_000;
/** Between two looks at whether others let go what is to come. */
const settleWaitMs = 500;
const sessionMs = 300_000;
const encoder = new TextEncoder();

export async function consumeAsMember(reading: GroupReading): Promise<void> {
  let left = reading.count;
  let answer: Answer | null = null;
  /** Where whoever comes next goes on, by partition, as far as the last answer says. */
  let written = new Map<number, number>();
  try {
    while (left > 0 && !reading.signal.aborted) {
      answer = await poll(reading, answer, left);
      written = new Map();
      const { records } = answer;
      for (let start = 0; start < records.length && !reading.signal.aborted; ) {
        const { partition } = records[start]!;
        let end = start + 1;
        while (records[end]?.partition === partition) end += 1;
        await reading.write(records.slice(start, end).map(recordOf), partition);
        left -= end - start;
        // A stop in the middle may have left some unwritten; the last that was asked for is a stop too.
        if (!reading.signal.aborted || left <= 0) written.set(partition, records[end - 1]!.offset + 1);
        start = end;
      }
      if (records.length === 0 && !reading.follow && answer.lag === 0 && (await isSettled(reading, answer))) break;
    }
  } finally {
    if (answer !== null) await leave(reading, answer.memberId, written);
  }
}

/** The next answer; whoever was forgotten joins anew, where the group has committed. */
async function poll(reading: GroupReading, before: Answer | null, left: number): Promise<Answer> {
  const { client, topic, group, from, follow, signal, giveUpAfterMs, onRetry } = reading;
  const limit = Math.min(pollLimit, left);
  const waitMs = follow ? followWaitMs : settleWaitMs;
  const bounds = { limit, waitMs, sessionMs };
  const ask = (query: Record<string, string | number>): Promise<Answer> =>
    retrying(() => client.json<Answer>(`${groupPath(group)}/records`, { query: { ...bounds, ...query }, signal }), {
      ...{ giveUpAfterMs, signal, onRetry },
    });
  if (before !== null) {
    try {
      return await ask({ memberId: before.memberId, after: before.answer });
    } catch (error) {
      if (!(error instanceof ClientError) || error.code !== "UNKNOWN_MEMBER_ID") throw error;
      onRetry(error);
    }
  }
  return ask({ topics: topic, offset: from });
}

/** Whether the member has all that it is to have. */
async function isSettled({ client, group, signal }: GroupReading, { memberId }: Answer): Promise<boolean> {
  const { members } = await client.json<GroupDescription>(groupPath(group), { signal });
  const member = members.find((one) => one.memberId === memberId);
  const held = (assigned: readonly Assigned[] | null | undefined): string[] =>
    (assigned ?? []).flatMap(({ topic, partitions }) => partitions.map((partition) => `${topic}:${partition}`));
  const has = new Set(held(member?.assignment));
  return held(member?.target).every((one) => has.has(one));
}

/** Commits what was written out, and goes. At a stop too: its own signal has fired by then. */
async function leave(
  { client, group, topic }: GroupReading,
  memberId: string,
  written: ReadonlyMap<number, number>,
): Promise<void> {
  const offsets = [...written].map(([partition, offset]) => ({ topic, partition, offset }));
  try {
    if (offsets.length > 0)
      await client.send(`${groupPath(group)}/offsets`, { method: "POST", body: { memberId, offsets } });
    await client.send(`${groupPath(group)}/members/${encodeURIComponent(memberId)}`, { method: "DELETE" });
  } catch (error) {
    // It has gone already, or the server has: nothing is lost, whoever comes next reads these again.
    if (!(error instanceof ClientError)) throw error;
  }
}

function recordOf({ offset, timestamp, key, value, headers }: Answer["records"][number]): LogRecord {
  return {
    ...{ offset, timestamp, key: bytesOf(key), value: bytesOf(value) },
    headers: headers.map(([name, bytes]) => ({ key: name, value: bytesOf(bytes) })),
  };
}

function bytesOf(json: JsonBytes): Uint8Array | null {
  if (json === null) return null;
  if (typeof json === "string") return encoder.encode(json);
  return Uint8Array.from(atob(json.base64), (letter) => letter.charCodeAt(0));
}
