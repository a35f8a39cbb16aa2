// A broker's own configs, by Kafka's names: what its command line or its nature says.
//
// Owns: which of Kafka's broker configs mean something here, and which of them is a topic config's
//   default.
// Never: changes one.

import { configDefinitions } from "../../../engine/index.ts";
import type { KafkaFace, KafkaNode } from "../face.ts";
import { configSource, configType } from "./configs.ts";

export interface BrokerConfig {
  readonly name: string;
  readonly value: string;
  readonly source: number;
  readonly type: number;
  readonly documentation: string;
}

/** Those whose broker config has another name. */
const renamed: Readonly<Record<string, string>> = {
  "cleanup.policy": "log.cleanup.policy",
  "delete.retention.ms": "log.cleaner.delete.retention.ms",
  "file.delete.delay.ms": "log.segment.delete.delay.ms",
  "flush.messages": "log.flush.interval.messages",
  "flush.ms": "log.flush.interval.ms",
  "index.interval.bytes": "log.index.interval.bytes",
  "max.compaction.lag.ms": "log.cleaner.max.compaction.lag.ms",
  "max.message.bytes": "message.max.bytes",
  "message.timestamp.after.max.ms": "log.message.timestamp.after.max.ms",
  "message.timestamp.before.max.ms": "log.message.timestamp.before.max.ms",
  "message.timestamp.type": "log.message.timestamp.type",
  "min.cleanable.dirty.ratio": "log.cleaner.min.cleanable.ratio",
  "min.compaction.lag.ms": "log.cleaner.min.compaction.lag.ms",
  "retention.bytes": "log.retention.bytes",
  "retention.ms": "log.retention.ms",
  "segment.bytes": "log.segment.bytes",
  "segment.index.bytes": "log.index.size.max.bytes",
  "segment.ms": "log.roll.ms",
};

/** Of the default that topics take. */
export function brokerConfigName(topicConfig: string): string {
  return renamed[topicConfig] ?? topicConfig;
}

/** By name. */
export function brokerConfigs(face: KafkaFace, node: KafkaNode): BrokerConfig[] {
  const given = (
    name: string,
    value: string | number | boolean,
    type: number,
    documentation: string,
  ): BrokerConfig => ({
    ...{ name, value: String(value), source: configSource.start, type, documentation },
  });
  const fixed = (
    name: string,
    value: string | number | boolean,
    type: number,
    documentation: string,
  ): BrokerConfig => ({
    ...{ name, value: String(value), source: configSource.default, type, documentation },
  });
  const { boolean, int, string } = configType;
  const defaults = [...configDefinitions].map(
    ([name, { type, byDefault, documentation }]): BrokerConfig =>
      fixed(brokerConfigName(name), byDefault, configType[type], `Of topics without a ${name}. ${documentation}`),
  );
  return [
    given("advertised.listeners", `PLAINTEXT://${node.host}:${node.port}`, string, "Where clients reach this broker."),
    given("auto.create.topics.enable", face.autoCreateTopics, boolean, "Whether a topic that is asked for is made."),
    given("broker.id", node.id, int, "This broker's number."),
    given("node.id", node.id, int, "This broker's number."),
    given("num.partitions", face.numPartitions, int, "How many a topic has that is made without a number."),
    fixed("default.replication.factor", 1, int, "How many replicas a partition has. There is one broker."),
    fixed("delete.topic.enable", true, boolean, "Whether topics may be deleted."),
    ...defaults,
  ].sort((one, other) => (one.name < other.name ? -1 : 1));
}
