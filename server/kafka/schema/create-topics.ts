// CreateTopics: new topics with partitions and configs.

export const createTopics = {
  key: 19,
  name: "CreateTopics",
  versions: [2, 7],
  flexible: 5,
  request: {
    topics: [
      {
        name: "string",
        numPartitions: "int32",
        replicationFactor: "int16",
        assignments: [
          {
            partitionIndex: "int32",
            brokerIds: "[]int32",
          },
        ],
        configs: [
          {
            name: "string",
            value: "string?",
          },
        ],
      },
    ],
    timeoutMs: "int32 = 60000",
    validateOnly: "bool = false",
  },
  response: {
    throttleTimeMs: "int32 = 0",
    topics: [
      {
        name: "string",
        topicId: "uuid 7+",
        errorCode: "int16",
        errorMessage: "string? = null",
        topicConfigErrorCode: "int16 5+ tag 0",
        numPartitions: "int32 5+ = -1",
        replicationFactor: "int16 5+ = -1",
        configs: [
          {
            $: "? 5+ = null",
            name: "string",
            value: "string?",
            readOnly: "bool",
            configSource: "int8 = -1",
            isSensitive: "bool",
          },
        ],
      },
    ],
  },
} as const;
