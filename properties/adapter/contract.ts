// What a log must offer to be checked: an adapter to it, of which most is optional.
//
// Owns: the shapes, and the error that says whether a failed call may have had an effect.
// Never: knows of any log. contract-cases.ts holds every adapter to what is written here.
//
// A failed call throws. When its error has `effect: "none"`, it certainly changed nothing (`fail` in
// the history); with anything else, or nothing, it may have (`info`). An adapter never sends again by
// itself what may have had an effect.

import type { GroupProtocol } from "../history.ts";

export type Acks = "all" | "leader" | "none";

export interface Manifest {
  /** Those it understands, the strongest first: what is acknowledged with `all` may never be lost. */
  readonly acks: readonly Acks[];
  /** An append takes a producer's id, epoch and sequence, and may be sent again. */
  readonly idempotence: boolean;
  readonly conditionalAppends: boolean;
  readonly deleteRecords: boolean;
  readonly lookUpByTime: boolean;
  readonly compaction: boolean;
  readonly groups: GroupProtocol | "none";
  readonly listTopics: boolean;
  /** Whether `offsets` also tells the log end. */
  readonly logEnd: boolean;
}

export const supportsNothing: Manifest = {
  acks: ["all"],
  idempotence: false,
  conditionalAppends: false,
  deleteRecords: false,
  lookUpByTime: false,
  compaction: false,
  groups: "none",
  listTopics: false,
  logEnd: false,
};

export interface Place {
  readonly topic: string;
  readonly partition: number;
}

export interface RecordToAppend {
  readonly value: string | null;
  readonly key?: string;
  /** Milliseconds since 1970. */
  readonly timestamp: number;
}

export interface ProducerStamp {
  readonly id: number;
  readonly epoch: number;
  /** Of the batch's first record: counted from 0 in each partition, int32, wraps. */
  readonly sequence: number;
}

export interface AppendOptions {
  readonly acks: Acks;
  readonly producer?: ProducerStamp;
  /** Append only when the log ends here; else throw `OFFSET_MISMATCH` with effect none. */
  readonly expectedEndOffset?: number;
}

export interface Appended {
  /** One a record, rising. Absent with acks=none. */
  readonly offsets?: readonly number[];
  /** Whether it was there already, from an earlier attempt; absent when the log does not say. */
  readonly duplicate?: boolean;
}

export interface StoredRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly value: string | null;
  readonly key?: string;
}

export interface ReadOptions {
  readonly offset: number;
  /** How long to wait at most when there is nothing yet. To answer at once with nothing is allowed. */
  readonly maxWaitMs: number;
}

export interface ReadAnswer {
  /** From the offset asked for on, in order; empty when there is nothing yet. */
  readonly records: readonly StoredRecord[];
  /** Where to go on. */
  readonly nextOffset: number;
  /** 0 for a log that deletes nothing. */
  readonly logStartOffset: number;
  /** Where readers stop at present: the number of records of a log that deletes nothing. */
  readonly highWatermark: number;
}

export interface Offsets {
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly logEndOffset?: number;
}

export interface Membership {
  readonly member: string;
  readonly generation: number;
  readonly partitions: readonly Place[];
}

/** Hears of a member's share as it changes, in the order in which it must act on it. */
export interface MemberListener {
  /** These are no longer the member's: nothing of them may be delivered from now on. */
  revoked(of: Membership, partitions: readonly Place[]): void;
  /** The member's whole share from now on. */
  assigned(share: Membership): void;
}

export interface GroupMember {
  /** One heartbeat, and all that it brings: joining, giving up, taking over. Called about every 300 ms. */
  heartbeat(): Promise<void>;
  /** `offset` is that of the next record to read. */
  commit(place: Place, offset: number, as: Membership): Promise<void>;
  /** Called again when it rejected: the group may not have heard it, and keep the member's share for it. */
  leave(): Promise<void>;
}

export interface ListedTopic {
  readonly topic: string;
  /** Of this life of the topic: another one when it is created anew. Absent when the log gives none. */
  readonly id?: string;
}

export interface TopicOptions {
  readonly partitions: number;
  /** Kafka's names. */
  readonly configs?: Readonly<Record<string, string>>;
}

/** A topic or partition that is not there is `UNKNOWN_TOPIC_OR_PARTITION` with effect none, whatever is asked of it. */
export interface LogAdapter {
  /** For people: the log and where it is. */
  readonly name: string;
  readonly supports: Manifest;
  /** Resolves when appends to it will be taken. */
  createTopic(topic: string, options: TopicOptions): Promise<void>;
  /** listTopics: all there are. One whose creation was acknowledged is among them. */
  listTopics?(): Promise<readonly ListedTopic[]>;
  /** Resolves when it is not listed any more. Without it, topics are neither deleted in a check nor cleared up after it. */
  deleteTopic?(topic: string): Promise<void>;
  append(place: Place, records: readonly RecordToAppend[], options: AppendOptions): Promise<Appended>;
  /** An offset outside of the log is `OFFSET_OUT_OF_RANGE`, effect none: below its start, or above the high watermark. */
  read(place: Place, options: ReadOptions): Promise<ReadAnswer>;
  offsets(place: Place): Promise<Offsets>;
  /** idempotence. */
  allocateProducer?(): Promise<{ readonly id: number; readonly epoch: number }>;
  /** deleteRecords: all before this offset; answers the log start offset. */
  deleteRecords?(place: Place, before: number): Promise<number>;
  /** lookUpByTime: the first record at or after it, in log order. */
  lookUp?(place: Place, timestamp: number): Promise<{ readonly offset: number; readonly timestamp: number } | null>;
  /** groups. */
  joinGroup?(group: string, topics: readonly string[], listener: MemberListener): Promise<GroupMember>;
  /** groups: null when nothing is committed. */
  committed?(group: string, place: Place): Promise<number | null>;
  /** For logs that a test can start again: in an orderly way, or as if the power had gone. Resolves when it answers. */
  restart?(how: "close" | "crash"): Promise<void>;
  close(): Promise<void>;
}

/** What an adapter throws. `code` has Kafka's name for it where there is one. */
export class LogError extends Error {
  readonly code: string;
  readonly effect: "none" | "unknown";

  constructor(code: string, effect: "none" | "unknown", message: string = code, options?: { cause?: unknown }) {
    super(message, options);
    this.name = "LogError";
    this.code = code;
    this.effect = effect;
  }
}

/** What a mistake in a program throws. The fetch of some runtimes throws a TypeError for no answer, with its cause. */
const mistakes: ReadonlySet<unknown> = new Set(["TypeError", "ReferenceError", "SyntaxError"]);

/**
 * `fail` or `info`, and the code to write down, of anything thrown. Of what looks like a mistake in the adapter it says so:
 * what comes of it is told as the log's violation.
 */
export function outcomeOf(error: unknown): { readonly outcome: "fail" | "info"; readonly code: string } {
  const { effect, code, name, cause } = (typeof error === "object" && error !== null ? error : {}) as {
    readonly [Name in "effect" | "code" | "name" | "cause"]?: unknown;
  };
  const words = typeof code === "string" ? code : error instanceof Error ? error.message : String(error);
  const isMistake = effect === undefined && cause === undefined && mistakes.has(name);
  return {
    outcome: effect === "none" ? "fail" : "info",
    code: isMistake ? `${words} (the adapter threw a ${name}: it may be at fault, and not the log)` : words,
  };
}
