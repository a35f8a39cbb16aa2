// The broker's public shapes: what goes in and out of its methods.
//
// Owns: types. Never: behaviour.

import type { GroupOptions } from "../group/options.ts";
import type { GroupCoordinator } from "../group/types.ts";
import type { Kernel, RunBytes } from "../kernel/kernel.ts";
import type { EpochEnd } from "../log/leader-epochs.ts";
import type { Storage } from "../port/storage.ts";
import type { World } from "../port/world.ts";

export type { EpochEnd } from "../log/leader-epochs.ts";

export type Acks = "all" | "leader" | "none";
/** `sync`: acknowledged means on disk. `os`: acknowledged means with the operating system, as Kafka's default. */
export type Durability = "sync" | "os";

/** A config's value as given by a user; kept as text. */
export type ConfigInput = Readonly<Record<string, string | number | boolean>>;

export interface BrokerOptions extends World {
  readonly storage: Storage;
  readonly kernel: Kernel;
  readonly durability?: Durability; // "sync"
  /** How often retention looks at every partition. Milliseconds; 300 000, Kafka's. */
  readonly retentionCheckIntervalMs?: number;
  /** How often compaction looks for a log that is dirty. Milliseconds; 15 000, Kafka's. */
  readonly compactionCheckIntervalMs?: number;
  readonly tailCacheBytes?: number;
  readonly inFlightBytes?: number;
  /** Memory that pooled fetches share, made at the first of them. At least limits.maxRunBytes; limits.fetchPoolBytes. */
  readonly fetchPoolBytes?: number;
  /** Of consumer groups; what is left out is as in group/options.ts. */
  readonly groups?: Partial<GroupOptions>;
}

export interface Header {
  readonly key: string;
  readonly value: Uint8Array | null;
}

/** A record to produce. Strings are UTF-8. */
export interface RecordInput {
  readonly key?: Uint8Array | string | null;
  readonly value?: Uint8Array | string | null;
  readonly headers?: readonly (readonly [string, Uint8Array | string | null])[];
  /** Milliseconds since 1970; the broker's clock when absent. */
  readonly timestamp?: number;
  /** Overrides the partitioner. */
  readonly partition?: number;
}

/** A record as read. The byte arrays are the reader's own, each a copy unless views were asked for. */
export interface LogRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly headers: readonly Header[];
}

export interface Receipt {
  readonly partition: number;
  readonly offset: number;
  readonly timestamp: number;
  /** True when this batch had been appended before: the offset is the first one's. */
  readonly duplicate: boolean;
}

export interface ProducerStamp {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** Kafka's base sequence: int32, wraps to 0. */
  readonly sequence: number;
}

export interface ProduceOptions {
  readonly acks?: Acks; // "all"
  /** All records to this partition. */
  readonly partition?: number;
  /** Needs `partition`; the records become exactly one batch. */
  readonly producer?: ProducerStamp;
  /** Needs `partition`: append only when the log ends here, else OFFSET_MISMATCH. */
  readonly expectedEndOffset?: number;
  /** How long to wait for the acknowledgement; then REQUEST_TIMED_OUT, effect unknown. 30 000. */
  readonly timeoutMs?: number;
}

/** One record's outcome, in the order given: a receipt, or the error its partition met. */
export type ProduceResult = Receipt | { readonly error: import("../errors.ts").MoldauError };

export interface AppendOptions {
  readonly acks?: Acks;
  readonly expectedEndOffset?: number;
  readonly timeoutMs?: number;
}

export interface AppendResult {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** Milliseconds under LogAppendTime, else -1 (Kafka's log_append_time). */
  readonly logAppendTime: number;
  readonly logStartOffset: number;
  readonly duplicate: boolean;
}

/** `earliest`, `latest` (the high watermark), an offset, `{ last: N }` records before the end, or the first at or after a time. */
export type StartPosition = "earliest" | "latest" | number | { readonly last: number } | { readonly timestamp: number };

export interface FetchPartition {
  readonly topic: string;
  readonly partition: number;
  readonly offset: number;
  /** At least one whole batch comes for the first partition that has data, even over this. Bytes. */
  readonly maxBytes?: number;
}

export interface FetchOptions {
  readonly minBytes?: number; // 1
  readonly maxBytes?: number; // limits.fetchBytes, 8 MiB
  /** How long to wait for minBytes, woken by the high watermark. 0: answer at once. */
  readonly maxWaitMs?: number;
  /**
   * Lends the bytes instead of giving them away: they lie, aligned, in memory that all fetches
   * share, until `release`. One answer is an eighth of it at most (or one batch), and waits its
   * turn when there is no room. For a face that passes bytes on.
   */
  readonly pooled?: boolean; // false
  readonly signal?: AbortSignal;
}

export interface FetchedPartition {
  readonly topic: string;
  readonly partition: number;
  /**
   * Whole batches; the first may begin before the offset asked for. Empty at the end. The caller's
   * own, or with `pooled` until `release`: not to be transferred, and not to be touched after it.
   */
  readonly bytes: Uint8Array;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  /** Where to go on after these bytes. */
  readonly nextOffset: number;
  /** Gives pooled bytes back, once nobody reads them any more: with a socket they are until it has sent them. Again is harmless. */
  readonly release: () => void;
  readonly error?: import("../errors.ts").MoldauError;
}

export interface FetchRecordsOptions {
  readonly offset: number;
  /** Records at most. 1000. */
  readonly limit?: number;
  /** Of batches read. 1 MiB. */
  readonly maxBytes?: number;
  readonly maxWaitMs?: number;
  readonly signal?: AbortSignal;
  /** Keys and values are views of what was read, which they keep in memory all together: cheap, for who is done with them soon. */
  readonly views?: boolean;
}

export interface FetchedRecords {
  readonly records: readonly LogRecord[];
  readonly logStartOffset: number;
  readonly highWatermark: number;
  /** Follow it; an empty list is not the end. */
  readonly nextOffset: number;
}

export interface ReadOptions {
  readonly partition?: number; // 0
  readonly from?: StartPosition; // "earliest"
  /** Goes on past the end, waiting for more. */
  readonly follow?: boolean;
  readonly signal?: AbortSignal;
}

export interface PartitionDescription {
  readonly partition: number;
  readonly state: "online" | "offline" | "fenced";
  /** Why it is not online. */
  readonly reason?: string;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logEndOffset: number;
  readonly leaderEpoch: number;
  readonly segments: number;
  readonly sizeBytes: number;
}

export interface TopicConfigValue {
  readonly value: string;
  readonly source: "topic" | "default";
}

export interface TopicDescription {
  readonly name: string;
  /** 32 hex digits. */
  readonly id: string;
  /** The broker's own, which clients read but do not write. */
  readonly internal?: true;
  readonly partitions: readonly PartitionDescription[];
  readonly configs: Readonly<Record<string, TopicConfigValue>>;
}

export interface TopicSummary {
  readonly name: string;
  readonly id: string;
  readonly partitions: number;
  readonly internal?: true;
}

export interface CreateTopicOptions {
  readonly partitions?: number; // 1
  readonly configs?: ConfigInput;
}

/** Sets these; null goes back to the default. */
export type ConfigChanges = Readonly<Record<string, string | number | boolean | null>>;

export interface AlterTopicOptions {
  /** The new total; never fewer than there are. */
  readonly partitions?: number;
  /** A function is asked when it is this change's turn, with the configs as they are then; what it throws refuses the change. */
  readonly configs?: ConfigChanges | ((configs: TopicDescription["configs"]) => ConfigChanges);
}

export interface DeleteTopicOptions {
  /** Only the topic that has this id, not another that has got its name. 32 hex digits. */
  readonly id?: string;
}

/** What a topic would be. */
export interface TopicPlan {
  readonly name: string;
  readonly partitions: number;
  readonly configs: Readonly<Record<string, TopicConfigValue>>;
}

export interface PartitionOffsets {
  /** The log start offset. */
  readonly earliest: number;
  /** The high watermark. */
  readonly latest: number;
}

export interface TimestampOffset {
  /** Of the first record at or after the time; null when there is none below the high watermark. */
  readonly offset: number | null;
  readonly timestamp: number | null;
}

/** What opening the data folder found; each line of `notes` is for people. */
export interface RecoveryReport {
  readonly cleanShutdown: boolean;
  readonly topics: number;
  readonly partitions: number;
  readonly offlinePartitions: number;
  readonly truncatedBytes: number;
  readonly rebuiltIndexes: number;
  readonly durationMs: number;
  readonly notes: readonly string[];
}

/** What a call of `runCompaction` did. */
export interface CompactionSummary {
  /** Over a partition, whether or not it found anything to take out. */
  readonly passes: number;
  readonly recordsRemoved: number;
  readonly bytesRead: number;
  readonly bytesWritten: number;
  /** Segments taken out, and put in their places. */
  readonly segmentsBefore: number;
  readonly segmentsAfter: number;
}

/** Counters since start and levels now, for a metrics page. */
export interface BrokerMetrics {
  readonly recordsAppended: number;
  readonly bytesAppended: number;
  readonly batchesAppended: number;
  readonly duplicateBatches: number;
  readonly appendErrors: number;
  readonly bytesFetched: number;
  readonly fetches: number;
  readonly syncs: number;
  readonly syncSeconds: number;
  readonly segmentRolls: number;
  readonly segmentsDeleted: number;
  /** Passes of compaction over a partition. */
  readonly compactions: number;
  readonly compactionBytesRead: number;
  readonly compactionBytesWritten: number;
  /** Records that compaction took out. */
  readonly recordsCompacted: number;
  readonly compactionFailures: number;
  readonly waitingFetches: number;
  readonly inFlightBytes: number;
  /** Lent by pooled fetches and not released yet. */
  readonly lentBytes: number;
  readonly topics: number;
  readonly partitions: number;
  readonly offlinePartitions: number;
  readonly tailCacheBytes: number;
}

/** The engine's face: every other face is a caller of it. Errors are MoldauError. */
export interface Broker {
  readonly report: RecoveryReport;
  readonly durability: Durability;
  /** Made with the data folder, and its own for ever: 22 characters of base64url. */
  readonly clusterId: string;
  readonly nodeId: number;
  /** False once closing. */
  readonly ready: boolean;
  /** Consumer groups and their offsets; its topic, __consumer_offsets, is made when it is first needed. */
  readonly groups: GroupCoordinator;
  /** Creates it durably. `existing` true when a topic of the same partitions and configs was there; TOPIC_ALREADY_EXISTS when it differs. */
  createTopic(name: string, options?: CreateTopicOptions): Promise<TopicDescription & { readonly existing: boolean }>;
  /** What `createTopic` would make of it now, with nothing made; throws why it would not, and when there is one already. */
  planTopic(name: string, options?: CreateTopicOptions): TopicPlan;
  alterTopic(name: string, options: AlterTopicOptions): Promise<TopicDescription>;
  /** The same for `alterTopic`, with nothing changed. */
  planAlteration(name: string, options: AlterTopicOptions): TopicPlan;
  deleteTopic(name: string, options?: DeleteTopicOptions): Promise<void>;
  listTopics(): TopicSummary[];
  describeTopic(name: string): TopicDescription;
  /** Of the topic with this id, 32 hex digits; null when there is none. */
  topicName(id: string): string | null;
  /** Partitions by key (murmur2, as Kafka) or spreads evenly. */
  produce(topic: string, records: readonly RecordInput[], options?: ProduceOptions): Promise<ProduceResult[]>;
  /**
   * A run of whole record batches v2, as on the wire, in one piece or in the chunks that it came
   * in: they are copied once, and are the caller's again when this resolves. All or nothing.
   */
  appendBatches(topic: string, partition: number, bytes: RunBytes, options?: AppendOptions): Promise<AppendResult>;
  fetchBatches(partitions: readonly FetchPartition[], options?: FetchOptions): Promise<FetchedPartition[]>;
  fetchRecords(topic: string, partition: number, options: FetchRecordsOptions): Promise<FetchedRecords>;
  /** Record by record; ends at the high watermark of its start unless `follow`. */
  read(topic: string, options?: ReadOptions): AsyncGenerator<LogRecord, void, void>;
  /** The offset a start position means now. */
  resolveOffset(topic: string, partition: number, from: StartPosition): Promise<number>;
  offsets(topic: string, partition: number): PartitionOffsets;
  offsetForTimestamp(topic: string, partition: number, timestamp: number): Promise<TimestampOffset>;
  /** Of the first record with the greatest timestamp below the high watermark (KIP-734). */
  offsetOfMaxTimestamp(topic: string, partition: number): Promise<TimestampOffset>;
  /** Of the partition's leader now. */
  leaderEpoch(topic: string, partition: number): number;
  /** Of the leader that wrote the record at this offset, or would write it; -1 when nobody has written yet. */
  leaderEpochAt(topic: string, partition: number, offset: number): number;
  /** Where the greatest leader epoch at or below this one ended (KIP-320). */
  leaderEpochEnd(topic: string, partition: number, epoch: number): EpochEnd;
  /** Removes what lies before the offset (-1: the high watermark), durably; resolves to the new log start offset. */
  deleteRecords(topic: string, partition: number, before: number): Promise<number>;
  allocateProducer(): Promise<{ readonly producerId: number; readonly producerEpoch: number }>;
  /** Waits until `bytes` of requests fit the in-flight budget; call the result when they are done. MESSAGE_TOO_LARGE when they never can. */
  reserve(bytes: number, signal?: AbortSignal): Promise<() => void>;
  /** The same without a wait: null when there is no room now, or others wait for it. */
  tryReserve(bytes: number): (() => void) | null;
  /** How many wait for `reserve`. */
  readonly reservationsAwaited: number;
  metrics(): BrokerMetrics;
  /** Runs retention now. Resolves to the segments deleted. */
  runRetention(): Promise<number>;
  /** Compacts what is due now, the dirtiest partition first, one after the other; after one that is under way. */
  runCompaction(): Promise<CompactionSummary>;
  /** Syncs everything, records a clean shutdown, frees the storage. Idempotent. */
  close(): Promise<void>;
}
