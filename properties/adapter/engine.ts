// The engine in this process, as an embedder has it.
//
// Owns: what becomes of the broker's answers and errors, and `replace`, with which a test restarts it.
// Never: opens a broker: it is handed in, on whatever storage.

import type { Broker, TopicPartitions } from "../../engine/index.ts";
import { ConsumerMember, type ConsumerTransport } from "./consumer-member.ts";
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

const text = new TextDecoder();

export class EngineAdapter implements LogAdapter {
  readonly name: string = "Moldau's engine, in this process";
  readonly supports: Manifest = {
    acks: ["all", "leader", "none"],
    idempotence: true,
    conditionalAppends: true,
    deleteRecords: true,
    lookUpByTime: true,
    compaction: true,
    groups: "consumer",
    listTopics: true,
    logEnd: true,
  };
  #broker: Broker | null;

  constructor(broker: Broker) {
    this.#broker = broker;
  }

  /** null: it is gone, and everything is refused until there is another. */
  replace(broker: Broker | null): void {
    this.#broker = broker;
  }

  /** An answer of a broker that was replaced meanwhile never comes. */
  async #ask<T>(call: (broker: Broker) => Promise<T> | T): Promise<T> {
    const broker = this.#broker;
    if (broker === null) throw new LogError("BROKER_NOT_AVAILABLE", "none", "there is no broker now");
    const settled = await Promise.resolve()
      .then(() => call(broker))
      .then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      );
    if (this.#broker !== broker) return new Promise(() => {});
    if ("error" in settled) throw settled.error;
    return settled.value;
  }

  async createTopic(topic: string, { partitions, configs = {} }: TopicOptions): Promise<void> {
    await this.#ask((broker) => broker.createTopic(topic, { partitions, configs }));
  }

  async listTopics(): Promise<ListedTopic[]> {
    return this.#ask((broker) => broker.listTopics().map(({ name, id }) => ({ topic: name, id })));
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#ask((broker) => broker.deleteTopic(topic));
  }

  async append(
    { topic, partition }: Place,
    records: readonly RecordToAppend[],
    { acks, producer, expectedEndOffset }: AppendOptions,
  ): Promise<Appended> {
    const results = await this.#ask((broker) =>
      broker.produce(topic, records, {
        ...{ acks, partition },
        ...(producer === undefined
          ? {}
          : { producer: { producerId: producer.id, producerEpoch: producer.epoch, sequence: producer.sequence } }),
        ...(expectedEndOffset === undefined ? {} : { expectedEndOffset }),
      }),
    );
    let duplicate = false;
    const offsets = results.map((result) => {
      if (!("error" in result)) {
        duplicate ||= result.duplicate;
        return result.offset;
      }
      if (results.length === 1) throw result.error;
      throw new LogError(result.error.code, "unknown", result.error.message, { cause: result.error });
    });
    return acks === "none" ? {} : { offsets, duplicate };
  }

  async read({ topic, partition }: Place, { offset, maxWaitMs }: ReadOptions): Promise<ReadAnswer> {
    const { records, ...bounds } = await this.#ask((broker) =>
      broker.fetchRecords(topic, partition, { offset, maxWaitMs }),
    );
    return {
      ...bounds,
      records: records.map(({ offset: at, timestamp, key, value }) => ({
        offset: at,
        timestamp,
        value: value === null ? null : text.decode(value),
        ...(key === null ? {} : { key: text.decode(key) }),
      })),
    };
  }

  async offsets({ topic, partition }: Place): Promise<Offsets> {
    const found = await this.#ask((broker) => broker.describeTopic(topic).partitions[partition]);
    if (found === undefined) throw new LogError("UNKNOWN_TOPIC_OR_PARTITION", "none", `${topic} has no ${partition}`);
    if (found.state === "offline") throw new LogError("LEADER_NOT_AVAILABLE", "none", found.reason);
    return found;
  }

  async allocateProducer(): Promise<{ readonly id: number; readonly epoch: number }> {
    const { producerId, producerEpoch } = await this.#ask((broker) => broker.allocateProducer());
    return { id: producerId, epoch: producerEpoch };
  }

  async deleteRecords({ topic, partition }: Place, before: number): Promise<number> {
    return this.#ask((broker) => broker.deleteRecords(topic, partition, before));
  }

  async lookUp(
    { topic, partition }: Place,
    at: number,
  ): Promise<{ readonly offset: number; readonly timestamp: number } | null> {
    const { offset, timestamp } = await this.#ask((broker) => broker.offsetForTimestamp(topic, partition, at));
    return offset === null || timestamp === null ? null : { offset, timestamp };
  }

  async joinGroup(groupId: string, topics: readonly string[], listener: MemberListener): Promise<GroupMember> {
    const beat = (
      memberId: string,
      memberEpoch: number,
      owned: readonly Place[],
    ): ReturnType<ConsumerTransport["join"]> =>
      this.#ask(async (broker) => {
        const answer = await broker.groups.consumerGroupHeartbeat({
          ...{ groupId, memberId, memberEpoch, rebalanceTimeoutMs: 30_000, subscribedTopicNames: topics },
          topicPartitions: withIds(broker, owned),
        });
        const assignment = answer.assignment === null ? null : withNames(broker, answer.assignment);
        return { member: answer.memberId, epoch: answer.memberEpoch, assignment };
      });
    const transport: ConsumerTransport = {
      join: (member) => beat(member, 0, []),
      heartbeat: beat,
      commit: (memberId, epoch, { topic, partition }, offset) =>
        this.#ask(async (broker) => {
          const partitions = [{ partitionIndex: partition, committedOffset: offset }];
          const [outcome] = await broker.groups.commitOffsets({
            ...{ groupId, memberId, generationIdOrMemberEpoch: epoch, topics: [{ name: topic, partitions }] },
          });
          const error = outcome?.partitions[0]?.error;
          if (error !== undefined) throw error;
        }),
      leave: async (member) => void (await beat(member, -1, [])),
    };
    return new ConsumerMember(transport, listener);
  }

  async committed(groupId: string, { topic, partition }: Place): Promise<number | null> {
    const topics = [{ name: topic, partitionIndexes: [partition] }];
    const answer = await this.#ask((broker) => broker.groups.fetchOffsets({ groupId, topics }));
    const offset = answer.topics[0]?.partitions[0]?.committedOffset ?? -1;
    return offset < 0 ? null : offset;
  }

  async close(): Promise<void> {
    await this.#broker?.close();
  }
}

function withIds(broker: Broker, places: readonly Place[]): TopicPartitions[] {
  const topics = [...new Set(places.map(({ topic }) => topic))];
  return topics.map((topic) => ({
    topicId: broker.describeTopic(topic).id,
    partitions: places.filter((place) => place.topic === topic).map(({ partition }) => partition),
  }));
}

function withNames(broker: Broker, assignment: readonly TopicPartitions[]): Place[] {
  return assignment.flatMap(({ topicId, partitions }) => {
    const topic = broker.topicName(topicId);
    return topic === null ? [] : partitions.map((partition) => ({ topic, partition }));
  });
}
