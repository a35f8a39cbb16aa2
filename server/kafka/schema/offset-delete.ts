// OffsetDelete: forgets committed offsets of a group.

export const offsetDelete = {
  key: 47,
  name: "OffsetDelete",
  versions: [0, 0],
  request: {
    groupId: "string",
    topics: [
      {
        name: "string",
        partitions: [
          {
            partitionIndex: "int32",
          },
        ],
      },
    ],
  },
  response: {
    errorCode: "int16",
    throttleTimeMs: "int32 = 0",
    topics: [
      {
        name: "string",
        partitions: [
          {
            partitionIndex: "int32",
            errorCode: "int16",
          },
        ],
      },
    ],
  },
} as const;
