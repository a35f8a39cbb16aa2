// What the metadata journal says, as of its last record.
//
// Owns: the topics and the two counters, and which change is legal after which.
// Never: bytes or files (metadata-journal.ts, metadata.ts).
//
// Invariants: the leader epoch and the next free producer id only rise; a topic's partitions
//   never become fewer; a refused change changes nothing.

import { MoldauError } from "../errors.ts";
import { maxSafeOffset } from "../limits.ts";

export interface TopicMeta {
  readonly name: string;
  /** 32 hex digits. */
  readonly id: string;
  readonly partitions: number;
  /** What was set, as normalised text; the rest are defaults. */
  readonly configs: Map<string, string>;
}

export type MetadataChange =
  | { readonly kind: "createTopic"; readonly topic: TopicMeta }
  | { readonly kind: "deleteTopic"; readonly name: string }
  /** `configs` replaces all that were set. */
  | {
      readonly kind: "alterTopic";
      readonly name: string;
      readonly partitions?: number;
      readonly configs?: ReadonlyMap<string, string>;
    }
  | { readonly kind: "leaderEpoch"; readonly leaderEpoch: number }
  /** Ids from `first` up to `nextFree` are taken; `first` is the former `nextFree`, so no two blocks overlap. */
  | { readonly kind: "producerIdBlock"; readonly first: number; readonly nextFree: number };

export class MetadataImage {
  readonly topics: Map<string, TopicMeta>;
  leaderEpoch: number;
  nextProducerId: number;

  constructor(topics: Iterable<TopicMeta> = [], leaderEpoch = -1, nextProducerId = 0) {
    this.topics = new Map();
    for (const topic of topics) this.topics.set(topic.name, topic);
    this.leaderEpoch = leaderEpoch;
    this.nextProducerId = nextProducerId;
  }

  copy(): MetadataImage {
    return new MetadataImage(this.topics.values(), this.leaderEpoch, this.nextProducerId);
  }

  /** Takes the change or throws why it is not legal now. */
  apply(change: MetadataChange): void {
    switch (change.kind) {
      case "createTopic": {
        const { topic } = change;
        if (this.topics.has(topic.name))
          throw new MoldauError("TOPIC_ALREADY_EXISTS", `topic '${topic.name}' exists already`);
        this.topics.set(topic.name, { ...topic, configs: new Map(topic.configs) });
        return;
      }
      case "deleteTopic":
        this.#topic(change.name);
        this.topics.delete(change.name);
        return;
      case "alterTopic": {
        const topic = this.#topic(change.name);
        const partitions = change.partitions ?? topic.partitions;
        if (partitions < topic.partitions) {
          throw new MoldauError(
            "INVALID_PARTITIONS",
            `topic '${topic.name}' has ${topic.partitions} partitions and cannot have fewer`,
          );
        }
        this.topics.set(topic.name, { ...topic, partitions, configs: new Map(change.configs ?? topic.configs) });
        return;
      }
      case "leaderEpoch":
        if (!(change.leaderEpoch > this.leaderEpoch) || change.leaderEpoch >= 2 ** 31) {
          throw new MoldauError(
            "INVALID_REQUEST",
            `leader epoch ${change.leaderEpoch} does not follow ${this.leaderEpoch}`,
          );
        }
        this.leaderEpoch = change.leaderEpoch;
        return;
      case "producerIdBlock":
        if (
          change.first !== this.nextProducerId ||
          change.nextFree <= change.first ||
          change.nextFree > maxSafeOffset
        ) {
          throw new MoldauError(
            "INVALID_REQUEST",
            `producer ids ${change.first} to ${change.nextFree} do not follow ${this.nextProducerId}`,
          );
        }
        this.nextProducerId = change.nextFree;
    }
  }

  #topic(name: string): TopicMeta {
    const topic = this.topics.get(name);
    if (topic === undefined) throw new MoldauError("UNKNOWN_TOPIC_OR_PARTITION", `topic '${name}' does not exist`);
    return topic;
  }
}
