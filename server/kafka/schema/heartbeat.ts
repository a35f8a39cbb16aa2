// Heartbeat: a member of a classic group lives.

export const heartbeat = {
  key: 12,
  name: "Heartbeat",
  versions: [0, 4],
  flexible: 4,
  request: {
    groupId: "string",
    generationId: "int32",
    memberId: "string",
    groupInstanceId: "string? 3+ = null",
  },
  response: {
    throttleTimeMs: "int32 1+ = 0",
    errorCode: "int16",
  },
} as const;
