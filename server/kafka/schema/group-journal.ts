// What the topic __consumer_offsets holds: keys and values of committed offsets and of classic groups.
// An int16 with the version comes first; of a key it says which of the two it is.

export const offsetCommitKey = {
  name: "OffsetCommitKey",
  versions: [0, 1],
  fields: {
    group: "string",
    topic: "string",
    partition: "int32",
  },
} as const;

export const offsetCommitValue = {
  name: "OffsetCommitValue",
  versions: [0, 4],
  flexible: 4,
  fields: {
    offset: "int64",
    leaderEpoch: "int32 3+ = -1",
    metadata: "string",
    commitTimestamp: "int64",
    expireTimestamp: "int64 1 = -1",
  },
} as const;

export const groupMetadataKey = {
  name: "GroupMetadataKey",
  versions: [2, 2],
  fields: {
    group: "string",
  },
} as const;

export const groupMetadataValue = {
  name: "GroupMetadataValue",
  versions: [0, 4],
  flexible: 4,
  fields: {
    protocolType: "string",
    generation: "int32",
    protocol: "string?",
    leader: "string?",
    currentStateTimestamp: "int64 2+ = -1",
    members: [
      {
        memberId: "string",
        groupInstanceId: "string? 3+ = null",
        clientId: "string",
        clientHost: "string",
        rebalanceTimeout: "int32 1+ = -1",
        sessionTimeout: "int32",
        subscription: "bytes",
        assignment: "bytes",
      },
    ],
  },
} as const;
