// DescribeGroups: classic groups with their members.

export const describeGroups = {
  key: 15,
  name: "DescribeGroups",
  versions: [0, 5],
  flexible: 5,
  request: {
    groups: "[]string",
    includeAuthorizedOperations: "bool 3+ = false",
  },
  response: {
    throttleTimeMs: "int32 1+ = 0",
    groups: [
      {
        errorCode: "int16",
        groupId: "string",
        groupState: "string",
        protocolType: "string",
        protocolData: "string",
        members: [
          {
            memberId: "string",
            groupInstanceId: "string? 4+ = null",
            clientId: "string",
            clientHost: "string",
            memberMetadata: "bytes",
            memberAssignment: "bytes",
          },
        ],
        authorizedOperations: "int32 3+ = -2147483648",
      },
    ],
  },
} as const;
