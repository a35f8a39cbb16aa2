// The topic __consumer_offsets as the group coordinator has it.
//
// Owns: how the topic is made, one batch an append, and that an append fails behind one that failed:
//   each says where the one before it ends, so that none is written into its place.
// Never: looks into a record, or is reached by clients.

import { MoldauError } from "../errors.ts";
import type { GroupLog, GroupRecord, StoredGroupRecord, TopicMetadata, TopicsView } from "../group/types.ts";
import type { Kernel, RecordToEncode } from "../kernel/kernel.ts";
import type { Appended } from "../log/log.ts";
import type { Clock } from "../port/world.ts";
import { internalFlag, offsetsTopicConfigs, offsetsTopicName } from "./internal-topics.ts";
import type { AppendNow } from "./partition.ts";
import type { Topic, Topics } from "./topics.ts";
import type { FetchedRecords, FetchRecordsOptions } from "./types.ts";

export interface GroupLogContext {
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly topics: Topics;
  /** Appends and counts. */
  readonly append: (append: AppendNow, bytes: Uint8Array, expectedEndOffset: number) => Appended;
  readonly fetch: (topic: string, partition: number, options: FetchRecordsOptions) => Promise<FetchedRecords>;
}

/** Appends of one partition. */
interface UnderWay {
  count: number;
  /** Where the log ends when all of them are written. */
  end: number;
  /** Then nothing more begins until all have ended: else each newcomer would wait behind one that fails, for ever. */
  hasFailed: boolean;
}

export class OffsetsTopic implements GroupLog {
  readonly #context: GroupLogContext;
  readonly #underWay: Map<number, UnderWay> = new Map();

  constructor(context: GroupLogContext) {
    this.#context = context;
  }

  partitions(): number {
    return this.#context.topics.get(offsetsTopicName)?.partitions.length ?? 0;
  }

  async create(partitions: number): Promise<void> {
    if (this.partitions() > 0) return;
    await this.#context.topics.create(offsetsTopicName, { partitions, configs: offsetsTopicConfigs });
  }

  append(partition: number, records: readonly GroupRecord[], done: (failure: unknown) => void): void {
    let end = done;
    try {
      const found = this.#context.topics.findPartition(offsetsTopicName, partition);
      const underWay = this.#begin(partition, found.readable().logEndOffset);
      const expectedEndOffset = underWay.end;
      underWay.end += records.length;
      underWay.count += 1;
      end = (failure) => {
        if (failure !== null) underWay.hasFailed = true;
        underWay.count -= 1;
        if (underWay.count === 0) this.#underWay.delete(partition);
        done(failure);
      };
      const appending = found.append((append) =>
        this.#context.append(append, this.#encode(records), expectedEndOffset),
      );
      // However long it takes: what is written may yet count, so nobody is told that it does not.
      const acknowledge = ({ lastOffset }: Appended): Promise<void> =>
        found.acknowledged(lastOffset, Number.POSITIVE_INFINITY);
      const acknowledged = appending instanceof Promise ? appending.then(acknowledge) : acknowledge(appending);
      acknowledged.then(() => end(null), end);
    } catch (error) {
      end(error);
    }
  }

  #begin(partition: number, logEndOffset: number): UnderWay {
    let underWay = this.#underWay.get(partition);
    if (underWay === undefined)
      this.#underWay.set(partition, (underWay = { count: 0, end: logEndOffset, hasFailed: false }));
    if (underWay.hasFailed) {
      throw new MoldauError("KAFKA_STORAGE_ERROR", `an append before this one to ${offsetsTopicName} failed`);
    }
    return underWay;
  }

  #encode(records: readonly GroupRecord[]): Uint8Array {
    const timestamp = Math.max(0, this.#context.clock.now());
    return this.#context.kernel.encodeBatch(
      records.map(({ key, value }): RecordToEncode => ({ key, value, headers: [], timestamp })),
    );
  }

  async *read(partition: number): AsyncGenerator<readonly StoredGroupRecord[], void, void> {
    const log = this.#context.topics.findPartition(offsetsTopicName, partition).readable();
    const end = log.highWatermark;
    for (let offset = log.logStartOffset; offset < end; ) {
      const { records, nextOffset } = await this.#context.fetch(offsetsTopicName, partition, { offset, views: true });
      yield records;
      // A batch without records is passed; one that cannot be passed would be read for ever.
      offset = Math.max(nextOffset, offset + 1);
    }
  }
}

/** The topics as groups see them. */
export function topicsView(topics: Topics): TopicsView {
  const metadata = ({ meta: { name, id, partitions } }: Topic): TopicMetadata => ({
    ...{ name, id, partitions },
    ...internalFlag(name),
  });
  return {
    find: (name) => {
      const topic = topics.get(name);
      return topic === undefined ? undefined : metadata(topic);
    },
    *all() {
      for (const topic of topics.all()) yield metadata(topic);
    },
  };
}
