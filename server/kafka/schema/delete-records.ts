// DeleteRecords: moves log start offsets; -1 means the high watermark.

export const deleteRecords = {
  key: 21,
  name: "DeleteRecords",
  versions: [0, 2],
  flexible: 2,
  request: {
    topics: [
      {
        name: "string",
        partitions: [
          {
            partitionIndex: "int32",
            offset: "int64",
          },
        ],
      },
    ],
    timeoutMs: "int32",
  },
  response: {
    throttleTimeMs: "int32 = 0",
    topics: [
      {
        name: "string",
        partitions: [
          {
            partitionIndex: "int32",
            lowWatermark: "int64",
            errorCode: "int16",
          },
        ],
      },
    ],
  },
} as const;
