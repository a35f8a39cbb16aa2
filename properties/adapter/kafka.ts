// Any broker that speaks Kafka's protocol, by its bootstrap address.
//
// Owns: which request is which call of the contract, the connections (one for each call that is under way, made anew
//   after a failure; one that has asked for a topic asks for no other, and ends with it; one for a member's topics ends
//   with the call), and a member of the classic protocol.
// Needs kafkajs, which is asked for when the first adapter is made.

import { ClassicMember } from "./classic-member.ts";
import {
  type Appended,
  type AppendOptions,
  type GroupMember,
  type ListedTopic,
  type LogAdapter,
  LogError,
  type Manifest,
  type MemberListener,
  type Offsets,
  type Place,
  type ReadAnswer,
  type ReadOptions,
  type RecordToAppend,
  type TopicOptions,
} from "./contract.ts";
import { type Cluster, type KafkaBroker, loadKafkaClient, toLogError } from "./kafka-client.ts";

export interface KafkaAdapterOptions {
  /** To begin with: `127.0.0.1:9092`. */
  readonly brokers: readonly string[];
  readonly requestTimeoutMs?: number; // 10 000
  readonly replicationFactor?: number; // 1
  /** Of members: as short as Kafka's brokers allow by default. */
  readonly sessionTimeoutMs?: number; // 6000
}

const acksByName = { all: -1, leader: 1, none: 0 } as const;
const noTopic = "";
const earliest = -2;
const latest = -1;
const againMs = 100;
const fetchBytes = 1 << 20;
const text = new TextDecoder();

/** Rejects with what came of the first request, and when kafkajs is not installed. open-kafka.ts says what to do then. */
export async function connectKafka(options: KafkaAdapterOptions): Promise<KafkaAdapter> {
  const whole = { requestTimeoutMs: 10_000, replicationFactor: 1, sessionTimeoutMs: 6000, ...options };
  const adapter = new KafkaAdapter(whole, await loadKafkaClient(whole));
  await adapter.ping();
  return adapter;
}

export class KafkaAdapter implements LogAdapter {
  readonly name: string;
  readonly supports: Manifest = {
    acks: ["all", "leader", "none"],
    idempotence: true,
    conditionalAppends: false,
    deleteRecords: true,
    lookUpByTime: true,
    compaction: true,
    groups: "classic",
    listTopics: true,
    logEnd: false,
  };
  readonly #options: Required<KafkaAdapterOptions>;
  readonly #newCluster: () => Cluster;
  /** By the topic that they have asked for; "" for those that have asked for none. */
  readonly #idle: Map<string, Cluster[]> = new Map();
  readonly #all: Set<Cluster> = new Set();

  constructor(options: Required<KafkaAdapterOptions>, newCluster: () => Cluster) {
    this.#options = options;
    this.#newCluster = newCluster;
    this.name = `Kafka's protocol at ${options.brokers.join(",")}`;
  }

  async ping(): Promise<void> {
    await this.#use(noTopic, (cluster) => cluster.refreshMetadata());
  }

  async createTopic(topic: string, { partitions, configs = {} }: TopicOptions): Promise<void> {
    const configEntries = Object.entries(configs).map(([name, value]) => ({ name, value }));
    await this.#use(noTopic, async (cluster, sending) => {
      const broker = await cluster.findControllerBroker();
      sending();
      const { replicationFactor } = this.#options;
      await broker.createTopics({
        timeout: 10_000,
        topics: [{ topic, numPartitions: partitions, replicationFactor, configEntries }],
      });
    });
    // Every partition has a leader a little later.
    const deadline = Date.now() + this.#options.requestTimeoutMs;
    for (;;) {
      try {
        for (let partition = 0; partition < partitions; partition++) await this.offsets({ topic, partition });
        return;
      } catch (error) {
        if (Date.now() > deadline) throw afterItsAnswer(error);
        await new Promise((resolve) => setTimeout(resolve, againMs));
      }
    }
  }

  /** Without ids: kafkajs asks for no version of the metadata that has them (10 and up, KIP-516). */
  async listTopics(): Promise<ListedTopic[]> {
    const { topicMetadata } = await this.#use(noTopic, (cluster) => cluster.metadata());
    return topicMetadata.map(({ topic }) => ({ topic }));
  }

  async deleteTopic(topic: string): Promise<void> {
    try {
      await this.#use(noTopic, async (cluster, sending) => {
        const broker = await cluster.findControllerBroker();
        sending();
        await broker.deleteTopics({ topics: [topic], timeout: 10_000 });
      });
    } finally {
      // It may be gone, answered or not. Nobody would use them then, and each would fail to refresh its metadata.
      for (const cluster of this.#idle.get(topic) ?? []) await this.#end(cluster);
      this.#idle.delete(topic);
    }
    // A broker that has heard of the deletion may list it a little longer.
    const deadline = Date.now() + this.#options.requestTimeoutMs;
    while (await this.#lists(topic)) {
      if (Date.now() > deadline) throw new LogError("REQUEST_TIMED_OUT", "unknown", `${topic} is still listed`);
      await new Promise((resolve) => setTimeout(resolve, againMs));
    }
  }

  /** Of one whose deletion was answered. */
  async #lists(topic: string): Promise<boolean> {
    try {
      return (await this.listTopics()).some((listed) => listed.topic === topic);
    } catch (error) {
      throw afterItsAnswer(error);
    }
  }

  async append(
    place: Place,
    records: readonly RecordToAppend[],
    { acks, producer, expectedEndOffset }: AppendOptions,
  ): Promise<Appended> {
    if (expectedEndOffset !== undefined)
      throw new LogError("UNSUPPORTED", "none", "Kafka's protocol has no conditional append");
    const messages = records.map(({ key = null, value, timestamp }) => ({ key, value, timestamp }));
    const sequence = producer === undefined ? {} : { firstSequence: producer.sequence };
    const answer = await this.#atLeader(place, (broker) =>
      broker.produce({
        ...{ acks: acksByName[acks], timeout: this.#options.requestTimeoutMs },
        ...(producer === undefined ? {} : { producerId: producer.id, producerEpoch: producer.epoch }),
        topicData: [{ topic: place.topic, partitions: [{ partition: place.partition, messages, ...sequence }] }],
      }),
    );
    const base = answer?.topics[0]?.partitions[0]?.baseOffset;
    if (acks === "none" || base === undefined) return {};
    // A duplicate whose offset the broker has forgotten.
    return Number(base) < 0 ? {} : { offsets: records.map((_, index) => Number(base) + index) };
  }

  async read(place: Place, { offset, maxWaitMs }: ReadOptions): Promise<ReadAnswer> {
    const { topic, partition } = place;
    const { responses } = await this.#atLeader(place, (broker) =>
      broker.fetch({
        ...{ maxWaitTime: maxWaitMs, minBytes: 1, maxBytes: fetchBytes, isolationLevel: 0 },
        topics: [{ topic, partitions: [{ partition, fetchOffset: `${offset}`, maxBytes: fetchBytes }] }],
      }),
    );
    const fetched = responses[0]?.partitions[0];
    if (fetched === undefined) throw new LogError("UNKNOWN", "none", `no answer about ${topic}-${partition}`);
    // The first batch may begin before the offset asked for, and the last may be cut off.
    const messages = fetched.messages.filter((message) => Number(message.offset) >= offset);
    const last = messages.at(-1);
    const nextOffset = last === undefined ? offset : Number(last.offset) + 1;
    return {
      records: messages
        .filter((message) => message.isControlRecord !== true)
        .map((message) => ({
          offset: Number(message.offset),
          timestamp: Number(message.timestamp),
          value: message.value === null ? null : text.decode(message.value),
          ...(message.key === null ? {} : { key: text.decode(message.key) }),
        })),
      nextOffset,
      logStartOffset: Number(fetched.lastStartOffset ?? 0),
      // Kafka notes it before it reads (Partition.readRecords), and the records may go beyond what it notes. Who is
      // handed a record has been told that the watermark is above it: no later answer may be below that.
      highWatermark:
        last === undefined ? Number(fetched.highWatermark) : Math.max(Number(fetched.highWatermark), nextOffset),
    };
  }

  async offsets(place: Place): Promise<Offsets> {
    const logStartOffset = (await this.#listOffset(place, earliest)).offset;
    return { logStartOffset, highWatermark: (await this.#listOffset(place, latest)).offset };
  }

  async lookUp(
    place: Place,
    timestamp: number,
  ): Promise<{ readonly offset: number; readonly timestamp: number } | null> {
    const found = await this.#listOffset(place, timestamp);
    return found.offset < 0 ? null : found;
  }

  async #listOffset(place: Place, timestamp: number): Promise<{ offset: number; timestamp: number }> {
    const { topic, partition } = place;
    const { responses } = await this.#atLeader(place, (broker) =>
      broker.listOffsets({
        ...{ replicaId: -1, isolationLevel: 0 },
        topics: [{ topic, partitions: [{ partition, timestamp }] }],
      }),
    );
    const found = responses[0]?.partitions[0];
    if (found === undefined) throw new LogError("UNKNOWN", "none", `no answer about ${topic}-${partition}`);
    return { offset: Number(found.offset), timestamp: Number(found.timestamp ?? -1) };
  }

  async allocateProducer(): Promise<{ readonly id: number; readonly epoch: number }> {
    const { producerId, producerEpoch } = await this.#use(noTopic, async (cluster, sending) => {
      const broker = await cluster.findControllerBroker();
      sending();
      return broker.initProducerId({ transactionTimeout: 60_000 });
    });
    return { id: Number(producerId), epoch: producerEpoch };
  }

  async deleteRecords(place: Place, before: number): Promise<number> {
    const { topic, partition } = place;
    const { topics } = await this.#atLeader(place, (broker) =>
      broker.deleteRecords({ topics: [{ topic, partitions: [{ partition, offset: `${before}` }] }] }),
    );
    return Number(topics[0]?.partitions[0]?.lowWatermark ?? before);
  }

  async joinGroup(groupId: string, topics: readonly string[], listener: MemberListener): Promise<GroupMember> {
    const partitions: Place[] = await this.#useOnce(async (cluster) => {
      const places: Place[] = [];
      for (const topic of topics) {
        await cluster.addTargetTopic(topic);
        for (const { partitionId } of cluster.findTopicPartitionMetadata(topic))
          places.push({ topic, partition: partitionId });
      }
      return places;
    });
    const { sessionTimeoutMs } = this.#options;
    const connect = async (): Promise<{ broker: KafkaBroker; close: () => Promise<void> }> => {
      const cluster = await this.#connect();
      const close = async (): Promise<void> => {
        this.#all.delete(cluster);
        await cluster.disconnect().catch(() => {});
      };
      try {
        return { broker: await cluster.findGroupCoordinator({ groupId }), close };
      } catch (error) {
        await close();
        throw toLogError(error, false);
      }
    };
    return new ClassicMember({ groupId, topics, partitions, sessionTimeoutMs, connect }, listener);
  }

  async committed(groupId: string, { topic, partition }: Place): Promise<number | null> {
    const { responses } = await this.#use(noTopic, async (cluster) => {
      const broker = await cluster.findGroupCoordinator({ groupId });
      return broker.offsetFetch({ groupId, topics: [{ topic, partitions: [{ partition }] }] });
    });
    const offset = Number(responses[0]?.partitions[0]?.offset ?? -1);
    return offset < 0 ? null : offset;
  }

  async close(): Promise<void> {
    await Promise.all([...this.#all].map((cluster) => cluster.disconnect().catch(() => {})));
    this.#all.clear();
    this.#idle.clear();
  }

  async #atLeader<T>({ topic, partition }: Place, call: (broker: KafkaBroker) => Promise<T>): Promise<T> {
    return this.#use(topic, async (cluster, sending) => {
      await cluster.addTargetTopic(topic);
      const leader = cluster
        .findTopicPartitionMetadata(topic)
        .find(({ partitionId }) => partitionId === partition)?.leader;
      if (leader === undefined || leader < 0)
        throw new LogError("LEADER_NOT_AVAILABLE", "none", `${topic}-${partition} has no leader now`);
      const broker = await cluster.findBroker({ nodeId: leader });
      sending();
      return call(broker);
    });
  }

  async #connect(): Promise<Cluster> {
    const cluster = this.#newCluster();
    this.#all.add(cluster);
    try {
      await cluster.connect();
      await cluster.refreshMetadata();
      return cluster;
    } catch (error) {
      this.#all.delete(cluster);
      await cluster.disconnect().catch(() => {});
      throw toLogError(error, false);
    }
  }

  /** With connections that nobody else uses meanwhile; `sending` says that from now on a failure may have had an effect. */
  async #use<T>(topic: string, call: (cluster: Cluster, sending: () => void) => Promise<T>): Promise<T> {
    let cluster = this.#idle.get(topic)?.pop();
    let sent = false;
    try {
      cluster ??= await this.#connect();
      const value = await call(cluster, () => {
        sent = true;
      });
      const idle = this.#idle.get(topic);
      if (idle === undefined) this.#idle.set(topic, [cluster]);
      else idle.push(cluster);
      return value;
    } catch (error) {
      if (cluster !== undefined) await this.#end(cluster);
      throw toLogError(error, sent);
    }
  }

  /** With a connection that ends then: it may ask for any topics, and nobody has to ask for them after it. */
  async #useOnce<T>(call: (cluster: Cluster) => Promise<T>): Promise<T> {
    const cluster = await this.#connect();
    try {
      return await call(cluster);
    } catch (error) {
      throw toLogError(error, false);
    } finally {
      await this.#end(cluster);
    }
  }

  async #end(cluster: Cluster): Promise<void> {
    this.#all.delete(cluster);
    await cluster.disconnect().catch(() => {});
  }
}

/** What fails once a creation or a deletion was answered does not undo it. */
function afterItsAnswer(error: unknown): LogError {
  const { code, message } = toLogError(error, true);
  return new LogError(code, "unknown", message, { cause: error });
}
