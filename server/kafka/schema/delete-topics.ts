// DeleteTopics: topics to remove, from version 6 on by name or by id.

export const deleteTopics = {
  key: 20,
  name: "DeleteTopics",
  versions: [1, 6],
  flexible: 4,
  request: {
    topics: [
      {
        $: "6+ = []",
        name: "string? = null",
        topicId: "uuid",
      },
    ],
    topicNames: "[]string 1-5 = []",
    timeoutMs: "int32",
  },
  response: {
    throttleTimeMs: "int32 = 0",
    responses: [
      {
        name: "string?6+",
        topicId: "uuid 6+",
        errorCode: "int16",
        errorMessage: "string? 5+ = null",
      },
    ],
  },
} as const;
