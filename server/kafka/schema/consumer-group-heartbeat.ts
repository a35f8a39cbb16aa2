// ConsumerGroupHeartbeat: membership of a KIP-848 group in one call: join with epoch 0, leave with -1.

export const consumerGroupHeartbeat = {
  key: 68,
  name: "ConsumerGroupHeartbeat",
  versions: [0, 1],
  flexible: 0,
  request: {
    groupId: "string",
    memberId: "string",
    memberEpoch: "int32",
    instanceId: "string? = null",
    rackId: "string? = null",
    rebalanceTimeoutMs: "int32 = -1",
    subscribedTopicNames: "[]string? = null",
    subscribedTopicRegex: "string? 1+ = null",
    serverAssignor: "string? = null",
    topicPartitions: [
      {
        $: "? = null",
        topicId: "uuid",
        partitions: "[]int32",
      },
    ],
  },
  response: {
    throttleTimeMs: "int32 = 0",
    errorCode: "int16",
    errorMessage: "string? = null",
    memberId: "string? = null",
    memberEpoch: "int32",
    heartbeatIntervalMs: "int32",
    assignment: {
      $: "? = null",
      topicPartitions: [
        {
          topicId: "uuid",
          partitions: "[]int32",
        },
      ],
    },
  },
} as const;
