// Fetch sessions (KIP-227): what a client asks for is remembered, so that its next fetch says only
// what changed, and is told only what is new.
//
// Owns: the sessions, their epochs and how many there are; which partitions of one are asked for,
//   and in which order.
// Never: reads a log, or makes an answer (handler/fetch.ts).
//
// Invariants: at most so many sessions, and so many partitions in all of them together; a session
//   that was used of late is not given up for a new one, whose client fetches in full then; a
//   session is changed by a fetch that carries its epoch, and by no other.

import { type Clock, type Entropy, limits } from "../../engine/index.ts";
import { kafkaErrors } from "./errors.ts";
import type { fetch } from "./schema/fetch.ts";
import type { RequestOf } from "./schema/notation.ts";

export type FetchRequest = RequestOf<typeof fetch>;
type AskedPartition = FetchRequest["topics"][number]["partitions"][number];

/** A partition that is asked for, and what its client was told of it last. */
export interface FetchedBefore {
  /** Empty when it is named by `topicId`. */
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  asked: AskedPartition;
  /** -1: to be told in any case. */
  highWatermark: number;
  logStartOffset: number;
}

interface Session {
  readonly id: number;
  readonly usesIds: boolean;
  /** Of the fetch that is to come. */
  epoch: number;
  lastUsedMs: number;
  /** In the order in which they are read. */
  readonly partitions: Map<string, FetchedBefore>;
}

/** What a fetch asks for all in all. */
export interface FetchPlan {
  /** `full`: every partition is answered; `fresh`: that, and a session is to begin; `incremental`: those with news. */
  readonly kind: "full" | "fresh" | "incremental";
  readonly sessionId: number;
  readonly partitions: readonly FetchedBefore[];
}

export interface FetchSessionOptions {
  readonly clock: Pick<Clock, "monotonic">;
  readonly entropy: Entropy;
  /** Kafka's max.incremental.fetch.session.cache.slots. 1000. */
  readonly maxSessions?: number;
  /** In all sessions together. 100 000. */
  readonly maxPartitions?: number;
  /** One that was used since so long is not given up for another. Milliseconds; 120 000, Kafka's. */
  readonly evictAfterMs?: number;
}

const noSession = 0;
const maxEpoch = 2 ** 31 - 1;

export class FetchSessions {
  readonly #options: FetchSessionOptions;
  readonly #maxSessions: number;
  readonly #maxPartitions: number;
  readonly #evictAfterMs: number;
  /** The one longest unused comes first. */
  readonly #sessions: Map<number, Session> = new Map();
  #partitions = 0;

  constructor(options: FetchSessionOptions) {
    this.#options = options;
    this.#maxSessions = options.maxSessions ?? 1000;
    this.#maxPartitions = options.maxPartitions ?? 100_000;
    this.#evictAfterMs = options.evictAfterMs ?? 120_000;
  }

  get size(): number {
    return this.#sessions.size;
  }

  /** Partitions in all sessions. */
  get partitions(): number {
    return this.#partitions;
  }

  /** What the request asks for, or the code of the error that its session met. */
  begin(request: FetchRequest, version: number): FetchPlan | number {
    const { sessionId, sessionEpoch } = request;
    if (version < 7 || sessionEpoch <= 0) {
      // Both -1, the last fetch of a session, and 0, the first of another, end the one there was.
      if (sessionId !== noSession) this.#remove(sessionId);
      const kind = version >= 7 && sessionEpoch === 0 ? "fresh" : "full";
      return { kind, sessionId: noSession, partitions: [...asked(request, new Map()).values()] };
    }
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return kafkaErrors.FETCH_SESSION_ID_NOT_FOUND.code;
    if (session.usesIds !== version >= 13) return kafkaErrors.FETCH_SESSION_TOPIC_ID_ERROR.code;
    if (session.epoch !== sessionEpoch) return kafkaErrors.INVALID_FETCH_SESSION_EPOCH.code;
    if (!this.#change(session, request)) {
      this.#remove(sessionId);
      return kafkaErrors.FETCH_SESSION_ID_NOT_FOUND.code;
    }
    session.epoch = epochAfter(session.epoch);
    session.lastUsedMs = this.#options.clock.monotonic();
    this.#sessions.delete(sessionId);
    this.#sessions.set(sessionId, session);
    return { kind: "incremental", sessionId, partitions: [...session.partitions.values()] };
  }

  /** Begins a session with these partitions, whose state its first answer tells; 0 when there is no room for it. */
  create(partitions: readonly FetchedBefore[], version: number): number {
    if (partitions.length === 0 || partitions.some(isTooLong) || !this.#makeRoom(partitions.length)) return noSession;
    const session: Session = {
      id: this.#newId(),
      usesIds: version >= 13,
      epoch: 1,
      lastUsedMs: this.#options.clock.monotonic(),
      partitions: new Map(partitions.map((one) => [keyOf(one.topic, one.topicId, one.partition), one])),
    };
    this.#sessions.set(session.id, session);
    this.#partitions += session.partitions.size;
    return session.id;
  }

  /** These gave records: the others are read before them next time. */
  moveToEnd(sessionId: number, served: readonly FetchedBefore[]): void {
    const session = this.#sessions.get(sessionId);
    if (session === undefined) return;
    for (const one of served) {
      const key = keyOf(one.topic, one.topicId, one.partition);
      // It may have been forgotten while its fetch waited.
      if (session.partitions.delete(key)) session.partitions.set(key, one);
    }
  }

  /** False when it would have more partitions than there is room for. */
  #change(session: Session, request: FetchRequest): boolean {
    if (request.topics.some(isTooLong)) return false;
    const before = session.partitions.size;
    for (const { topic, topicId, partitions } of request.forgottenTopicsData) {
      for (const partition of partitions) session.partitions.delete(keyOf(topic, topicId, partition));
    }
    asked(request, session.partitions);
    this.#partitions += session.partitions.size - before;
    return this.#partitions <= this.#maxPartitions;
  }

  #makeRoom(partitions: number): boolean {
    if (partitions > this.#maxPartitions || this.#maxSessions < 1) return false;
    const now = this.#options.clock.monotonic();
    while (this.#sessions.size >= this.#maxSessions || this.#partitions + partitions > this.#maxPartitions) {
      const [oldest] = this.#sessions.values();
      if (oldest === undefined || now - oldest.lastUsedMs < this.#evictAfterMs) return false;
      this.#remove(oldest.id);
    }
    return true;
  }

  #remove(id: number): void {
    const session = this.#sessions.get(id);
    if (session === undefined) return;
    this.#sessions.delete(id);
    this.#partitions -= session.partitions.size;
  }

  /** By chance: a client of a broker that was here before may not meet another's. */
  #newId(): number {
    const bytes = new Uint8Array(4);
    for (;;) {
      this.#options.entropy.fill(bytes);
      const id = new DataView(bytes.buffer).getInt32(0) & maxEpoch;
      if (id !== noSession && !this.#sessions.has(id)) return id;
    }
  }
}

/** 0 and -1 mean something else: it goes round to 1. */
export function epochAfter(epoch: number): number {
  return epoch === maxEpoch ? 1 : epoch + 1;
}

/** Enters what the request asks for, in its order; what was there keeps its place. */
function asked(request: FetchRequest, partitions: Map<string, FetchedBefore>): Map<string, FetchedBefore> {
  for (const { topic, topicId, partitions: wanted } of request.topics) {
    for (const one of wanted) {
      const key = keyOf(topic, topicId, one.partition);
      const known = partitions.get(key);
      if (known !== undefined) known.asked = one;
      else {
        const { partition } = one;
        partitions.set(key, { topic, topicId, partition, asked: one, highWatermark: -1, logStartOffset: -1 });
      }
    }
  }
  return partitions;
}

/** No topic has such a name, and a session of them would hold much. */
function isTooLong({ topic }: { readonly topic: string }): boolean {
  return topic.length > limits.maxTopicNameLength;
}

/** No topic's name has a space. */
function keyOf(topic: string, topicId: string, partition: number): string {
  return `${topic} ${topicId} ${partition}`;
}
