// Fetch: whole record batches from an offset on, a partition each.
// From version 13 on topics are named by id. Sessions (KIP-227) begin with session id 0 and epoch 0 or -1.

export const fetch = {
  key: 1,
  name: "Fetch",
  versions: [4, 16],
  flexible: 12,
  request: {
    clusterId: "string? 12+ tag 0 = null",
    replicaId: "int32 4-14 = -1",
    replicaState: {
      $: "15+ tag 1",
      replicaId: "int32 = -1",
      replicaEpoch: "int64 = -1",
    },
    maxWaitMs: "int32",
    minBytes: "int32",
    maxBytes: "int32 = 2147483647",
    isolationLevel: "int8 = 0",
    sessionId: "int32 7+ = 0",
    sessionEpoch: "int32 7+ = -1",
    topics: [
      {
        topic: "string 4-12",
        topicId: "uuid 13+",
        partitions: [
          {
            partition: "int32",
            currentLeaderEpoch: "int32 9+ = -1",
            fetchOffset: "int64",
            lastFetchedEpoch: "int32 12+ = -1",
            logStartOffset: "int64 5+ = -1",
            partitionMaxBytes: "int32",
          },
        ],
      },
    ],
    forgottenTopicsData: [
      {
        $: "7+ = []",
        topic: "string 7-12",
        topicId: "uuid 13+",
        partitions: "[]int32",
      },
    ],
    rackId: 'string 11+ = ""',
  },
  response: {
    throttleTimeMs: "int32 = 0",
    errorCode: "int16 7+ = 0",
    sessionId: "int32 7+ = 0",
    responses: [
      {
        topic: "string 4-12",
        topicId: "uuid 13+",
        partitions: [
          {
            partitionIndex: "int32",
            errorCode: "int16",
            highWatermark: "int64",
            lastStableOffset: "int64 = -1",
            logStartOffset: "int64 5+ = -1",
            divergingEpoch: {
              $: "12+ tag 0",
              epoch: "int32 = -1",
              endOffset: "int64 = -1",
            },
            currentLeader: {
              $: "12+ tag 1",
              leaderId: "int32 = -1",
              leaderEpoch: "int32 = -1",
            },
            snapshotId: {
              $: "12+ tag 2",
              endOffset: "int64 = -1",
              epoch: "int32 = -1",
            },
            abortedTransactions: [
              {
                $: "? = null",
                producerId: "int64",
                firstOffset: "int64",
              },
            ],
            preferredReadReplica: "int32 11+ = -1",
            records: "records?",
          },
        ],
      },
    ],
    nodeEndpoints: [
      {
        $: "16+ tag 0",
        nodeId: "int32",
        host: "string",
        port: "int32",
        rack: "string? = null",
      },
    ],
  },
} as const;
