// What a person is told of each topic config: what kind of value it takes, its default, and what it is for.
//
// Owns: the sentences, and Kafka's types of these configs.
// Never: says which configs there are, or what a value may be (configs.ts).

import { configNames, describeConfigs } from "./configs.ts";

/** Kafka's: "int" has 32 bits, "long" 64; a "list" is parted by commas. */
export type ConfigType = "double" | "int" | "list" | "long" | "string";

export interface ConfigDefinition {
  readonly type: ConfigType;
  readonly byDefault: string;
  readonly documentation: string;
}

const described: Readonly<Record<string, readonly [type: ConfigType, documentation: string]>> = {
  "cleanup.policy": [
    "list",
    "What becomes of old records: delete removes them by retention.ms and retention.bytes, compact keeps the latest of every key.",
  ],
  "compression.type": ["string", "producer: batches are kept in the compression that they came in."],
  "delete.retention.ms": [
    "long",
    "How long a compacted topic keeps a tombstone after the first pass of compaction that saw it.",
  ],
  "file.delete.delay.ms": ["long", "Accepted for Kafka's sake: a segment is unlinked once its removal is recorded."],
  "flush.messages": ["long", "Accepted for Kafka's sake: what is acknowledged is synced anyway."],
  "flush.ms": ["long", "Accepted for Kafka's sake: what is acknowledged is synced anyway."],
  "index.interval.bytes": ["int", "How many bytes of records lie between two entries of a segment's index."],
  "max.compaction.lag.ms": ["long", "How old a record may become before compaction begins, however little is dirty."],
  "max.message.bytes": ["int", "The largest record batch, as it travels, with its header."],
  "message.timestamp.after.max.ms": ["long", "How far a record's timestamp may lie ahead of the broker's clock."],
  "message.timestamp.before.max.ms": ["long", "How far a record's timestamp may lie behind the broker's clock."],
  "message.timestamp.type": [
    "string",
    "CreateTime: a record has its producer's time. LogAppendTime: it has the time at which the broker took it.",
  ],
  "min.cleanable.dirty.ratio": ["double", "The part of a log that must not be compacted yet before compaction begins."],
  "min.compaction.lag.ms": ["long", "How young a record must be to be left alone by compaction."],
  "min.insync.replicas": ["int", "How many replicas must have a record before acks=all is answered. There is one."],
  "producer.id.expiration.ms": ["int", "How long a silent producer's sequence is remembered, to know a retry by."],
  "retention.bytes": ["long", "How large a partition may be before its oldest segments go; -1 is no limit."],
  "retention.ms": ["long", "How old a segment's newest record may be before the segment goes; -1 is no limit."],
  "segment.bytes": ["int", "How large a segment may be before the next one begins."],
  "segment.index.bytes": ["int", "How large a segment's index may be before the next segment begins."],
  "segment.ms": ["long", "How old a segment's first record may be before the next segment begins."],
};

/** Of every topic config, by name. */
export const configDefinitions: ReadonlyMap<string, ConfigDefinition> = defineAll();

function defineAll(): Map<string, ConfigDefinition> {
  const defaults = describeConfigs(new Map());
  return new Map(
    configNames.map((name) => {
      const [type, documentation] = described[name]!;
      return [name, { type, byDefault: defaults[name]!.value, documentation }];
    }),
  );
}
