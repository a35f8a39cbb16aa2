// OffsetForLeaderEpoch: where a leader epoch ended, so that a client sees whether what it read is still there.

export const offsetForLeaderEpoch = {
  key: 23,
  name: "OffsetForLeaderEpoch",
  versions: [2, 4],
  flexible: 4,
  request: {
    replicaId: "int32 3+ = -2",
    topics: [
      {
        topic: "string",
        partitions: [
          {
            partition: "int32",
            currentLeaderEpoch: "int32 = -1",
            leaderEpoch: "int32",
          },
        ],
      },
    ],
  },
  response: {
    throttleTimeMs: "int32 = 0",
    topics: [
      {
        topic: "string",
        partitions: [
          {
            errorCode: "int16",
            partition: "int32",
            leaderEpoch: "int32 = -1",
            endOffset: "int64 = -1",
          },
        ],
      },
    ],
  },
} as const;
