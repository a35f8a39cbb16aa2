// Produce: record batches to append, a run a partition, and where they came to lie.
// Versions 0 to 2 carry message sets of before record batches v2; they are read, so that they can be refused in words.

export const produce = {
  key: 0,
  name: "Produce",
  versions: [0, 11],
  flexible: 9,
  request: {
    transactionalId: "string? 3+ = null",
    acks: "int16",
    timeoutMs: "int32",
    topicData: [
      {
        name: "string",
        partitionData: [
          {
            index: "int32",
            records: "records?",
          },
        ],
      },
    ],
  },
  response: {
    responses: [
      {
        name: "string",
        partitionResponses: [
          {
            index: "int32",
            errorCode: "int16",
            baseOffset: "int64",
            logAppendTimeMs: "int64 2+ = -1",
            logStartOffset: "int64 5+ = -1",
            recordErrors: [
              {
                $: "8+ = []",
                batchIndex: "int32",
                batchIndexErrorMessage: "string? = null",
              },
            ],
            errorMessage: "string? 8+ = null",
            currentLeader: {
              $: "10+ tag 0",
              leaderId: "int32 = -1",
              leaderEpoch: "int32 = -1",
            },
          },
        ],
      },
    ],
    throttleTimeMs: "int32 1+ = 0",
    nodeEndpoints: [
      {
        $: "10+ tag 0",
        nodeId: "int32",
        host: "string",
        port: "int32",
        rack: "string? = null",
      },
    ],
  },
} as const;
