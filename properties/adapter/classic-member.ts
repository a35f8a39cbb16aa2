// A member of a group of Kafka's classic protocol: joins, assigns when it leads, heartbeats, commits.
//
// Owns: what a member does with an answer. It is eager: when the group rebalances it gives up everything,
//   says so, and joins again.
// Never: reads by itself.

import type { GroupMember, LogError, MemberListener, Membership, Place } from "./contract.ts";
import { type KafkaBroker, toLogError } from "./kafka-client.ts";

export interface ClassicMemberOptions {
  readonly groupId: string;
  readonly topics: readonly string[];
  /** All there are, to be shared out. */
  readonly partitions: readonly Place[];
  readonly sessionTimeoutMs: number;
  /** A connection to the group's coordinator, for this member alone: a join waits for the others. */
  readonly connect: () => Promise<{ readonly broker: KafkaBroker; readonly close: () => Promise<void> }>;
}

const newcomer: ReadonlySet<string> = new Set(["UNKNOWN_MEMBER_ID", "ILLEGAL_GENERATION", "FENCED_INSTANCE_ID"]);

export class ClassicMember implements GroupMember {
  readonly #options: ClassicMemberOptions;
  readonly #listener: MemberListener;
  #connection: { readonly broker: KafkaBroker; readonly close: () => Promise<void> } | null = null;
  #memberId = "";
  #membership: Membership | null = null;

  constructor(options: ClassicMemberOptions, listener: MemberListener) {
    this.#options = options;
    this.#listener = listener;
  }

  async heartbeat(): Promise<void> {
    const { groupId } = this.#options;
    const membership = this.#membership;
    if (membership === null) return this.#join();
    const { generation, member } = membership;
    try {
      await this.#ask((broker) => broker.heartbeat({ groupId, groupGenerationId: generation, memberId: member }));
    } catch (error) {
      const { code } = error as LogError;
      if (code === "REBALANCE_IN_PROGRESS") {
        this.#giveUp();
        return this.#join();
      }
      if (newcomer.has(code)) {
        this.#giveUp();
        this.#memberId = "";
      }
      throw error;
    }
  }

  async commit({ topic, partition }: Place, offset: number, { member, generation }: Membership): Promise<void> {
    const { groupId } = this.#options;
    await this.#ask((broker) =>
      broker.offsetCommit({
        ...{ groupId, groupGenerationId: generation, memberId: member, retentionTime: -1 },
        topics: [{ topic, partitions: [{ partition, offset: `${offset}` }] }],
      }),
    );
  }

  async leave(): Promise<void> {
    const { groupId } = this.#options;
    const memberId = this.#memberId;
    this.#giveUp();
    try {
      if (memberId !== "") await this.#ask((broker) => broker.leaveGroup({ groupId, memberId }));
      this.#memberId = "";
    } catch (error) {
      if (!newcomer.has((error as LogError).code)) throw error;
      this.#memberId = "";
    } finally {
      await this.#disconnect();
    }
  }

  #giveUp(): void {
    const membership = this.#membership;
    this.#membership = null;
    if (membership !== null) this.#listener.revoked(membership, membership.partitions);
  }

  async #join(): Promise<void> {
    const { groupId, topics, sessionTimeoutMs } = this.#options;
    try {
      const joined = await this.#ask((broker) =>
        broker.joinGroup({
          ...{
            groupId,
            memberId: this.#memberId,
            sessionTimeout: sessionTimeoutMs,
            rebalanceTimeout: sessionTimeoutMs,
          },
          groupProtocols: [{ name: "moldau-check", metadata: subscription(topics) }],
        }),
      );
      const { memberId, generationId, leaderId, members } = joined;
      this.#memberId = memberId;
      const ids = members.map((member) => member.memberId).sort();
      const groupAssignment =
        leaderId === memberId
          ? ids.map((id, turn) => ({
              memberId: id,
              memberAssignment: assignment(
                this.#options.partitions.filter((_, index) => (index + generationId) % ids.length === turn),
              ),
            }))
          : [];
      const { memberAssignment } = await this.#ask((broker) =>
        broker.syncGroup({ groupId, generationId, memberId, groupAssignment }),
      );
      this.#membership = { member: memberId, generation: generationId, partitions: placesOf(memberAssignment) };
      this.#listener.assigned(this.#membership);
    } catch (error) {
      if (newcomer.has((error as LogError).code)) this.#memberId = "";
      throw error;
    }
  }

  async #ask<T>(call: (broker: KafkaBroker) => Promise<T>): Promise<T> {
    this.#connection ??= await this.#options.connect();
    try {
      return await call(this.#connection.broker);
    } catch (error) {
      const known = toLogError(error, true);
      // The coordinator is elsewhere, or its connection is gone.
      if (!answers.has(known.code)) await this.#disconnect();
      throw known;
    }
  }

  async #disconnect(): Promise<void> {
    const connection = this.#connection;
    this.#connection = null;
    await connection?.close();
  }
}

/** Codes that only the coordinator gives: the connection is good. */
const answers: ReadonlySet<string> = new Set([...newcomer, "REBALANCE_IN_PROGRESS"]);

// ---- ConsumerProtocolSubscription and -Assignment, version 0 ------------------------------------
//
//   subscription   version int16 | topics [string] | user_data bytes (-1: null)
//   assignment     version int16 | [topic string | partitions [int32]] | user_data bytes

function subscription(topics: readonly string[]): Uint8Array {
  const bytes = Buffer.concat([int16(0), int32(topics.length), ...topics.map(string), int32(-1)]);
  return bytes;
}

function assignment(places: readonly Place[]): Uint8Array {
  const topics = [...new Set(places.map(({ topic }) => topic))];
  return Buffer.concat([
    int16(0),
    int32(topics.length),
    ...topics.flatMap((topic) => {
      const partitions = places.filter((place) => place.topic === topic).map(({ partition }) => int32(partition));
      return [string(topic), int32(partitions.length), ...partitions];
    }),
    int32(-1),
  ]);
}

function placesOf(bytes: Uint8Array): Place[] {
  const places: Place[] = [];
  if (bytes.length < 6) return places;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let at = 6;
  for (let topics = view.getInt32(2); topics > 0; topics--) {
    const length = view.getInt16(at);
    const topic = Buffer.from(bytes.buffer, bytes.byteOffset + at + 2, length).toString();
    at += 2 + length;
    const partitions = view.getInt32(at);
    at += 4;
    for (let index = 0; index < partitions; index++, at += 4) places.push({ topic, partition: view.getInt32(at) });
  }
  return places;
}

function int16(value: number): Buffer {
  const bytes = Buffer.alloc(2);
  bytes.writeInt16BE(value);
  return bytes;
}

function int32(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
}

function string(value: string): Buffer {
  const bytes = Buffer.from(value);
  return Buffer.concat([int16(bytes.length), bytes]);
}
