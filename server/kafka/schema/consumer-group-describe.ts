// ConsumerGroupDescribe: KIP-848 groups with their members.

export const consumerGroupDescribe = {
  key: 69,
  name: "ConsumerGroupDescribe",
  versions: [0, 0],
  flexible: 0,
  request: {
    groupIds: "[]string",
    includeAuthorizedOperations: "bool",
  },
  response: {
    throttleTimeMs: "int32 = 0",
    groups: [
      {
        errorCode: "int16",
        errorMessage: "string? = null",
        groupId: "string",
        groupState: "string",
        groupEpoch: "int32",
        assignmentEpoch: "int32",
        assignorName: "string",
        members: [
          {
            memberId: "string",
            instanceId: "string? = null",
            rackId: "string? = null",
            memberEpoch: "int32",
            clientId: "string",
            clientHost: "string",
            subscribedTopicNames: "[]string",
            subscribedTopicRegex: "string? = null",
            assignment: {
              topicPartitions: [
                {
                  topicId: "uuid",
                  topicName: "string",
                  partitions: "[]int32",
                },
              ],
            },
            targetAssignment: {
              topicPartitions: [
                {
                  topicId: "uuid",
                  topicName: "string",
                  partitions: "[]int32",
                },
              ],
            },
          },
        ],
        authorizedOperations: "int32 = -2147483648",
      },
    ],
  },
} as const;
