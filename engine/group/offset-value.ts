// A committed offset's value: Kafka's OffsetCommitValue.
//
//   | version 2 | offset 8 | leader epoch 4 (3+) | metadata | commit time 8 | expire time 8 (1) | tags (4+) |
//
// Owns: these bytes. Never: says when an offset expires (expiry.ts).
//
// Written in version 3; in version 1 when the client named a retention of its own, because only
// that has room for it. An expire time of -1 is none: an old broker wrote it into every value of
// version 1, and who took it for a time expired all of them on load (KAFKA-8069).

import { ByteReader, ByteWriter, corrupt } from "./bytes.ts";

export interface CommittedOffset {
  readonly offset: number;
  /** Of the last record consumed; -1 when the client does not say. */
  readonly leaderEpoch: number;
  readonly metadata: string;
  /** Milliseconds since 1970. */
  readonly commitTimestamp: number;
  /** When the client asked for a retention of its own; -1 otherwise. */
  readonly expireTimestamp: number;
}

const highestVersion = 4;

export function encodeOffset(value: CommittedOffset): Uint8Array {
  const { offset, leaderEpoch, metadata, commitTimestamp, expireTimestamp } = value;
  const writer = new ByteWriter();
  if (expireTimestamp >= 0) {
    return writer.int16(1).int64(offset).string(metadata).int64(commitTimestamp).int64(expireTimestamp).finish();
  }
  return writer.int16(3).int64(offset).int32(leaderEpoch).string(metadata).int64(commitTimestamp).finish();
}

/** Throws CORRUPT_MESSAGE. */
export function decodeOffset(bytes: Uint8Array): CommittedOffset {
  const reader = new ByteReader(bytes);
  const version = reader.int16();
  if (version < 0 || version > highestVersion) throw corrupt(`an offset's value of version ${version}`);
  return {
    offset: reader.int64(),
    leaderEpoch: version >= 3 ? reader.int32() : -1,
    metadata: reader.string(version >= 4),
    commitTimestamp: reader.int64(),
    expireTimestamp: version === 1 ? reader.int64() : -1,
  };
}
