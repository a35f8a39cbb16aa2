// CreatePartitions: raises the number of a topic's partitions.

export const createPartitions = {
  key: 37,
  name: "CreatePartitions",
  versions: [0, 3],
  flexible: 2,
  request: {
    topics: [
      {
        name: "string",
        count: "int32",
        assignments: [
          {
            $: "?",
            brokerIds: "[]int32",
          },
        ],
      },
    ],
    timeoutMs: "int32",
    validateOnly: "bool",
  },
  response: {
    throttleTimeMs: "int32 = 0",
    results: [
      {
        name: "string",
        errorCode: "int16",
        errorMessage: "string? = null",
      },
    ],
  },
} as const;
