// What the handlers of the Kafka face are handed.
//
// Owns: types only. Never: an API (handler/), or a socket (server/runtime).

import type { Broker, Clock, Entropy, Logger } from "../../engine/index.ts";
import type { Client } from "./handler.ts";

/** A broker as clients are told of it. */
export interface KafkaNode {
  readonly id: number;
  readonly host: string;
  readonly port: number;
}

export interface KafkaFace {
  readonly broker: Broker;
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
  /** This broker, at the address that is advertised to whoever may be told one alone. */
  readonly node: KafkaNode;
  /** This broker, where this client can reach it: what an answer to a client carries. */
  nodeFor(client: Client): KafkaNode;
  readonly clusterId: string;
  /** Whether a client that asks for a topic that is not there gets it (Kafka's auto.create.topics.enable). */
  readonly autoCreateTopics: boolean;
  /** Of topics that are created without a number (Kafka's num.partitions). */
  readonly numPartitions: number;
  /** The data folder's path, as people are told it; none when everything is in memory. */
  readonly dataFolder?: string;
}
