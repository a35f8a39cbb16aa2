// OffsetFetch: how far a group has read. Null topics are all that it has committed; from version 8 on many groups at once.

export const offsetFetch = {
  key: 9,
  name: "OffsetFetch",
  versions: [1, 9],
  flexible: 6,
  request: {
    groupId: 'string 1-7 = ""',
    topics: [
      {
        $: "?2-7 1-7 = []",
        name: "string",
        partitionIndexes: "[]int32",
      },
    ],
    groups: [
      {
        $: "8+ = []",
        groupId: "string",
        memberId: "string? 9+ = null",
        memberEpoch: "int32 9+ = -1",
        topics: [
          {
            $: "?",
            name: "string",
            partitionIndexes: "[]int32",
          },
        ],
      },
    ],
    requireStable: "bool 7+ = false",
  },
  response: {
    throttleTimeMs: "int32 3+ = 0",
    topics: [
      {
        $: "1-7 = []",
        name: "string",
        partitions: [
          {
            partitionIndex: "int32",
            committedOffset: "int64",
            committedLeaderEpoch: "int32 5-7 = -1",
            metadata: "string?",
            errorCode: "int16",
          },
        ],
      },
    ],
    errorCode: "int16 2-7 = 0",
    groups: [
      {
        $: "8+ = []",
        groupId: "string",
        topics: [
          {
            name: "string",
            partitions: [
              {
                partitionIndex: "int32",
                committedOffset: "int64",
                committedLeaderEpoch: "int32 = -1",
                metadata: "string?",
                errorCode: "int16",
              },
            ],
          },
        ],
        errorCode: "int16 = 0",
      },
    ],
  },
} as const;
