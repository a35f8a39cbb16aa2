// The keys of __consumer_offsets: an int16 that says what the record is, and whom it is about.
//
//   0, 1  group, topic, partition    a committed offset         offset-value.ts
//   2     group                      a classic group            classic-value.ts
//   3     group                      a consumer group's epoch   consumer-values.ts, also for the rest
//   4     group                      the topics it is about
//   5     group, member              a member and its subscription
//   6     group                      the epoch of the assignment
//   7     group, member              what a member is to have
//   8     group, member              what a member has
//
// Strings are int16 length and UTF-8, partitions int32: Kafka's OffsetCommitKey, GroupMetadataKey
// and ConsumerGroup*Key. Keys are written in their highest version.
//
// Owns: these bytes. Never: values.

import { ByteReader, ByteWriter } from "./bytes.ts";

export const keyVersion = {
  offset: 1,
  classicGroup: 2,
  consumerGroup: 3,
  consumerTopics: 4,
  consumerMember: 5,
  targetEpoch: 6,
  targetMember: 7,
  currentMember: 8,
} as const;

export type GroupKeyKind = "classicGroup" | "consumerGroup" | "consumerTopics" | "targetEpoch";
export type MemberKeyKind = "consumerMember" | "targetMember" | "currentMember";

export type RecordKey =
  | { readonly kind: "offset"; readonly group: string; readonly topic: string; readonly partition: number }
  | { readonly kind: GroupKeyKind; readonly group: string }
  | { readonly kind: MemberKeyKind; readonly group: string; readonly member: string };

const kindOfVersion = new Map<number, RecordKey["kind"]>([
  [0, "offset"],
  ...Object.entries(keyVersion).map(([kind, version]) => [version, kind] as [number, RecordKey["kind"]]),
]);

export function encodeKey(key: RecordKey): Uint8Array {
  const writer = new ByteWriter().int16(keyVersion[key.kind]).string(key.group);
  if (key.kind === "offset") writer.string(key.topic).int32(key.partition);
  else if ("member" in key) writer.string(key.member);
  return writer.finish();
}

/** null for what a newer Kafka knows (share and streams groups). Throws CORRUPT_MESSAGE. */
export function decodeKey(bytes: Uint8Array): RecordKey | null {
  const reader = new ByteReader(bytes);
  const kind = kindOfVersion.get(reader.int16());
  switch (kind) {
    case undefined:
      return null;
    case "offset":
      return { kind, group: reader.string(), topic: reader.string(), partition: reader.int32() };
    case "consumerMember":
    case "targetMember":
    case "currentMember":
      return { kind, group: reader.string(), member: reader.string() };
    default:
      return { kind, group: reader.string() };
  }
}
