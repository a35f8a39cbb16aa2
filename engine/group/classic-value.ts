// A classic group's value: Kafka's GroupMetadataValue.
//
//   | version 2 | protocol type | generation 4 | protocol | leader | state time 8 (2+) | members |
//   member: id | instance id (3+) | client id | client host | rebalance timeout 4 (1+) | session timeout 4 |
//           subscription | assignment
//
// Owns: these bytes. Never: what they mean (classic-group.ts). Written in version 3; 4 is the same
// in compact forms with tagged fields.

import { ByteReader, ByteWriter, corrupt } from "./bytes.ts";

export interface ClassicMemberValue {
  readonly memberId: string;
  readonly instanceId: string | null;
  readonly clientId: string;
  readonly clientHost: string;
  /** Milliseconds; -1 when an old broker did not store it. */
  readonly rebalanceTimeoutMs: number;
  readonly sessionTimeoutMs: number;
  /** Of the protocol that was chosen. */
  readonly subscription: Uint8Array;
  readonly assignment: Uint8Array;
}

export interface ClassicGroupValue {
  readonly protocolType: string;
  readonly generationId: number;
  readonly protocolName: string | null;
  readonly leader: string | null;
  /** When the state was entered; -1 unknown. Milliseconds since 1970. */
  readonly stateTimestamp: number;
  readonly members: readonly ClassicMemberValue[];
}

const writtenVersion = 3;
const highestVersion = 4;
/** Lengths and timeouts of a member with nothing in it. */
const leastMemberBytes = 12;

export function encodeClassicGroup(value: ClassicGroupValue): Uint8Array {
  const writer = new ByteWriter()
    .int16(writtenVersion)
    .string(value.protocolType)
    .int32(value.generationId)
    .string(value.protocolName)
    .string(value.leader)
    .int64(value.stateTimestamp)
    .arrayLength(value.members.length);
  for (const member of value.members) {
    writer
      .string(member.memberId)
      .string(member.instanceId)
      .string(member.clientId)
      .string(member.clientHost)
      .int32(member.rebalanceTimeoutMs)
      .int32(member.sessionTimeoutMs)
      .bytes(member.subscription)
      .bytes(member.assignment);
  }
  return writer.finish();
}

/** Throws CORRUPT_MESSAGE. */
export function decodeClassicGroup(bytes: Uint8Array): ClassicGroupValue {
  const reader = new ByteReader(bytes);
  const version = reader.int16();
  if (version < 0 || version > highestVersion) throw corrupt(`a classic group's value of version ${version}`);
  const compact = version >= 4;
  const readMember = (): ClassicMemberValue => {
    const memberId = reader.string(compact);
    const instanceId = version >= 3 ? reader.nullableString(compact) : null;
    const clientId = reader.string(compact);
    const clientHost = reader.string(compact);
    const rebalanceTimeoutMs = version >= 1 ? reader.int32() : -1;
    const sessionTimeoutMs = reader.int32();
    const subscription = reader.bytes(compact);
    const assignment = reader.bytes(compact);
    if (compact) reader.skipTags();
    return {
      ...{ memberId, instanceId, clientId, clientHost },
      ...{ rebalanceTimeoutMs, sessionTimeoutMs, subscription, assignment },
    };
  };
  return {
    protocolType: reader.string(compact),
    generationId: reader.int32(),
    protocolName: reader.nullableString(compact),
    leader: reader.nullableString(compact),
    stateTimestamp: version >= 2 ? reader.int64() : -1,
    members: reader.array(leastMemberBytes, compact, readMember),
  };
}
