// LeaveGroup: members leave a classic group; from version 3 on many at once.

export const leaveGroup = {
  key: 13,
  name: "LeaveGroup",
  versions: [0, 5],
  flexible: 4,
  request: {
    groupId: "string",
    memberId: 'string 0-2 = ""',
    members: [
      {
        $: "3+ = []",
        memberId: "string",
        groupInstanceId: "string? = null",
        reason: "string? 5+ = null",
      },
    ],
  },
  response: {
    throttleTimeMs: "int32 1+ = 0",
    errorCode: "int16",
    members: [
      {
        $: "3+ = []",
        memberId: "string",
        groupInstanceId: "string?",
        errorCode: "int16",
      },
    ],
  },
} as const;
