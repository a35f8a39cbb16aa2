// ListOffsets: the offset that a timestamp means. -1 is latest, -2 earliest, -3 of the largest timestamp,
// -4 and -5 are for tiered storage.

export const listOffsets = {
  key: 2,
  name: "ListOffsets",
  versions: [1, 7],
  flexible: 6,
  request: {
    replicaId: "int32",
    isolationLevel: "int8 2+ = 0",
    topics: [
      {
        name: "string",
        partitions: [
          {
            partitionIndex: "int32",
            currentLeaderEpoch: "int32 4+ = -1",
            timestamp: "int64",
          },
        ],
      },
    ],
  },
  response: {
    throttleTimeMs: "int32 2+ = 0",
    topics: [
      {
        name: "string",
        partitions: [
          {
            partitionIndex: "int32",
            errorCode: "int16",
            timestamp: "int64 = -1",
            offset: "int64 = -1",
            leaderEpoch: "int32 4+ = -1",
          },
        ],
      },
    ],
  },
} as const;
