// kafkajs, one level below its public API: a cluster's connections, and a broker's requests.
//
// Owns: the shapes of what is used of it, the message when it is not installed, and what an error says
//   about its effect.
// Never: retries. kafkajs's producer and consumer send again by themselves and hide which attempt was
//   answered; a checker must know.

import { LogError } from "./contract.ts";

export interface KafkaMessage {
  readonly offset: string;
  readonly timestamp: string;
  readonly key: Uint8Array | null;
  readonly value: Uint8Array | null;
  readonly isControlRecord?: boolean;
}

export interface FetchedTopic {
  readonly topicName: string;
  readonly partitions: readonly {
    readonly partition: number;
    readonly errorCode: number;
    readonly highWatermark: string;
    /** kafkajs's name for log_start_offset. */
    readonly lastStartOffset?: string;
    readonly messages: readonly KafkaMessage[];
  }[];
}

export interface JoinedGroup {
  readonly generationId: number;
  readonly memberId: string;
  readonly leaderId: string;
  readonly members: readonly { readonly memberId: string; readonly memberMetadata: Uint8Array }[];
}

interface OfTopic<Partition> {
  readonly topic: string;
  readonly partitions: readonly Partition[];
}

/** Requests to one broker. */
export interface KafkaBroker {
  produce(request: {
    readonly acks: number;
    readonly timeout: number;
    readonly producerId?: number;
    readonly producerEpoch?: number;
    readonly topicData: readonly OfTopic<{
      readonly partition: number;
      readonly firstSequence?: number;
      readonly messages: readonly {
        /** UTF-8. */
        readonly key: string | null;
        readonly value: string | null;
        readonly timestamp: number;
      }[];
    }>[];
  }): Promise<{
    readonly topics: readonly { readonly partitions: readonly { readonly baseOffset: string }[] }[];
  } | null>;
  fetch(request: {
    readonly maxWaitTime: number;
    readonly minBytes: number;
    readonly maxBytes: number;
    readonly isolationLevel: number;
    readonly topics: readonly OfTopic<{
      readonly partition: number;
      readonly fetchOffset: string;
      readonly maxBytes: number;
    }>[];
  }): Promise<{ readonly responses: readonly FetchedTopic[] }>;
  listOffsets(request: {
    readonly replicaId: number;
    readonly isolationLevel: number;
    readonly topics: readonly OfTopic<{ readonly partition: number; readonly timestamp: number }>[];
  }): Promise<{ readonly responses: readonly OfTopic<{ readonly offset: string; readonly timestamp?: string }>[] }>;
  initProducerId(request: {
    readonly transactionalId?: string;
    readonly transactionTimeout: number;
  }): Promise<{ readonly producerId: string; readonly producerEpoch: number }>;
  deleteRecords(request: {
    readonly topics: readonly OfTopic<{ readonly partition: number; readonly offset: string }>[];
  }): Promise<{
    readonly topics: readonly OfTopic<{ readonly lowWatermark: bigint | string }>[];
  }>;
  createTopics(request: {
    readonly timeout: number;
    readonly topics: readonly {
      readonly topic: string;
      readonly numPartitions: number;
      readonly replicationFactor: number;
      readonly configEntries: readonly { readonly name: string; readonly value: string }[];
    }[];
  }): Promise<unknown>;
  deleteTopics(request: { readonly timeout: number; readonly topics: readonly string[] }): Promise<unknown>;
  joinGroup(request: {
    readonly groupId: string;
    readonly sessionTimeout: number;
    readonly rebalanceTimeout: number;
    readonly memberId: string;
    readonly groupProtocols: readonly { readonly name: string; readonly metadata: Uint8Array }[];
  }): Promise<JoinedGroup>;
  syncGroup(request: {
    readonly groupId: string;
    readonly generationId: number;
    readonly memberId: string;
    readonly groupAssignment: readonly { readonly memberId: string; readonly memberAssignment: Uint8Array }[];
  }): Promise<{ readonly memberAssignment: Uint8Array }>;
  heartbeat(request: {
    readonly groupId: string;
    readonly groupGenerationId: number;
    readonly memberId: string;
  }): Promise<unknown>;
  leaveGroup(request: { readonly groupId: string; readonly memberId: string }): Promise<unknown>;
  offsetCommit(request: {
    readonly groupId: string;
    readonly groupGenerationId: number;
    readonly memberId: string;
    readonly retentionTime?: number;
    readonly topics: readonly OfTopic<{ readonly partition: number; readonly offset: string }>[];
  }): Promise<unknown>;
  offsetFetch(request: {
    readonly groupId: string;
    readonly topics: readonly OfTopic<{ readonly partition: number }>[];
  }): Promise<{ readonly responses: readonly OfTopic<{ readonly partition: number; readonly offset: string }>[] }>;
}

export interface Cluster {
  connect(): Promise<void>;
  disconnect(): Promise<void>;
  addTargetTopic(topic: string): Promise<void>;
  refreshMetadata(): Promise<void>;
  /** Of all topics. */
  metadata(): Promise<{ readonly topicMetadata: readonly { readonly topic: string }[] }>;
  findTopicPartitionMetadata(topic: string): readonly { readonly partitionId: number; readonly leader: number }[];
  findBroker(options: { readonly nodeId: number }): Promise<KafkaBroker>;
  findControllerBroker(): Promise<KafkaBroker>;
  findGroupCoordinator(options: { readonly groupId: string }): Promise<KafkaBroker>;
}

export interface KafkaClientOptions {
  readonly brokers: readonly string[];
  /** Of a request without an answer. Milliseconds. */
  readonly requestTimeoutMs: number;
}

/** Makes clusters: each has connections of its own, since a broker answers a connection's requests one after the other. */
export async function loadKafkaClient({ brokers, requestTimeoutMs }: KafkaClientOptions): Promise<() => Cluster> {
  const { Cluster: Constructor, socketFactory } = await load();
  const silent = { debug() {}, info() {}, warn() {}, error() {}, namespace: (): unknown => silent };
  return () =>
    new Constructor({
      ...{ logger: silent, socketFactory: socketFactory(), brokers, clientId: "moldau-check" },
      ...{ connectionTimeout: 2000, authenticationTimeout: 2000, requestTimeout: requestTimeoutMs },
      ...{ enforceRequestTimeout: true, maxInFlightRequests: null, isolationLevel: 0 },
      ...{ metadataMaxAge: 300_000, allowAutoTopicCreation: false, retry: { retries: 0 } },
    }) as Cluster;
}

/** Below the package's door, which hides which attempt of a call was answered. */
async function load(): Promise<{
  Cluster: new (options: Readonly<Record<string, unknown>>) => unknown;
  socketFactory: () => unknown;
}> {
  try {
    const [cluster, factory] = await Promise.all([
      import("kafkajs/src/cluster/index.js"),
      import("kafkajs/src/network/socketFactory.js"),
    ]);
    return { Cluster: cluster.default, socketFactory: factory.default };
  } catch (error) {
    if (!/cannot find|not found|could not/i.test((error as Error).message)) throw error;
    throw new LogError(
      "KAFKAJS_NOT_INSTALLED",
      "none",
      "kafkajs is not installed; brokers that speak Kafka's protocol are reached through it: npm install kafkajs@2",
      { cause: error },
    );
  }
}

/** Protocol errors after which the request's effect may be there, or come. */
const unknownEffect: ReadonlySet<string> = new Set([
  ..."UNKNOWN REQUEST_TIMED_OUT NETWORK_EXCEPTION NOT_ENOUGH_REPLICAS_AFTER_APPEND KAFKA_STORAGE_ERROR".split(" "),
  // KAFKA-13574; and a commit whose append timed out may be answered as the coordinator's absence.
  ..."NOT_LEADER_FOR_PARTITION GROUP_COORDINATOR_NOT_AVAILABLE NOT_COORDINATOR_FOR_GROUP".split(" "),
  // A controller that steps down answers so what waits for its commit, which the next one may find in its log.
  "NOT_CONTROLLER",
]);

/** `sent` says whether the request may have left before it failed. */
export function toLogError(error: unknown, sent: boolean): LogError {
  if (error instanceof LogError) return error;
  const { type, name, message, code, cause, errors } = error as {
    type?: string;
    name: string;
    message: string;
    code?: unknown;
    cause?: unknown;
    errors?: readonly unknown[];
  };
  if (type !== undefined)
    return new LogError(type, unknownEffect.has(type) ? "unknown" : "none", message, { cause: error });
  // kafkajs wraps what it would have retried, and what it asked of several topics.
  if (errors?.[0] !== undefined) return toLogError(errors[0], sent);
  if (name === "KafkaJSNumberOfRetriesExceeded" && cause !== undefined) return toLogError(cause, sent);
  const refused = code === "ECONNREFUSED";
  return new LogError(typeof code === "string" ? code : name, sent && !refused ? "unknown" : "none", message, {
    cause: error,
  });
}
