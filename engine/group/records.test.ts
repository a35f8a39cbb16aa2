// The bytes of __consumer_offsets, written out by hand from Kafka's definitions.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { ByteReader, ByteWriter } from "./bytes.ts";
import { type ClassicGroupValue, decodeClassicGroup, encodeClassicGroup } from "./classic-value.ts";
import { subscriptionTopics } from "./consumer-protocol.ts";
import {
  decodeConsumerMember,
  decodeCurrent,
  decodeEpoch,
  decodeTarget,
  decodeTopics,
  encodeConsumerMember,
  encodeCurrent,
  encodeEpoch,
  encodeTarget,
  encodeTopics,
} from "./consumer-values.ts";
import { codeOf, subscription } from "./group.test.support.ts";
import { decodeOffset, encodeOffset } from "./offset-value.ts";
import { javaHashCode, partitionForGroup } from "./partition-for.ts";
import { PartitionSet } from "./partition-set.ts";
import { decodeKey, encodeKey, type RecordKey } from "./record-keys.ts";

function hex(bytes: Uint8Array): string {
  return Buffer.from(bytes).toString("hex");
}

/** Spaces and lines are for people. */
function bytes(text: string): Uint8Array {
  return Uint8Array.from(Buffer.from(text.replace(/\s/g, ""), "hex"));
}

const topicId = "000102030405060708090a0b0c0d0e0f";

const keys: readonly (readonly [RecordKey, string])[] = [
  [{ kind: "offset", group: "g1", topic: "orders", partition: 258 }, "0001 0002 6731 0006 6f7264657273 00000102"],
  [{ kind: "classicGroup", group: "g1" }, "0002 0002 6731"],
  [{ kind: "consumerGroup", group: "g1" }, "0003 0002 6731"],
  [{ kind: "consumerTopics", group: "g1" }, "0004 0002 6731"],
  [{ kind: "consumerMember", group: "g1", member: "m" }, "0005 0002 6731 0001 6d"],
  [{ kind: "targetEpoch", group: "g1" }, "0006 0002 6731"],
  [{ kind: "targetMember", group: "é", member: "m" }, "0007 0002 c3a9 0001 6d"],
  [{ kind: "currentMember", group: "g1", member: "m" }, "0008 0002 6731 0001 6d"],
];

test("keys are Kafka's, byte by byte, and read back", () => {
  for (const [key, text] of keys) {
    assert.equal(hex(encodeKey(key)), hex(bytes(text)), key.kind);
    assert.deepEqual(decodeKey(bytes(text)), key);
  }
  // OffsetCommitKey version 0 is laid out as 1.
  assert.deepEqual(decodeKey(bytes("0000 0002 6731 0001 74 00000001")), {
    ...{ kind: "offset", group: "g1", topic: "t", partition: 1 },
  });
  assert.equal(decodeKey(bytes("000b 0002 6731")), null);
});

const offset = { offset: 2 ** 40 + 7, leaderEpoch: 5, metadata: "hi", commitTimestamp: 1000, expireTimestamp: -1 };

test("an offset's value is OffsetCommitValue 3, or 1 with an expiry; 0 to 4 are read", () => {
  const written = "0003 0000010000000007 00000005 0002 6869 00000000000003e8";
  assert.equal(hex(encodeOffset(offset)), hex(bytes(written)));
  assert.deepEqual(decodeOffset(bytes(written)), offset);
  const expiring = "0001 0000010000000007 0002 6869 00000000000003e8 00000000000007d0";
  assert.equal(hex(encodeOffset({ ...offset, expireTimestamp: 2000 })), hex(bytes(expiring)));
  assert.deepEqual(decodeOffset(bytes(expiring)), { ...offset, leaderEpoch: -1, expireTimestamp: 2000 });
  for (const version of ["0000", "0002"]) {
    assert.deepEqual(decodeOffset(bytes(`${version} 0000010000000007 0002 6869 00000000000003e8`)), {
      ...{ ...offset, leaderEpoch: -1 },
    });
  }
  assert.deepEqual(decodeOffset(bytes("0004 0000010000000007 00000005 03 6869 00000000000003e8 00")), offset);
});

test("an expire time of -1 is none (KAFKA-8069)", () => {
  const value = decodeOffset(bytes("0001 0000000000000001 0000 00000000000003e8 ffffffffffffffff"));
  assert.equal(value.expireTimestamp, -1);
});

test("an offset beyond 2^53-1 is refused, and so is an unknown version", async () => {
  const beyond = bytes("0003 0020000000000000 00000005 0000 00000000000003e8");
  assert.equal(await codeOf(() => decodeOffset(beyond)), "CORRUPT_MESSAGE");
  assert.equal(await codeOf(() => decodeOffset(bytes("0005 00"))), "CORRUPT_MESSAGE");
  assert.equal(await codeOf(() => decodeClassicGroup(bytes("0005 00"))), "CORRUPT_MESSAGE");
  assert.equal(await codeOf(() => decodeEpoch(bytes("0001 00000001 00"))), "CORRUPT_MESSAGE");
});

const classic: ClassicGroupValue = {
  ...{ protocolType: "consumer", generationId: 3, protocolName: "range", leader: "a", stateTimestamp: 4096 },
  members: [
    {
      ...{ memberId: "a", instanceId: null, clientId: "c", clientHost: "/h", rebalanceTimeoutMs: 60000 },
      ...{ sessionTimeoutMs: 45000, subscription: bytes("aabb"), assignment: bytes("cc") },
    },
    {
      ...{ memberId: "b", instanceId: "i", clientId: "", clientHost: "", rebalanceTimeoutMs: 1 },
      ...{ sessionTimeoutMs: 2, subscription: bytes(""), assignment: bytes("") },
    },
  ],
};

test("a classic group's value is GroupMetadataValue 3; 0 to 4 are read", () => {
  const head = "0008 636f6e73756d6572 00000003 0005 72616e6765 0001 61";
  const three = `0003 ${head} 0000000000001000 00000002
    0001 61 ffff 0001 63 0002 2f68 0000ea60 0000afc8 00000002 aabb 00000001 cc
    0001 62 0001 69 0000 0000 00000001 00000002 00000000 00000000`;
  assert.equal(hex(encodeClassicGroup(classic)), hex(bytes(three)));
  assert.deepEqual(decodeClassicGroup(bytes(three)), classic);
  const four = `0004 09 636f6e73756d6572 00000003 06 72616e6765 02 61 0000000000001000 03
    02 61 00 02 63 03 2f68 0000ea60 0000afc8 03 aabb 02 cc 00
    02 62 02 69 01 01 00000001 00000002 01 01 00 00`;
  assert.deepEqual(decodeClassicGroup(bytes(four)), classic);
  const zero = decodeClassicGroup(
    bytes(`0000 ${head} 00000001 0001 61 0001 63 0002 2f68 0000afc8 00000002 aabb 00000001 cc`),
  );
  assert.deepEqual(zero, {
    ...{ ...classic, stateTimestamp: -1 },
    members: [{ ...classic.members[0], rebalanceTimeoutMs: -1 }],
  });
  const empty = {
    protocolType: "consumer",
    generationId: 4,
    protocolName: null,
    leader: null,
    stateTimestamp: 1,
    members: [],
  };
  assert.equal(
    hex(encodeClassicGroup(empty)),
    hex(bytes("0003 0008 636f6e73756d6572 00000004 ffff ffff 0000000000000001 00000000")),
  );
});

test("a consumer group's values are ConsumerGroup*Value 0, compact and with tagged fields", () => {
  assert.equal(hex(encodeEpoch(7)), hex(bytes("0000 00000007 00")));
  // Kafka 4.1 adds a hash in a tag, which is passed over.
  assert.equal(decodeEpoch(bytes("0000 00000007 01 00 08 0000000000000001")), 7);
  const topics = [{ id: topicId, name: "t", partitions: 3 }];
  assert.equal(hex(encodeTopics(topics)), hex(bytes(`0000 02 ${topicId} 02 74 00000003 01 00 00`)));
  // With racks, as Kafka writes them.
  assert.deepEqual(decodeTopics(bytes(`0000 02 ${topicId} 02 74 00000003 02 00000000 02 02 72 00 00 00`)), topics);
  const member = {
    ...{ instanceId: "i", rackId: null, clientId: "c", clientHost: "/h", topicNames: ["t", "u"], topicRegex: "x.*" },
    ...{ rebalanceTimeoutMs: 300, serverAssignor: null },
  };
  const memberBytes = "0000 02 69 00 02 63 03 2f68 03 02 74 02 75 04 782e2a 0000012c 00 00";
  assert.equal(hex(encodeConsumerMember(member)), hex(bytes(memberBytes)));
  assert.deepEqual(decodeConsumerMember(bytes(memberBytes)), member);
  const target = PartitionSet.from([{ topicId, partitions: [2, 0] }]);
  assert.equal(hex(encodeTarget(target)), hex(bytes(`0000 02 ${topicId} 03 00000000 00000002 00 00`)));
  assert.ok(decodeTarget(encodeTarget(target)).equals(target));
  const revoking = PartitionSet.from([{ topicId, partitions: [1] }]);
  const current = { memberEpoch: 5, previousMemberEpoch: 4, state: "unrevoked", assigned: target, revoking } as const;
  const currentBytes = `0000 00000005 00000004 01 02 ${topicId} 03 00000000 00000002 00 02 ${topicId} 02 00000001 00 00`;
  assert.equal(hex(encodeCurrent(current)), hex(bytes(currentBytes)));
  const decoded = decodeCurrent(bytes(currentBytes));
  assert.deepEqual([decoded.memberEpoch, decoded.previousMemberEpoch, decoded.state], [5, 4, "unrevoked"]);
  assert.ok(decoded.assigned.equals(target) && decoded.revoking.equals(revoking));
});

test("whatever is cut off or bent is CORRUPT_MESSAGE, and asks for no memory", () => {
  const samples: [Uint8Array, (bytes: Uint8Array) => unknown][] = [
    ...keys.map(([key]): [Uint8Array, (bytes: Uint8Array) => unknown] => [encodeKey(key), decodeKey]),
    [encodeOffset(offset), decodeOffset],
    [encodeClassicGroup(classic), decodeClassicGroup],
    [encodeTopics([{ id: topicId, name: "t", partitions: 3 }]), decodeTopics],
    [encodeTarget(PartitionSet.from([{ topicId, partitions: [1] }])), decodeTarget],
  ];
  let refused = 0;
  let read = 0;
  fc.assert(
    fc.property(fc.nat(samples.length - 1), fc.nat(200), fc.nat(255), fc.nat(200), (which, at, byte, length) => {
      const [sample, decode] = samples[which]!;
      const bent = sample.slice(0, length);
      if (at < bent.length) bent[at] = byte;
      try {
        decode(bent);
        read += 1;
      } catch (error) {
        assert.equal((error as { code?: string }).code, "CORRUPT_MESSAGE");
        refused += 1;
      }
    }),
    { numRuns: 3000, seed: 5 },
  );
  assert.ok(refused > 300 && read > 300, `${refused} refused, ${read} read`);
});

test("numbers go through, at their ends too", () => {
  const ends = [
    0,
    1,
    -1,
    127,
    128,
    2 ** 31 - 1,
    -(2 ** 31),
    2 ** 32,
    Number.MAX_SAFE_INTEGER,
    -Number.MAX_SAFE_INTEGER,
  ];
  for (const value of ends) assert.equal(new ByteReader(new ByteWriter().int64(value).finish()).int64(), value);
  for (const value of [0, 127, 128, 16383, 16384, 2 ** 31 - 1]) {
    assert.equal(new ByteReader(new ByteWriter().unsignedVarint(value).finish()).unsignedVarint(), value);
  }
  assert.equal(hex(new ByteWriter().int64(-2).finish()), "fffffffffffffffe");
  assert.equal(hex(new ByteWriter().unsignedVarint(300).finish()), "ac02");
});

test("a group's partition is Kafka's: Java's hash of the id, made positive", () => {
  // Java: "".hashCode() = 0, "a" = 97, "hello" = 99162322, "polygenelubricants" = Integer.MIN_VALUE.
  assert.deepEqual(["", "a", "hello", "polygenelubricants"].map(javaHashCode), [0, 97, 99162322, -(2 ** 31)]);
  assert.equal(partitionForGroup("hello", 50), 22);
  assert.equal(partitionForGroup("polygenelubricants", 50), 0);
  // Negative: -1524582912 for this one, so that masking the sign away would give 36.
  assert.equal(javaHashCode("console-consumer"), javaHashByHand("console-consumer"));
  const negative = ["group-a", "orders", "my-consumer-group", "x".repeat(9)].filter((id) => javaHashCode(id) < 0);
  assert.ok(negative.length > 0);
  for (const id of negative) assert.equal(partitionForGroup(id, 50), -javaHashCode(id) % 50);
});

function javaHashByHand(text: string): number {
  let hash = 0n;
  for (const sign of text) hash = BigInt.asIntN(32, hash * 31n + BigInt(sign.charCodeAt(0)));
  return Number(hash);
}

test("the topics of a subscription are read in every version, and of nothing else", () => {
  assert.deepEqual(subscriptionTopics(subscription(["a", "bc"], "user")), ["a", "bc"]);
  assert.deepEqual(subscriptionTopics(bytes("0000 00000001 0001 61 ffffffff")), ["a"]);
  assert.equal(subscriptionTopics(bytes("0000 7fffffff 0001 61")), null);
  assert.equal(subscriptionTopics(bytes("")), null);
});
