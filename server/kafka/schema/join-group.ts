// JoinGroup: a member enters a generation of a classic group, and waits until all have.

export const joinGroup = {
  key: 11,
  name: "JoinGroup",
  versions: [0, 9],
  flexible: 6,
  request: {
    groupId: "string",
    sessionTimeoutMs: "int32",
    rebalanceTimeoutMs: "int32 1+ = -1",
    memberId: "string",
    groupInstanceId: "string? 5+ = null",
    protocolType: "string",
    protocols: [
      {
        name: "string",
        metadata: "bytes",
      },
    ],
    reason: "string? 8+ = null",
  },
  response: {
    throttleTimeMs: "int32 2+ = 0",
    errorCode: "int16",
    generationId: "int32 = -1",
    protocolType: "string? 7+ = null",
    protocolName: "string?7+",
    leader: "string",
    skipAssignment: "bool 9+ = false",
    memberId: "string",
    members: [
      {
        memberId: "string",
        groupInstanceId: "string? 5+ = null",
        metadata: "bytes",
      },
    ],
  },
} as const;
