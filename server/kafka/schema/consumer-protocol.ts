// What members of a classic group tell each other through JoinGroup and SyncGroup: the metadata and
// the assignment of protocol type "consumer". An int16 with the version comes first.

export const consumerProtocolSubscription = {
  name: "ConsumerProtocolSubscription",
  versions: [0, 3],
  fields: {
    topics: "[]string",
    userData: "bytes? = null",
    ownedPartitions: [
      {
        $: "1+ = []",
        topic: "string",
        partitions: "[]int32",
      },
    ],
    generationId: "int32 2+ = -1",
    rackId: "string? 3+ = null",
  },
} as const;

export const consumerProtocolAssignment = {
  name: "ConsumerProtocolAssignment",
  versions: [0, 3],
  fields: {
    assignedPartitions: [
      {
        topic: "string",
        partitions: "[]int32",
      },
    ],
    userData: "bytes? = null",
  },
} as const;
