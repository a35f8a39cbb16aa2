// The engine's face: topics, produce, fetch, offsets, producer ids; every other face calls it.
//
// Owns: acknowledgement (when a produce is answered), and the order of a stop.
// Never: does the periodic work (maintenance.ts); knows HTTP or the Kafka wire, a runtime, or a package.

import { MoldauError, toMoldauError } from "../errors.ts";
import { Groups } from "../group/coordinator.ts";
import { defaultGroupOptions } from "../group/options.ts";
import { type RunBytes, sizeOfRun } from "../kernel/kernel.ts";
import { fetchPoolBytes, inFlightBytes } from "../limits.ts";
import type { EpochEnd } from "../log/leader-epochs.ts";
import type { Appended } from "../log/log.ts";
import { BatchHeader } from "../log/record-batch.ts";
import { type DecodeOptions, decodeRecords } from "../log/records.ts";
import { Budget } from "./budget.ts";
import { Compaction } from "./compaction.ts";
import type { Counters } from "./counters.ts";
import { type DataFolder, writeCleanMarker } from "./data-folder.ts";
import { Fetcher } from "./fetch.ts";
import { FetchPool } from "./fetch-pool.ts";
import { OffsetsTopic, topicsView } from "./group-log.ts";
import { inParallel } from "./in-parallel.ts";
import { refuseInternalTopic } from "./internal-topics.ts";
import { Maintenance } from "./maintenance.ts";
import type { MetadataStore } from "./metadata.ts";
import type { AppendNow, Partition } from "./partition.ts";
import { RecordAppender } from "./record-appender.ts";
import type { Timers } from "./timers.ts";
import type { Topics } from "./topics.ts";
import type {
  AlterTopicOptions,
  AppendOptions,
  AppendResult,
  Broker,
  BrokerMetrics,
  BrokerOptions,
  CompactionSummary,
  CreateTopicOptions,
  DeleteTopicOptions,
  Durability,
  FetchedPartition,
  FetchedRecords,
  FetchOptions,
  FetchPartition,
  FetchRecordsOptions,
  LogRecord,
  PartitionOffsets,
  ProduceOptions,
  ProduceResult,
  ReadOptions,
  RecordInput,
  RecoveryReport,
  StartPosition,
  TimestampOffset,
  TopicDescription,
  TopicPlan,
  TopicSummary,
} from "./types.ts";

const defaultTimeoutMs = 30_000;
const readAheadBytes = 1024 * 1024;
const followWaitMs = 60_000;

export interface EngineParts {
  readonly options: BrokerOptions;
  readonly data: Pick<DataFolder, "clusterId" | "nodeId">;
  readonly durability: Durability;
  readonly metadata: MetadataStore;
  readonly counters: Counters;
  readonly timers: Timers;
  readonly topics: Topics;
  readonly report: RecoveryReport;
  /** Whether there is a file that says how far logs are compacted. */
  readonly hasCleanedFile: boolean;
}

export class EngineBroker implements Broker {
  readonly report: RecoveryReport;
  readonly durability: Durability;
  readonly clusterId: string;
  readonly nodeId: number;
  readonly #parts: EngineParts;
  readonly #budget: Budget;
  readonly #fetchPool: FetchPool;
  readonly #fetcher: Fetcher;
  readonly #appender: RecordAppender;
  readonly #maintenance: Maintenance;
  readonly #compaction: Compaction;
  readonly groups: Groups;
  #closing: Promise<void> | null = null;

  constructor(parts: EngineParts) {
    const { options, topics, timers, counters } = parts;
    this.#parts = parts;
    this.report = parts.report;
    this.durability = parts.durability;
    this.clusterId = parts.data.clusterId;
    this.nodeId = parts.data.nodeId;
    this.#budget = new Budget(options.inFlightBytes ?? inFlightBytes);
    const find = (topic: string, partition: number): Partition => topics.findPartition(topic, partition);
    this.#fetchPool = new FetchPool(options.fetchPoolBytes ?? fetchPoolBytes, (sizeBytes) =>
      options.kernel.alignedMemory(sizeBytes),
    );
    this.#fetcher = new Fetcher({ find, timers, clock: options.clock, counters, pool: this.#fetchPool });
    this.#appender = new RecordAppender({
      kernel: options.kernel,
      find,
      append: (append, bytes, expectedEndOffset) => this.#appendNow(append, bytes, expectedEndOffset),
      timeoutMs: defaultTimeoutMs,
    });
    this.#maintenance = new Maintenance(parts);
    this.#compaction = new Compaction(parts, this.#maintenance);
    topics.recordCheckpoints = () => this.#maintenance.recordCheckpoints();
    const { kernel, clock, entropy, logger } = options;
    this.groups = new Groups({
      ...{ clock, entropy, logger, timers, topics: topicsView(topics) },
      options: { ...defaultGroupOptions, ...options.groups },
      log: new OffsetsTopic({
        ...{ kernel, clock, topics },
        append: (append, bytes, expectedEndOffset) => this.#appendNow(append, bytes, expectedEndOffset),
        fetch: (topic, partition, wanted) => this.fetchRecords(topic, partition, wanted),
      }),
    });
  }

  /** Records what recovery found, and begins the periodic work. */
  async begin(): Promise<void> {
    await this.#maintenance.recordCheckpoints();
    this.#maintenance.begin();
    this.#compaction.begin();
    this.groups.begin();
  }

  get ready(): boolean {
    return this.#closing === null;
  }

  #open(): void {
    if (this.#closing !== null) throw new MoldauError("BROKER_CLOSED", "the broker is stopping: retry when it is back");
  }

  // ---- topics ------------------------------------------------------------------------------

  async createTopic(
    name: string,
    options: CreateTopicOptions = {},
  ): Promise<TopicDescription & { readonly existing: boolean }> {
    this.#open();
    refuseInternalTopic(name);
    const { topic, existing } = await this.#parts.topics.create(name, options);
    if (!existing) this.groups.topicsChanged();
    return { ...this.#parts.topics.describe(topic), existing };
  }

  planTopic(name: string, options: CreateTopicOptions = {}): TopicPlan {
    this.#open();
    refuseInternalTopic(name);
    return this.#parts.topics.planCreation(name, options);
  }

  async alterTopic(name: string, options: AlterTopicOptions): Promise<TopicDescription> {
    this.#open();
    // A group's partition of it follows from their number.
    if (options.partitions !== undefined) refuseInternalTopic(name);
    const topic = await this.#parts.topics.alter(name, options);
    this.groups.topicsChanged();
    return this.#parts.topics.describe(topic);
  }

  planAlteration(name: string, options: AlterTopicOptions): TopicPlan {
    this.#open();
    if (options.partitions !== undefined) refuseInternalTopic(name);
    return this.#parts.topics.planAlteration(name, options);
  }

  async deleteTopic(name: string, options: DeleteTopicOptions = {}): Promise<void> {
    this.#open();
    refuseInternalTopic(name);
    await this.#parts.topics.delete(name, options);
    try {
      await this.groups.topicDeleted(name);
    } catch (error) {
      // It is deleted all the same; the next start drops what groups have committed for it.
      const reason = toMoldauError(error).message;
      this.#parts.options.logger.log("warn", `offsets of the deleted topic '${name}' stay: ${reason}`);
    }
  }

  listTopics(): TopicSummary[] {
    return this.#parts.topics.summaries();
  }

  describeTopic(name: string): TopicDescription {
    return this.#parts.topics.describe(this.#parts.topics.find(name));
  }

  topicName(id: string): string | null {
    return this.#parts.topics.nameOf(id);
  }

  // ---- produce -----------------------------------------------------------------------------

  async produce(
    topic: string,
    records: readonly RecordInput[],
    options: ProduceOptions = {},
  ): Promise<ProduceResult[]> {
    this.#open();
    refuseInternalTopic(topic);
    if (!Array.isArray(records)) throw new MoldauError("INVALID_RECORD", "records must be an array: [{ key, value }]");
    if (records.length === 0) throw new MoldauError("INVALID_RECORD", "there are no records to append");
    const found = this.#parts.topics.find(topic);
    const single = options.producer !== undefined || options.expectedEndOffset !== undefined;
    if (single && options.partition === undefined) {
      throw new MoldauError("INVALID_REQUEST", "an idempotent or conditional append needs a partition");
    }
    return this.#appender.produce(found, records, options, this.#parts.options.clock.now());
  }

  async appendBatches(
    topic: string,
    partition: number,
    bytes: RunBytes,
    options: AppendOptions = {},
  ): Promise<AppendResult> {
    this.#open();
    refuseInternalTopic(topic);
    const found = this.#parts.topics.findPartition(topic, partition);
    if (sizeOfRun(bytes) === 0) throw new MoldauError("INVALID_RECORD", "there are no batches to append");
    const appending = found.append((append) => this.#appendNow(append, bytes, options.expectedEndOffset));
    const appended = appending instanceof Promise ? await appending : appending;
    const { acks = "all", timeoutMs = defaultTimeoutMs } = options;
    // Awaits only what is not there yet: a tick would let whoever comes next go first.
    if (acks === "all" && !found.isAcknowledged(appended.lastOffset))
      await found.acknowledged(appended.lastOffset, timeoutMs);
    return {
      baseOffset: appended.baseOffset,
      lastOffset: appended.lastOffset,
      logAppendTime: appended.appendTimeMs,
      logStartOffset: found.log?.logStartOffset ?? -1,
      duplicate: appended.duplicate,
    };
  }

  /** Appends and counts. */
  #appendNow(append: AppendNow, bytes: RunBytes, expectedEndOffset: number | undefined): Appended {
    const { counters } = this.#parts;
    try {
      this.#open();
      const appended = append(bytes, expectedEndOffset);
      if (appended.duplicate) counters.duplicateBatches += 1;
      else {
        counters.recordsAppended += appended.recordCount;
        counters.batchesAppended += appended.batchCount;
        counters.bytesAppended += appended.sizeBytes;
      }
      return appended;
    } catch (error) {
      counters.appendErrors += 1;
      throw error;
    }
  }

  // ---- fetch -------------------------------------------------------------------------------

  async fetchBatches(partitions: readonly FetchPartition[], options: FetchOptions = {}): Promise<FetchedPartition[]> {
    this.#open();
    return this.#fetcher.fetch(partitions, options);
  }

  async fetchRecords(topic: string, partition: number, options: FetchRecordsOptions): Promise<FetchedRecords> {
    const { offset, limit = 1000, maxBytes = readAheadBytes, maxWaitMs = 0, signal, views = false } = options;
    const [fetched] = (await this.fetchBatches([{ topic, partition, offset, maxBytes }], {
      maxBytes,
      maxWaitMs,
      ...(signal === undefined ? {} : { signal }),
    })) as [FetchedPartition];
    if (fetched.error !== undefined) throw fetched.error;
    const records = this.#decode(topic, partition, fetched.bytes, { fromOffset: offset, limit, views });
    const last = records[records.length - 1];
    const nextOffset = last !== undefined && records.length === limit ? last.offset + 1 : fetched.nextOffset;
    const { logStartOffset, highWatermark } = fetched;
    return { records, logStartOffset, highWatermark, nextOffset };
  }

  #decode(
    topic: string,
    partition: number,
    bytes: Uint8Array,
    wanted: Pick<DecodeOptions, "fromOffset" | "limit" | "views">,
  ): LogRecord[] {
    const { kernel, decompressor } = this.#parts.options;
    try {
      return decodeRecords(bytes, { kernel, decompressor, ...wanted });
    } catch (error) {
      // What a client compressed badly is its own; what does not match its CRC is the disk's.
      if (error instanceof MoldauError && error.code === "CORRUPT_MESSAGE" && error.cause === undefined) {
        this.#parts.topics.findPartition(topic, partition).takeOffline(error.message);
      }
      throw error;
    }
  }

  async *read(topic: string, options: ReadOptions = {}): AsyncGenerator<LogRecord, void, void> {
    const { partition = 0, from = "earliest", follow = false, signal } = options;
    let offset = await this.resolveOffset(topic, partition, from);
    const end = follow ? Number.MAX_SAFE_INTEGER : this.offsets(topic, partition).latest;
    while (offset < end && !isAborted(signal)) {
      let fetched: FetchedRecords;
      try {
        fetched = await this.fetchRecords(topic, partition, {
          offset,
          maxWaitMs: follow ? followWaitMs : 0,
          ...(signal === undefined ? {} : { signal }),
        });
      } catch (error) {
        if (isAborted(signal)) return;
        throw error;
      }
      for (const record of fetched.records) {
        if (record.offset >= end) return;
        yield record;
        if (isAborted(signal)) return;
      }
      offset = fetched.nextOffset;
    }
  }

  async resolveOffset(topic: string, partition: number, from: StartPosition): Promise<number> {
    const { earliest, latest } = this.offsets(topic, partition);
    if (from === "earliest") return earliest;
    if (from === "latest") return latest;
    if (typeof from === "number") return checkOffsetNumber(from);
    if ("last" in from) return Math.max(earliest, latest - checkOffsetNumber(from.last));
    const { offset } = await this.offsetForTimestamp(topic, partition, from.timestamp);
    return offset ?? latest;
  }

  offsets(topic: string, partition: number): PartitionOffsets {
    const log = this.#parts.topics.findPartition(topic, partition).readable();
    return { earliest: log.logStartOffset, latest: log.highWatermark };
  }

  async offsetForTimestamp(topic: string, partition: number, timestamp: number): Promise<TimestampOffset> {
    this.#open();
    if (!Number.isSafeInteger(timestamp))
      throw new MoldauError("INVALID_REQUEST", `${timestamp} is no time in milliseconds`);
    const log = this.#parts.topics.findPartition(topic, partition).readable();
    // A batch's header promises a record so late; a compressed one may break its promise.
    let from = log.logStartOffset;
    for (;;) {
      const bytes = await log.batchAtOrAfter(timestamp, from);
      if (bytes === null) return { offset: null, timestamp: null };
      const records = this.#decode(topic, partition, bytes, {
        fromOffset: log.logStartOffset,
        limit: Number.POSITIVE_INFINITY,
        views: true,
      });
      const found = records.find((record) => record.timestamp >= timestamp);
      if (found !== undefined) return { offset: found.offset, timestamp: found.timestamp };
      from = new BatchHeader(bytes).lastOffset + 1;
    }
  }

  async offsetOfMaxTimestamp(topic: string, partition: number): Promise<TimestampOffset> {
    this.#open();
    const timestamp = await this.#parts.topics.findPartition(topic, partition).readable().maxTimestamp();
    if (timestamp < 0) return { offset: null, timestamp: null };
    return this.offsetForTimestamp(topic, partition, timestamp);
  }

  // ---- leader epochs -----------------------------------------------------------------------

  leaderEpoch(topic: string, partition: number): number {
    return this.#parts.topics.findPartition(topic, partition).context.leaderEpoch;
  }

  leaderEpochAt(topic: string, partition: number, offset: number): number {
    return this.#parts.topics.findPartition(topic, partition).readable().epochs.epochAt(offset);
  }

  leaderEpochEnd(topic: string, partition: number, epoch: number): EpochEnd {
    const found = this.#parts.topics.findPartition(topic, partition);
    const { epochs, logEndOffset } = found.readable();
    // Its entry is made with its first append.
    if (epoch === found.context.leaderEpoch) return { epoch, endOffset: logEndOffset };
    return epochs.endOffsetFor(epoch, logEndOffset);
  }

  // ---- retention ---------------------------------------------------------------------------

  async deleteRecords(topic: string, partition: number, before: number): Promise<number> {
    this.#open();
    refuseInternalTopic(topic);
    const found = this.#parts.topics.findPartition(topic, partition);
    const log = found.readable();
    const target = before === -1 ? log.highWatermark : checkOffsetNumber(before);
    if (target > log.highWatermark) {
      throw new MoldauError(
        "OFFSET_OUT_OF_RANGE",
        `cannot delete up to ${target}: only what lies below the high watermark, ${log.highWatermark}, can be deleted`,
      );
    }
    if (log.requestStart(target)) await this.#maintenance.removeBelowStart([found]);
    return log.logStartOffset;
  }

  async runRetention(): Promise<number> {
    this.#open();
    return this.#maintenance.runRetention();
  }

  async runCompaction(): Promise<CompactionSummary> {
    this.#open();
    return this.#compaction.run();
  }

  // ---- producers and budget ----------------------------------------------------------------

  async allocateProducer(): Promise<{ readonly producerId: number; readonly producerEpoch: number }> {
    this.#open();
    return { producerId: await this.#parts.metadata.allocateProducerId(), producerEpoch: 0 };
  }

  async reserve(bytes: number, signal?: AbortSignal): Promise<() => void> {
    this.#open();
    return this.#budget.reserve(bytes, signal);
  }

  tryReserve(bytes: number): (() => void) | null {
    this.#open();
    return this.#budget.tryReserve(bytes);
  }

  get reservationsAwaited(): number {
    return this.#budget.waiting;
  }

  metrics(): BrokerMetrics {
    const { counters, topics } = this.#parts;
    const partitions = [...topics.partitions()];
    return {
      ...counters,
      inFlightBytes: this.#budget.usedBytes,
      lentBytes: this.#fetchPool.usedBytes,
      topics: topics.size,
      partitions: partitions.length,
      offlinePartitions: partitions.filter(({ state }) => state !== "online").length,
      tailCacheBytes: topics.tailCache.usedBytes,
    };
  }

  // ---- the stop ----------------------------------------------------------------------------

  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    const { topics, metadata, timers, options } = this.#parts;
    this.groups.close();
    this.#fetchPool.close(new MoldauError("BROKER_CLOSED", "the broker is stopping: retry when it is back"));
    await topics.settle();
    const partitions = [...topics.partitions()];
    await Promise.all(partitions.map((partition) => partition.settle()));
    await this.#compaction.end();
    await this.#maintenance.end();
    let clean = true;
    await inParallel(
      partitions.map((partition) => async () => {
        // A partition that failed or was never opened must be examined by the next start.
        if (partition.state !== "online" || !(await this.#writeCleanState(partition))) clean = false;
      }),
    );
    try {
      await this.#maintenance.recordCheckpoints();
      if (clean) await writeCleanMarker(options.storage);
    } catch (error) {
      options.logger.log("warn", `the stop could not be recorded as clean: ${toMoldauError(error).message}`);
    }
    for (const partition of partitions) await partition.close("stopping");
    timers.close();
    await metadata.close();
    await options.storage.close();
  }

  async #writeCleanState(partition: Partition): Promise<boolean> {
    try {
      await partition.exclusively(async () => partition.log?.writeCleanState());
      return true;
    } catch (error) {
      this.#parts.options.logger.log(
        "warn",
        `${partition.name}: ${toMoldauError(error).message}; the next start examines it`,
      );
      return false;
    }
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }
}

/** Asked anew each time: a signal fires while a generator is suspended. */
function isAborted(signal: AbortSignal | undefined): boolean {
  return signal?.aborted === true;
}

function checkOffsetNumber(offset: number): number {
  if (Number.isSafeInteger(offset) && offset >= 0) return offset;
  throw new MoldauError("OFFSET_OUT_OF_RANGE", `${offset} is no offset: it is a whole number from 0 to 2^53-1`);
}
