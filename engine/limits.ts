// The numbers that bound the engine, each with its unit and why it is what it is.
//
// Owns: constants. Never: anything a user configures by topic (broker/configs.ts).

/** Offsets, timestamps and producer ids are doubles; beyond this they would lose digits. */
export const maxSafeOffset: number = Number.MAX_SAFE_INTEGER;

/** The kernel's staging area: one request of batches is copied here once. Bytes. */
export const scratchBytes: number = 16 * 1024 * 1024;

/** The largest run of batches one append takes; also the ceiling of `max.message.bytes`. Bytes. */
export const maxRunBytes: number = 12 * 1024 * 1024;

/** Recent bytes of all partitions kept in memory for readers at the tail. Bytes. */
export const tailCacheBytes: number = 32 * 1024 * 1024;

/** A log is kept for readers at its tail until so much was appended since the last of them read there. Bytes. */
export const tailWantedBytes: number = 8 * 1024 * 1024;

/** A reader of a file so near to its end will soon read at the tail. Bytes. */
export const nearTailBytes: number = 4 * 1024 * 1024;

/** Requests whose bytes are held at once, over all connections; more wait. Bytes. */
export const inFlightBytes: number = 64 * 1024 * 1024;

/** What a fetch of batches may hold when it does not say. Bytes. */
export const fetchBytes: number = 8 * 1024 * 1024;

/** Bytes of answers that are lent at once to those who pass them on; more fetches wait. Bytes. */
export const fetchPoolBytes: number = 64 * 1024 * 1024;

/** A sync is due this long after the first unsynced byte, whatever its acks. Milliseconds. */
export const syncIntervalMs: number = 10;

/** ... or after this many unsynced bytes of one partition. */
export const syncBytes: number = 8 * 1024 * 1024;

/** While more is appended, what waits for a sync is on its way to the disk in pieces of this many bytes. */
export const syncAheadBytes: number = 1024 * 1024;

/** How far the recorded recovery point may lag behind what is synced. Milliseconds. */
export const recoveryPointIntervalMs: number = 1000;

/** Compaction lets others go first after so much of a log. Bytes. */
export const compactionSliceBytes: number = 1024 * 1024;

/** ... or after so long. Milliseconds. */
export const compactionSliceMs: number = 4;

export const maxTopicNameLength: number = 249;
export const maxPartitionsPerTopic: number = 10_000;
/** Fetches that wait for data at once; more are refused with THROTTLING_QUOTA_EXCEEDED. */
export const maxWaiters: number = 100_000;
/** Batches remembered per producer to answer a retry with its first offset (Kafka's number). */
export const batchesPerProducer: number = 5;
/** Producers remembered per partition; the one longest silent is forgotten first. */
export const maxProducersPerPartition: number = 10_000;
/** Producer ids are taken from the metadata journal in blocks of this many. */
export const producerIdBlock: number = 1000;

/** Groups known at once, all together; more are refused. */
export const maxGroups: number = 100_000;
/** Members of one group, and as many more that have an id and have not joined yet. */
export const maxMembersPerGroup: number = 2000;
/** Characters of a group's, a member's, an instance's or a client's id; these are kept in memory and in every record. */
export const maxGroupIdLength: number = 512;
/** Protocols that one member of a classic group offers. */
export const maxProtocolsPerMember: number = 64;
/** Subscriptions and assignments of one group together, so that its record fits one append. Bytes. */
export const maxGroupBytes: number = 8 * 1024 * 1024;
/** The same of all groups. Bytes. */
export const maxAllGroupsBytes: number = 256 * 1024 * 1024;
/** Offsets that one group has committed. */
export const maxOffsetsPerGroup: number = 100_000;
/** Offsets that all groups have committed. */
export const maxCommittedOffsets: number = 1_000_000;
/** Offsets of one batch of commits. Bytes. */
export const offsetBatchBytes: number = 1024 * 1024;
/** Appends to one partition of groups that wait to be durable; more are refused until some are. */
export const maxPendingGroupAppends: number = 10_000;
/** Topic names that one member of a consumer group is subscribed to, together. Bytes. */
export const maxSubscriptionBytes: number = 1024 * 1024;
/** Partitions that a consumer group assigns; topics for which there is no room are left out, and its description shows it. */
export const maxPartitionsPerGroup: number = 100_000;
/** What a partition in a consumer group's sets is counted as. Bytes. */
export const partitionInGroupBytes: number = 128;
/** Characters of a regular expression of topics. */
export const maxTopicPatternLength: number = 256;
/** States of the automaton that such an expression becomes: a name is matched in its length times these steps at most. */
export const maxTopicPatternStates: number = 512;
