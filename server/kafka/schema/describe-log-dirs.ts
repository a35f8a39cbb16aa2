// DescribeLogDirs: where partitions lie and how large they are.

export const describeLogDirs = {
  key: 35,
  name: "DescribeLogDirs",
  versions: [1, 4],
  flexible: 2,
  request: {
    topics: [
      {
        $: "?",
        topic: "string",
        partitions: "[]int32",
      },
    ],
  },
  response: {
    throttleTimeMs: "int32 = 0",
    errorCode: "int16 3+ = 0",
    results: [
      {
        errorCode: "int16",
        logDir: "string",
        topics: [
          {
            name: "string",
            partitions: [
              {
                partitionIndex: "int32",
                partitionSize: "int64",
                offsetLag: "int64",
                isFutureKey: "bool",
              },
            ],
          },
        ],
        totalBytes: "int64 4+ = -1",
        usableBytes: "int64 4+ = -1",
      },
    ],
  },
} as const;
