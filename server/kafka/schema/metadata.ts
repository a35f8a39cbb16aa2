// Metadata: brokers, topics, partitions and their leaders. No topics is all of them: an empty list in
// version 0, null from version 1 on.

export const metadata = {
  key: 3,
  name: "Metadata",
  versions: [0, 12],
  flexible: 9,
  request: {
    topics: [
      {
        $: "?1+",
        topicId: "uuid 10+",
        name: "string?10+",
      },
    ],
    allowAutoTopicCreation: "bool 4+ = true",
    includeClusterAuthorizedOperations: "bool 8-10 = false",
    includeTopicAuthorizedOperations: "bool 8+ = false",
  },
  response: {
    throttleTimeMs: "int32 3+ = 0",
    brokers: [
      {
        nodeId: "int32",
        host: "string",
        port: "int32",
        rack: "string? 1+ = null",
      },
    ],
    clusterId: "string? 2+ = null",
    controllerId: "int32 1+ = -1",
    topics: [
      {
        errorCode: "int16",
        name: "string?12+",
        topicId: "uuid 10+",
        isInternal: "bool 1+ = false",
        partitions: [
          {
            errorCode: "int16",
            partitionIndex: "int32",
            leaderId: "int32",
            leaderEpoch: "int32 7+ = -1",
            replicaNodes: "[]int32",
            isrNodes: "[]int32",
            offlineReplicas: "[]int32 5+ = []",
          },
        ],
        topicAuthorizedOperations: "int32 8+ = -2147483648",
      },
    ],
    clusterAuthorizedOperations: "int32 8-10 = -2147483648",
  },
} as const;
