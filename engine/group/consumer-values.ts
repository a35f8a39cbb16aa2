// A consumer group's values: Kafka's ConsumerGroup*Value, all of version 0 and flexible (KIP-848).
//
//   group           | epoch 4 | tags |
//   topics          | (topic id 16, name, partitions 4, [partition 4, [rack]])* | tags |
//   member          | instance id | rack id | client id | client host | [topic name] | topic regex |
//                   | rebalance timeout 4 | assignor | tags |
//   target epoch    | epoch 4 | tags |
//   target member   | (topic id 16, [partition 4])* | tags |
//   current member  | epoch 4 | previous epoch 4 | state 1 | assigned (topic id, [partition])* |
//                   | to be revoked (topic id, [partition])* | tags |
//
// Each value begins with its version, int16. Arrays and strings are compact, and each structure
// ends with tagged fields: none are written, those of newer Kafkas are skipped.
//
// Owns: these bytes. Never: what they mean (consumer-group.ts).

import { ByteReader, ByteWriter, corrupt } from "./bytes.ts";
import { PartitionSet } from "./partition-set.ts";

export interface SubscribedTopic {
  readonly id: string;
  readonly name: string;
  readonly partitions: number;
}

export interface ConsumerMemberValue {
  readonly instanceId: string | null;
  readonly rackId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  readonly topicNames: readonly string[];
  readonly topicRegex: string | null;
  readonly rebalanceTimeoutMs: number;
  readonly serverAssignor: string | null;
}

/** The number of each is what is stored. */
export const memberStates = ["stable", "unrevoked", "unreleased"] as const;
export type MemberState = (typeof memberStates)[number];

export interface CurrentMemberValue {
  readonly memberEpoch: number;
  readonly previousMemberEpoch: number;
  readonly state: MemberState;
  readonly assigned: PartitionSet;
  readonly revoking: PartitionSet;
}

const version = 0;

function begin(): ByteWriter {
  return new ByteWriter().int16(version);
}

function open(bytes: Uint8Array, what: string): ByteReader {
  const reader = new ByteReader(bytes);
  const found = reader.int16();
  if (found !== version) throw corrupt(`${what} of version ${found}`);
  return reader;
}

/** The value of `consumerGroup` and of `targetEpoch`. */
export function encodeEpoch(epoch: number): Uint8Array {
  return begin().int32(epoch).noTags().finish();
}

export function decodeEpoch(bytes: Uint8Array): number {
  return open(bytes, "an epoch").int32();
}

export function encodeTopics(topics: readonly SubscribedTopic[]): Uint8Array {
  const writer = begin().arrayLength(topics.length, true);
  for (const { id, name, partitions } of topics) {
    writer.uuid(id).string(name, true).int32(partitions).arrayLength(0, true).noTags();
  }
  return writer.noTags().finish();
}

export function decodeTopics(bytes: Uint8Array): SubscribedTopic[] {
  const reader = open(bytes, "a group's topics");
  return reader.array(23, true, () => {
    const topic = { id: reader.uuid(), name: reader.string(true), partitions: reader.int32() };
    reader.array(6, true, () => {
      reader.int32();
      reader.array(1, true, () => reader.string(true));
      reader.skipTags();
    });
    reader.skipTags();
    return topic;
  });
}

export function encodeConsumerMember(member: ConsumerMemberValue): Uint8Array {
  const writer = begin()
    .string(member.instanceId, true)
    .string(member.rackId, true)
    .string(member.clientId, true)
    .string(member.clientHost, true)
    .arrayLength(member.topicNames.length, true);
  for (const name of member.topicNames) writer.string(name, true);
  return writer
    .string(member.topicRegex, true)
    .int32(member.rebalanceTimeoutMs)
    .string(member.serverAssignor, true)
    .noTags()
    .finish();
}

export function decodeConsumerMember(bytes: Uint8Array): ConsumerMemberValue {
  const reader = open(bytes, "a consumer group's member");
  return {
    instanceId: reader.nullableString(true),
    rackId: reader.nullableString(true),
    clientId: reader.string(true),
    clientHost: reader.string(true),
    topicNames: reader.array(1, true, () => reader.string(true)),
    topicRegex: reader.nullableString(true),
    rebalanceTimeoutMs: reader.int32(),
    serverAssignor: reader.nullableString(true),
  };
}

function writePartitions(writer: ByteWriter, set: PartitionSet): ByteWriter {
  const topics = set.toTopics();
  writer.arrayLength(topics.length, true);
  for (const { topicId, partitions } of topics) {
    writer.uuid(topicId).arrayLength(partitions.length, true);
    for (const partition of partitions) writer.int32(partition);
    writer.noTags();
  }
  return writer;
}

function readPartitions(reader: ByteReader): PartitionSet {
  return PartitionSet.from(
    reader.array(18, true, () => {
      const topic = { topicId: reader.uuid(), partitions: reader.array(4, true, () => reader.int32()) };
      reader.skipTags();
      return topic;
    }),
  );
}

export function encodeTarget(target: PartitionSet): Uint8Array {
  return writePartitions(begin(), target).noTags().finish();
}

export function decodeTarget(bytes: Uint8Array): PartitionSet {
  return readPartitions(open(bytes, "a target assignment"));
}

export function encodeCurrent(current: CurrentMemberValue): Uint8Array {
  const { memberEpoch, previousMemberEpoch, state, assigned, revoking } = current;
  const writer = begin().int32(memberEpoch).int32(previousMemberEpoch).int8(memberStates.indexOf(state));
  writePartitions(writePartitions(writer, assigned), revoking);
  return writer.noTags().finish();
}

export function decodeCurrent(bytes: Uint8Array): CurrentMemberValue {
  const reader = open(bytes, "a current assignment");
  const memberEpoch = reader.int32();
  const previousMemberEpoch = reader.int32();
  const number = reader.int8();
  const state = memberStates[number];
  if (state === undefined) throw corrupt(`a member in state ${number}`);
  return {
    memberEpoch,
    previousMemberEpoch,
    state,
    assigned: readPartitions(reader),
    revoking: readPartitions(reader),
  };
}
