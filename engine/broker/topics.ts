// The topics and their partitions: created, opened, altered and deleted, durably.
//
// Owns: the folders of partitions, and which topic is where. The metadata journal has the last
//   word: a folder that it does not name is not a partition.
// Never: appends or reads records.
//
// Order of writes: creation makes and syncs the folders, then the journal entry; deletion writes
//   the journal entry, then renames the folders, syncs their parent, answers, and unlinks later.

import { MoldauError, toMoldauError } from "../errors.ts";
import type { Kernel } from "../kernel/kernel.ts";
import { maxPartitionsPerTopic } from "../limits.ts";
import { formatProperties, parseProperties } from "../log/checkpoint-file.ts";
import type { LogContext } from "../log/log.ts";
import { CorruptLogError, recoverLog } from "../log/recover.ts";
import { IndexResidency } from "../log/segment.ts";
import { isPartitionFile, partitionMetadataName } from "../log/segment-names.ts";
import { LogTail, TailCache } from "../log/tail-cache.ts";
import { type Storage, StorageError } from "../port/storage.ts";
import type { Clock, Decompressor, Entropy, Logger } from "../port/world.ts";
import { readFile } from "../storage/read-file.ts";
import {
  checkTogether,
  describeConfigs,
  parseConfigs,
  resolveConfig,
  type TopicConfig,
  validateConfigName,
} from "./configs.ts";
import type { Counters } from "./counters.ts";
import type { DataFolder } from "./data-folder.ts";
import { inParallel } from "./in-parallel.ts";
import { internalFlag } from "./internal-topics.ts";
import type { MetadataChange, MetadataStore, TopicMeta } from "./metadata.ts";
import { Partition, type RecordedOffsets } from "./partition.ts";
import type { Timers } from "./timers.ts";
import { createTopicId, topicIdFromBase64, topicIdToBase64 } from "./topic-id.ts";
import { deletedFolder, parsePartitionFolder, partitionFolder, validateTopicName } from "./topic-name.ts";
import type {
  AlterTopicOptions,
  ConfigChanges,
  CreateTopicOptions,
  DeleteTopicOptions,
  Durability,
  TopicDescription,
  TopicPlan,
  TopicSummary,
} from "./types.ts";

export interface TopicsContext {
  readonly storage: Storage;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
  readonly decompressor: Decompressor | undefined;
  readonly timers: Timers;
  readonly counters: Counters;
  readonly durability: Durability;
  readonly metadata: MetadataStore;
  readonly tailCacheBytes: number;
}

export interface Topic {
  meta: TopicMeta;
  config: TopicConfig;
  readonly partitions: Partition[];
  readonly logContexts: LogContext[];
}

/** What opening found, summed over partitions. */
export interface Findings {
  truncatedBytes: number;
  rebuiltIndexes: number;
  offlinePartitions: number;
  readonly notes: string[];
}

export interface RecoveredPartition {
  readonly log: Partition["log"];
  readonly reason: string | undefined;
  readonly recorded: RecordedOffsets;
}

/** What an attempt to add partitions has made, so that it alone is undone. */
interface Making {
  readonly from: number;
  readonly to: number;
  readonly made: Partition[];
  readonly folders: string[];
}

const indexResidencyBytes = 32 * 1024 * 1024;
/** Notes kept for the report; the log has them all. */
const maxNotes = 1000;

export class Topics {
  readonly tailCache: TailCache;
  readonly #context: TopicsContext;
  readonly #topics: Map<string, Topic> = new Map();
  readonly #names: Map<string, string> = new Map();
  readonly #indexes: IndexResidency = new IndexResidency(indexResidencyBytes);
  /** Records the checkpoints anew, without what was deleted; set by the broker that owns them. */
  recordCheckpoints: () => Promise<void> = async () => {};
  /** A deleted topic's offsets are still in the checkpoints: a new one of its name would inherit them. */
  #checkpointsStale = false;
  #leaderEpoch = 0;
  #changes: Promise<unknown> = Promise.resolve();
  #unlinking: Promise<void> = Promise.resolve();
  readonly findings: Findings = { truncatedBytes: 0, rebuiltIndexes: 0, offlinePartitions: 0, notes: [] };

  constructor(context: TopicsContext) {
    this.#context = context;
    this.tailCache = new TailCache(context.tailCacheBytes);
  }

  get leaderEpoch(): number {
    return this.#leaderEpoch;
  }

  get size(): number {
    return this.#topics.size;
  }

  *partitions(): Generator<Partition, void, void> {
    for (const topic of this.#topics.values()) yield* topic.partitions;
  }

  all(): Iterable<Topic> {
    return this.#topics.values();
  }

  get(name: string): Topic | undefined {
    return this.#topics.get(name);
  }

  find(name: string): Topic {
    const topic = this.#topics.get(name);
    if (topic !== undefined) return topic;
    throw new MoldauError("UNKNOWN_TOPIC_OR_PARTITION", `topic '${name}' does not exist`);
  }

  /** Of the topic with this id; null when there is none. */
  nameOf(id: string): string | null {
    return this.#names.get(id) ?? null;
  }

  findPartition(name: string, partition: number): Partition {
    const topic = this.find(name);
    const found = topic.partitions[partition];
    if (found !== undefined) return found;
    throw new MoldauError(
      "UNKNOWN_TOPIC_OR_PARTITION",
      `topic '${name}' has no partition ${partition}: it has 0 to ${topic.partitions.length - 1}`,
    );
  }

  summaries(): TopicSummary[] {
    return [...this.#topics.values()]
      .map(({ meta: { name, id, partitions } }) => ({ name, id, partitions, ...internalFlag(name) }))
      .sort((a, b) => (a.name < b.name ? -1 : 1));
  }

  describe(topic: Topic): TopicDescription {
    return {
      name: topic.meta.name,
      id: topic.meta.id,
      ...internalFlag(topic.meta.name),
      partitions: topic.partitions.map((partition) => partition.describe()),
      configs: describeConfigs(topic.meta.configs),
    };
  }

  // ---- opening -----------------------------------------------------------------------------

  /** Recovers every partition that the journal names. */
  async open(data: DataFolder): Promise<void> {
    const { metadata, storage } = this.#context;
    await this.#setStraysAside(data);
    const topics: { topic: Topic; recovered: RecoveredPartition[] }[] = [];
    const work: (() => Promise<void>)[] = [];
    let highestEpoch = metadata.leaderEpoch;
    for (const meta of metadata.topics.values()) {
      const topic: Topic = { meta, config: resolveConfig(meta.configs), partitions: [], logContexts: [] };
      const recovered: RecoveredPartition[] = [];
      topics.push({ topic, recovered });
      for (let partition = 0; partition < meta.partitions; partition += 1) {
        work.push(async () => {
          const one = await this.recoverPartition(topic, partition, data);
          highestEpoch = Math.max(highestEpoch, one.log?.epochs.latest?.epoch ?? -1);
          recovered[partition] = one;
        });
      }
    }
    await inParallel(work);
    this.#leaderEpoch = highestEpoch + 1;
    await metadata.apply({ kind: "leaderEpoch", leaderEpoch: this.#leaderEpoch });
    for (const { topic, recovered } of topics) {
      for (const [partition, one] of recovered.entries()) {
        topic.partitions.push(this.#partition(topic.meta.name, partition, one));
      }
      this.#enter(topic);
    }
    for (const name of data.deleted) await storage.remove(name);
  }

  #enter(topic: Topic): void {
    this.#topics.set(topic.meta.name, topic);
    this.#names.set(topic.meta.id, topic.meta.name);
  }

  #partition(topic: string, partition: number, { log, reason, recorded }: RecoveredPartition): Partition {
    const { clock, logger, timers, durability, counters } = this.#context;
    const context = { topic, partition, clock, logger, timers, durability, counters, leaderEpoch: this.#leaderEpoch };
    return new Partition(context, log, reason, recorded);
  }

  /** A partition folder whose topic the journal does not know (any more) is kept, under another name. */
  async #setStraysAside(data: DataFolder): Promise<void> {
    const { storage, metadata, entropy } = this.#context;
    let moved = false;
    for (const name of data.partitions) {
      const parsed = parsePartitionFolder(name);
      const meta = parsed === null ? undefined : metadata.topics.get(parsed.topic);
      if (
        parsed !== null &&
        meta !== undefined &&
        parsed.partition < meta.partitions &&
        (await this.#hasTopicId(name, meta.id))
      ) {
        continue;
      }
      const aside = `${name.slice(0, 200)}.${createTopicId(entropy)}-stray`;
      if (await this.#isEmptyPartition(name)) await storage.remove(name);
      else {
        await storage.rename(name, aside);
        this.#note("warn", `${name}: belongs to no topic of the metadata, kept as ${aside}`);
      }
      moved = true;
    }
    if (moved) await storage.syncDirectory("");
  }

  async #isEmptyPartition(folder: string): Promise<boolean> {
    for (const entry of await this.#context.storage.list(folder)) {
      if (!isPartitionFile(entry.name)) {
        throw new MoldauError(
          "DATA_FOLDER_UNUSABLE",
          `${folder} belongs to no topic and holds ${entry.name}, which Moldau did not write: move it out of the data folder`,
        );
      }
      if (!entry.name.endsWith(".log")) continue;
      const file = await this.#context.storage.open(`${folder}/${entry.name}`);
      const { sizeBytes } = file;
      await file.close();
      if (sizeBytes > 0) return false;
    }
    return true;
  }

  /** A partition.metadata that says otherwise is another topic's of the same name, deleted before. */
  async #hasTopicId(folder: string, id: string): Promise<boolean> {
    const bytes = await readFile(this.#context.storage, `${folder}/${partitionMetadataName}`, 4096);
    const text = bytes === null ? undefined : parseProperties(bytes)?.get("topic_id");
    return text === undefined || topicIdFromBase64(text) === id;
  }

  /** Opens one partition; damage makes it offline, and only it. */
  async recoverPartition(
    topic: Topic,
    partition: number,
    data: Pick<DataFolder, "clean" | "recoveryPoints" | "logStartOffsets" | "cleanedOffsets">,
  ): Promise<RecoveredPartition> {
    const folder = partitionFolder(topic.meta.name, partition);
    const key = `${topic.meta.name} ${partition}`;
    const context = this.#logContext(topic, folder);
    topic.logContexts[partition] = context;
    const recorded = {
      recoveryPoint: data.recoveryPoints.get(key) ?? 0,
      logStartOffset: data.logStartOffsets.get(key) ?? 0,
      cleanedTo: data.cleanedOffsets.get(key) ?? 0,
    };
    try {
      const { log, truncatedBytes, notes } = await recoverLog(context, { ...recorded, clean: data.clean });
      this.findings.truncatedBytes += truncatedBytes;
      for (const note of notes) this.#note("warn", note);
      return { log, reason: undefined, recorded };
    } catch (error) {
      if (!(error instanceof CorruptLogError) && !(error instanceof StorageError)) throw error;
      this.findings.offlinePartitions += 1;
      this.#note("error", `partition ${folder} is offline: ${error.message}`);
      return { log: null, reason: error.message, recorded };
    }
  }

  #note(level: "warn" | "error", note: string): void {
    this.#context.logger.log(level, note);
    if (this.findings.notes.length < maxNotes) this.findings.notes.push(note);
  }

  #logContext(topic: Topic, folder: string): LogContext {
    const { storage, kernel, clock, logger, decompressor } = this.#context;
    const rebuilt = (path: string): void => {
      this.findings.rebuiltIndexes += 1;
      this.#note("warn", `${path}: the index did not fit its log and was rebuilt`);
    };
    const indexIntervalBytes = (): number => topic.config.indexIntervalBytes;
    const segmentContext = { storage, kernel, folder, indexes: this.#indexes, rebuilt, indexIntervalBytes };
    const tail = new LogTail(this.tailCache);
    return { storage, kernel, clock, logger, decompressor, folder, tail, segmentContext, config: topic.config };
  }

  // ---- changes -----------------------------------------------------------------------------

  /** Changes of topics run one after the other. */
  #serially<Result>(change: () => Promise<Result>): Promise<Result> {
    const run = this.#changes.then(change, change);
    this.#changes = run.catch(() => {});
    return run;
  }

  create(name: string, options: CreateTopicOptions): Promise<{ topic: Topic; existing: boolean }> {
    const { partitions, configs } = checkedCreation(name, options);
    return this.#serially(async () => {
      const existing = this.#topics.get(name);
      if (existing !== undefined) {
        if (existing.meta.partitions === partitions && sameConfigs(existing.meta.configs, configs)) {
          return { topic: existing, existing: true };
        }
        throw new MoldauError(
          "TOPIC_ALREADY_EXISTS",
          `topic '${name}' exists with ${difference(existing.meta, partitions)}: alter it, or choose another name`,
        );
      }
      await this.#refreshCheckpoints();
      const meta: TopicMeta = { name, id: createTopicId(this.#context.entropy), partitions, configs };
      const topic: Topic = { meta, config: resolveConfig(configs), partitions: [], logContexts: [] };
      await this.#addPartitions(topic, partitions, { kind: "createTopic", topic: meta });
      this.#enter(topic);
      return { topic, existing: false };
    });
  }

  /** What `create` would make now; throws when there is a topic of that name, whatever it is like. */
  planCreation(name: string, options: CreateTopicOptions): TopicPlan {
    const { partitions, configs } = checkedCreation(name, options);
    if (this.#topics.has(name)) throw new MoldauError("TOPIC_ALREADY_EXISTS", `topic '${name}' exists already`);
    return { name, partitions, configs: describeConfigs(configs) };
  }

  /**
   * Makes the folders of the partitions that are missing up to `to`, then the journal entry that
   * names them; only then does the topic have them. Nothing is left of them when one fails.
   */
  async #addPartitions(topic: Topic, to: number, change: MetadataChange): Promise<void> {
    const from = topic.partitions.length;
    const made: Partition[] = [];
    const folders: string[] = [];
    if (to > from) await this.#makePartitions(topic, { from, to, made, folders });
    try {
      await this.#context.metadata.apply(change);
    } catch (error) {
      // With an effect unknown the journal may name the folders: they must stay.
      if (toMoldauError(error).effect === "none") await this.#undo(made, folders);
      throw error;
    }
    topic.partitions.push(...made);
  }

  async #makePartitions(topic: Topic, { from, to, made, folders }: Making): Promise<void> {
    const { name } = topic.meta;
    try {
      const numbers = Array.from({ length: to - from }, (_, at) => from + at);
      await inParallel(
        numbers.map((partition) => async () => {
          made[partition - from] = await this.#makePartition(topic, partition, folders);
        }),
      );
      await this.#context.storage.syncDirectory("");
    } catch (error) {
      await this.#undo(made, folders);
      if (error instanceof MoldauError) throw error;
      throw new MoldauError("KAFKA_STORAGE_ERROR", `cannot create topic '${name}': ${toMoldauError(error).message}`, {
        cause: error,
      });
    }
  }

  async #makePartition(topic: Topic, partition: number, folders: string[]): Promise<Partition> {
    const { storage } = this.#context;
    const { name, id } = topic.meta;
    const folder = partitionFolder(name, partition);
    await storage.makeDirectory(folder);
    folders.push(folder);
    const metadata = storage.create(`${folder}/${partitionMetadataName}`);
    metadata.append(
      formatProperties(
        new Map([
          ["version", "0"],
          ["topic_id", topicIdToBase64(id)],
        ]),
        ": ",
      ),
    );
    await storage.sync([metadata]);
    await metadata.close();
    const none = new Map<string, number>();
    const nothing = { clean: false, recoveryPoints: none, logStartOffsets: none, cleanedOffsets: none };
    const recovered = await this.recoverPartition(topic, partition, nothing);
    if (recovered.log === null) {
      throw new MoldauError("KAFKA_STORAGE_ERROR", `cannot create ${folder}: ${recovered.reason}`);
    }
    return this.#partition(name, partition, recovered);
  }

  /** Only what this attempt has made: one before it, whose effect is unknown, may have left the same folders. */
  async #undo(made: readonly (Partition | undefined)[], folders: readonly string[]): Promise<void> {
    for (const partition of made) await partition?.close("deleted");
    for (const folder of folders) {
      try {
        await this.#context.storage.remove(folder);
      } catch {
        // The disk fails: the next start finds an empty folder and removes it.
      }
    }
  }

  alter(name: string, options: AlterTopicOptions): Promise<Topic> {
    return this.#serially(async () => {
      const topic = this.find(name);
      const { partitions, configs } = checkedAlteration(topic.meta, options);
      await this.#addPartitions(topic, partitions, { kind: "alterTopic", name, partitions, configs });
      topic.meta = { ...topic.meta, partitions, configs };
      topic.config = resolveConfig(configs);
      for (const context of topic.logContexts) context.config = topic.config;
      return topic;
    });
  }

  /** What `alter` would make of it now. */
  planAlteration(name: string, options: AlterTopicOptions): TopicPlan {
    const { partitions, configs } = checkedAlteration(this.find(name).meta, options);
    return { name, partitions, configs: describeConfigs(configs) };
  }

  delete(name: string, { id }: DeleteTopicOptions = {}): Promise<void> {
    return this.#serially(async () => {
      const topic = this.find(name);
      if (id !== undefined && id !== topic.meta.id) {
        throw new MoldauError("UNKNOWN_TOPIC_OR_PARTITION", `topic '${name}' has the id ${topic.meta.id}, not ${id}`);
      }
      const { storage, metadata, entropy, logger } = this.#context;
      await metadata.apply({ kind: "deleteTopic", name });
      this.#topics.delete(name);
      this.#names.delete(topic.meta.id);
      this.#checkpointsStale = true;
      await Promise.all(topic.partitions.map((partition) => partition.close("deleted")));
      const gone: string[] = [];
      try {
        for (const partition of topic.partitions.keys()) {
          const aside = deletedFolder(name, partition, createTopicId(entropy));
          await storage.rename(partitionFolder(name, partition), aside);
          gone.push(aside);
        }
        await storage.syncDirectory("");
      } catch (error) {
        // The journal has the last word: the topic is gone, and the next start sets its folders aside.
        logger.log("warn", `a folder of the deleted topic '${name}' stays: ${toMoldauError(error).message}`);
      }
      try {
        await this.#refreshCheckpoints();
      } catch (error) {
        logger.log("warn", `${toMoldauError(error).message}: no topic can be created until that works`);
      }
      this.#unlinking = this.#unlinking.then(() => this.#unlink(gone, logger));
    });
  }

  async #refreshCheckpoints(): Promise<void> {
    if (!this.#checkpointsStale) return;
    try {
      await this.recordCheckpoints();
    } catch (error) {
      throw new MoldauError(
        "KAFKA_STORAGE_ERROR",
        `the checkpoints could not be recorded: ${toMoldauError(error).message}`,
        {
          cause: error,
        },
      );
    }
    this.#checkpointsStale = false;
  }

  async #unlink(folders: readonly string[], logger: Logger): Promise<void> {
    for (const folder of folders) {
      try {
        await this.#context.storage.remove(folder);
      } catch (error) {
        logger.log("warn", `${folder} was not removed: ${toMoldauError(error).message}. The next start tries again`);
      }
    }
  }

  /** Ends changes under way. */
  async settle(): Promise<void> {
    await this.#changes;
    await this.#unlinking;
  }
}

function checkedCreation(name: string, options: CreateTopicOptions): Pick<TopicMeta, "partitions" | "configs"> {
  validateTopicName(name);
  const partitions = options.partitions ?? 1;
  checkPartitionCount(partitions);
  const configs = parseConfigs(options.configs ?? {});
  checkTogether(configs);
  return { partitions, configs };
}

function checkedAlteration(before: TopicMeta, options: AlterTopicOptions): Pick<TopicMeta, "partitions" | "configs"> {
  const { configs: changes = {}, partitions = before.partitions } = options;
  const configs = alteredConfigs(
    before.configs,
    typeof changes === "function" ? changes(describeConfigs(before.configs)) : changes,
  );
  checkTogether(configs);
  checkPartitionCount(partitions);
  if (partitions < before.partitions) {
    throw new MoldauError(
      "INVALID_PARTITIONS",
      `topic '${before.name}' has ${before.partitions} partitions, which cannot become ${partitions}: their records would be lost`,
    );
  }
  return { partitions, configs };
}

function checkPartitionCount(partitions: number): void {
  if (Number.isInteger(partitions) && partitions >= 1 && partitions <= maxPartitionsPerTopic) return;
  throw new MoldauError("INVALID_PARTITIONS", `${partitions} partitions: choose 1 to ${maxPartitionsPerTopic}`);
}

function difference(existing: TopicMeta, partitions: number): string {
  if (existing.partitions === partitions) return "other configs";
  return existing.partitions === 1 ? "1 partition" : `${existing.partitions} partitions`;
}

function sameConfigs(a: ReadonlyMap<string, string>, b: ReadonlyMap<string, string>): boolean {
  return a.size === b.size && [...a].every(([name, value]) => b.get(name) === value);
}

function alteredConfigs(before: ReadonlyMap<string, string>, changes: ConfigChanges): Map<string, string> {
  const after = new Map(before);
  // Made of entries: an assignment to "__proto__" would leave it out.
  const set: [string, string | number | boolean][] = [];
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) {
      validateConfigName(name);
      after.delete(name);
    } else set.push([name, value]);
  }
  for (const [name, value] of parseConfigs(Object.fromEntries(set))) after.set(name, value);
  return after;
}
