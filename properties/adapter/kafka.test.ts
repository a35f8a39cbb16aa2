// Which connections the adapter for Kafka's protocol has, and what it says of a failure after an answer.

import assert from "node:assert/strict";
import { test } from "node:test";
import type { LogError } from "./contract.ts";
import { KafkaAdapter } from "./kafka.ts";
import type { Cluster, KafkaBroker } from "./kafka-client.ts";

/** Of a cluster of one broker, which says what was asked over each of its connections. */
class Connections {
  readonly all: { readonly asked: string[]; readonly targets: string[]; ended: boolean }[] = [];
  deletion: Error | null = null;
  topics: string[] = ["t"];
  leader = 0;

  adapter(): KafkaAdapter {
    const options = { brokers: ["nowhere:1"], requestTimeoutMs: 50, replicationFactor: 1, sessionTimeoutMs: 6000 };
    return new KafkaAdapter(options, () => this.#connect());
  }

  of(asked: string): (typeof this.all)[number] | undefined {
    return this.all.find((one) => one.asked.includes(asked));
  }

  #connect(): Cluster {
    const connection = { asked: [] as string[], targets: [] as string[], ended: false };
    this.all.push(connection);
    const broker = {
      createTopics: async () => {},
      deleteTopics: async () => {
        connection.asked.push("delete");
        if (this.deletion !== null) throw this.deletion;
        this.topics = [];
      },
      listOffsets: async () => {
        connection.asked.push("offsets");
        return { responses: [{ topic: "t", partitions: [{ offset: "0" }] }] };
      },
    } as unknown as KafkaBroker;
    return {
      connect: async () => {},
      disconnect: async () => void (connection.ended = true),
      addTargetTopic: async (topic) => void connection.targets.push(topic),
      refreshMetadata: async () => {},
      metadata: async () => {
        connection.asked.push("list");
        return { topicMetadata: this.topics.map((topic) => ({ topic })) };
      },
      findTopicPartitionMetadata: () => [{ partitionId: 0, leader: this.leader }],
      findBroker: async () => broker,
      findControllerBroker: async () => broker,
      findGroupCoordinator: async () => broker,
    };
  }
}

const place = { topic: "t", partition: 0 };

test("a deletion ends the connections that asked for the topic, answered or not", async () => {
  for (const deletion of [null, new Error("cut off")]) {
    const connections = new Connections();
    connections.deletion = deletion;
    const adapter = connections.adapter();
    await adapter.offsets(place);
    assert.equal(connections.of("offsets")?.ended, false);
    const deleted = adapter.deleteTopic("t");
    await (deletion === null ? deleted : assert.rejects(deleted, (error) => (error as LogError).effect === "unknown"));
    assert.equal(connections.of("offsets")?.ended, true);
  }
});

test("who joins a group asks for its topics over no connection that is used for anything else", async () => {
  const connections = new Connections();
  const adapter = connections.adapter();
  await adapter.listTopics();
  await adapter.joinGroup("g", ["t"], { revoked() {}, assigned() {} });
  await adapter.listTopics();
  await adapter.deleteTopic("t");
  const [asked] = connections.all.filter(({ targets }) => targets.includes("t"));
  assert.deepEqual([asked?.asked, asked?.ended], [[], true]);
  await adapter.close();
});

test("a topic that was made and gets no leader may be there", async () => {
  const connections = new Connections();
  connections.leader = -1;
  const made = connections.adapter().createTopic("t", { partitions: 1 });
  await assert.rejects(made, { code: "LEADER_NOT_AVAILABLE", effect: "unknown" });
});
