// SyncGroup: the leader hands in assignments, every member is handed its own.

export const syncGroup = {
  key: 14,
  name: "SyncGroup",
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: "string",
    generationId: "int32",
    memberId: "string",
    groupInstanceId: "string? 3+ = null",
    protocolType: "string? 5+ = null",
    protocolName: "string? 5+ = null",
    assignments: [
      {
        memberId: "string",
        assignment: "bytes",
      },
    ],
  },
  response: {
    throttleTimeMs: "int32 1+ = 0",
    errorCode: "int16",
    protocolType: "string? 5+ = null",
    protocolName: "string? 5+ = null",
    assignment: "bytes",
  },
} as const;
