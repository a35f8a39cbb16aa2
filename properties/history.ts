// What happened, as clients saw it: the only thing an invariant may look at.
//
// Owns: the events' shapes and the words for them in a message.
// Never: judges. An outcome is `ok`, `fail` (certainly had no effect) or `info` (unknown);
//   only `info` may go either way. Clients stand outside the broker: what was under way
//   when it crashed is `info`.
//
// Events stand in the order in which they completed. `invokedAt` is the length of the
// history when the operation was sent, so everything before that index happened before it.

export type Outcome = "ok" | "fail" | "info";

interface Happened {
  /** Virtual milliseconds since the world began. */
  readonly atMs: number;
  /** Counts the broker's lives: 1 until the first crash or restart. */
  readonly incarnation: number;
  readonly invokedAt: number;
}

/** A partition of one life of a topic: `events-0@3fa2`, so that a topic created anew is another log. */
export type LogName = string;

export interface ProducedRecord {
  /**
   * Unique over the whole history, but for retries of an idempotent batch. `who.N` (`p0.17`) says of itself that it is
   * the N-th of `who`, and A3 holds it to that; of any other name the order of sending counts.
   */
  readonly value: string;
  /** Milliseconds since 1970, as sent; negative when the broker stamps it. */
  readonly timestamp: number;
  /** What compaction goes by. */
  readonly key?: string;
  /** The record's own value is null; `value` is its name all the same. */
  readonly tombstone?: boolean;
}

export interface Produced extends Happened {
  readonly kind: "produce";
  readonly process: string;
  readonly log: LogName;
  readonly acks: "all" | "leader" | "none";
  readonly records: readonly ProducedRecord[];
  readonly producer?: { readonly id: number; readonly epoch: number; readonly sequence: number };
  /** Whether this batch was sent before under the same producer stamp. */
  readonly retry?: boolean;
  readonly expectedEndOffset?: number;
  /** The broker may have made several batches of it, between which others may come. */
  readonly divisible?: boolean;
  readonly outcome: Outcome;
  readonly code?: string;
  /** One a record, when acknowledged. */
  readonly offsets?: readonly number[];
  /** Absent: the log does not say. */
  readonly duplicate?: boolean;
}

export interface ReadRecord {
  readonly offset: number;
  readonly timestamp: number;
  readonly value: string;
  readonly key?: string;
  readonly tombstone?: boolean;
}

export interface Read extends Happened {
  readonly kind: "read";
  readonly process: string;
  readonly log: LogName;
  /**
   * `audit` reads everything there is, when nothing else is under way; `cursor` goes on from its last
   * nextOffset; `group` is a delivery to a member of a group.
   */
  readonly manner: "audit" | "cursor" | "fetch" | "raw" | "group";
  /** With `group`: who it was delivered to, as what. */
  readonly group?: string;
  readonly member?: string;
  readonly generation?: number;
  readonly from: number;
  readonly outcome: Outcome;
  readonly code?: string;
  readonly records: readonly ReadRecord[];
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly nextOffset: number;
}

export interface Described extends Happened {
  readonly kind: "describe";
  readonly log: LogName;
  readonly state: "online" | "offline" | "fenced";
  readonly reason?: string;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly lastStableOffset: number;
  readonly logEndOffset: number;
  readonly segments: number;
  /** Nothing else is under way and everything had time to be synced. */
  readonly quiet: boolean;
  /** Neither a fault of the disk in this life nor damage that was done to it explains a state that is not online. */
  readonly sound?: boolean;
}

export interface LookedUp extends Happened {
  readonly kind: "look up";
  readonly log: LogName;
  readonly timestamp: number;
  readonly offset: number | null;
  readonly recordTimestamp: number | null;
}

/** A reader gave back the bytes of a raw fetch, some time after its answer. */
export interface Lent extends Happened {
  readonly kind: "lent";
  readonly log: LogName;
  readonly from: number;
  /** They were then what they had been at first. */
  readonly intact: boolean;
}

/** A segment as its file shows it. */
export interface SegmentSeen {
  readonly baseOffset: number;
  /** One past its last record. */
  readonly nextOffset: number;
  readonly sizeBytes: number;
  readonly maxTimestamp: number;
}

export interface Retained extends Happened {
  readonly kind: "retention";
  readonly log: LogName;
  readonly outcome: Outcome;
  /** Nothing else was under way: what should be deleted can be computed. */
  readonly alone: boolean;
  readonly nowMs: number;
  /** -1: keep for ever. */
  readonly retentionMs: number;
  readonly retentionBytes: number;
  readonly segments: readonly SegmentSeen[];
  readonly logStartOffset: number;
  readonly highWatermark: number;
}

/** What retention or delete-records left; follows its event once all is quiet. */
export interface SegmentsSeen extends Happened {
  readonly kind: "segments";
  readonly log: LogName;
  readonly logStartOffset: number;
  readonly segments: readonly SegmentSeen[];
}

export interface RecordsDeleted extends Happened {
  readonly kind: "delete records";
  readonly log: LogName;
  readonly before: number;
  readonly outcome: Outcome;
  readonly code?: string;
  readonly logStartOffset?: number;
}

export interface ProducerAllocated extends Happened {
  readonly kind: "allocate producer";
  readonly outcome: Outcome;
  readonly producerId?: number;
}

export interface TopicChanged extends Happened {
  readonly kind: "create topic" | "delete topic";
  readonly topic: string;
  /** Of this life of the topic. Where the log gives none, its name, which no other life of the history has. */
  readonly id?: string;
  readonly outcome: Outcome;
  readonly code?: string;
}

export interface TopicsListed extends Happened {
  readonly kind: "topics";
  /** Of all the topics of the history that there are, as in `create topic`. */
  readonly ids: readonly string[];
}

export interface Life extends Happened {
  /** `unclean`: the process ended in an orderly way, but not every log could be closed. */
  readonly kind: "crash" | "close" | "open";
  readonly detail: string;
  readonly clean?: boolean;
}

/** A topic's policy, from now on; a log without one is never compacted. */
export interface PolicySet extends Happened {
  readonly kind: "policy";
  readonly log: LogName;
  readonly compact: boolean;
  /** How long a tombstone stays readable at least. */
  readonly deleteRetentionMs: number;
}

export type GroupProtocol = "classic" | "consumer";

/** A member's whole share from now on. */
export interface Assigned extends Happened {
  readonly kind: "assign";
  readonly group: string;
  readonly member: string;
  /** Of the group in the classic protocol; the member's own epoch in the consumer protocol (KIP-848). */
  readonly generation: number;
  readonly protocol?: GroupProtocol;
  readonly partitions: readonly LogName[];
}

/** Given up, fenced, left or died: the member has these no more. */
export interface Revoked extends Happened {
  readonly kind: "revoke";
  readonly group: string;
  readonly member: string;
  readonly generation: number;
  readonly partitions: readonly LogName[];
}

export interface Committed extends Happened {
  readonly kind: "commit";
  readonly group: string;
  readonly member: string;
  readonly generation: number;
  readonly log: LogName;
  readonly offset: number;
  readonly outcome: Outcome;
  readonly code?: string;
}

/** What the group answers as committed; -1: nothing. */
export interface CommittedSeen extends Happened {
  readonly kind: "committed";
  readonly group: string;
  readonly member?: string;
  readonly log: LogName;
  readonly offset: number;
}

/** What was done to the log under test: for the timeline and the coverage; no invariant goes by it. */
export interface FaultInjected extends Happened {
  readonly kind: "fault";
  /** SIGKILL, partition of the network, stall, bit rot ... */
  readonly what: string;
  readonly detail: string;
  readonly log?: LogName;
  readonly process?: string;
}

/** A batch's leader epoch: as the batch itself says, and as the broker tells for its offset. */
export interface EpochSeen {
  readonly offset: number;
  readonly written: number;
  readonly told: number;
}

export interface EpochsSeen extends Happened {
  readonly kind: "epochs";
  readonly log: LogName;
  readonly batches: readonly EpochSeen[];
}

/** A folder that a stop in order left was walked. */
export interface Verified extends Happened {
  readonly kind: "verified";
  /** Errors and warnings, less those of damage that was done on purpose. */
  readonly findings: readonly string[];
}

/** All that could be compacted of a log was, with nobody else at work. */
export interface CompactedWhole extends Happened {
  readonly kind: "compacted";
  readonly log: LogName;
  /** Where the active segment began: what lies from there on was left alone. */
  readonly below: number;
  /** How many times it went over the log. */
  readonly passes?: number;
  /** What the broker's wall clock showed when it began, and when it was over. Milliseconds since 1970. */
  readonly beganMs?: number;
  readonly endedMs?: number;
}

/** Told when its log is given to another: when a member had last asked and was left it. */
export interface Heard extends Happened {
  readonly kind: "heard";
  readonly group: string;
  readonly member: string;
  readonly log: LogName;
  /** Virtual milliseconds, as `atMs`. */
  readonly sentMs: number;
  /** From then on, before the coordinator may give it up. */
  readonly patienceMs: number;
}

/** Something that should have ended did not: virtual time ran out, or nothing was left to wait for. */
export interface Stuck extends Happened {
  readonly kind: "stuck";
  readonly detail: string;
}

export type HistoryEvent =
  | Produced
  | Read
  | Described
  | LookedUp
  | Lent
  | Retained
  | SegmentsSeen
  | RecordsDeleted
  | ProducerAllocated
  | TopicChanged
  | TopicsListed
  | Life
  | PolicySet
  | Assigned
  | Revoked
  | Committed
  | CommittedSeen
  | FaultInjected
  | EpochsSeen
  | Verified
  | CompactedWhole
  | Heard
  | Stuck;

export type History = readonly HistoryEvent[];

type DistributiveOmit<T, K extends PropertyKey> = T extends unknown ? Omit<T, K> : never;
/** An event as whoever saw it tells it, before it is written down when that was. */
export type EventSketch = DistributiveOmit<HistoryEvent, keyof Happened>;

/** Where an event stands, for people. */
export function when(event: HistoryEvent): string {
  return `at ${Math.round(event.atMs)} ms in life ${event.incarnation}`;
}

/** Who did what, for people. */
export function tell(event: HistoryEvent): string {
  switch (event.kind) {
    case "produce": {
      const stamp = event.producer
        ? ` (producer ${event.producer.id}, epoch ${event.producer.epoch}, sequence ${event.producer.sequence})`
        : "";
      const what =
        event.records.length > 6
          ? `${words(event.records.slice(0, 5))}, .. ${words(event.records.slice(-1))}`
          : words(event.records);
      const answer =
        event.outcome === "ok"
          ? `acknowledged at ${event.offsets === undefined || event.offsets.length > 6 ? `${event.offsets?.[0]}..${event.offsets?.at(-1)}` : event.offsets.join(", ")}`
          : `${event.outcome} ${event.code ?? ""}`;
      return `${event.process} produced [${what}]${stamp} to ${event.log} with acks=${event.acks}: ${answer} ${when(event)}`;
    }
    case "read":
      return `${event.process} read ${event.log} from ${event.from} (${event.manner}${event.generation === undefined ? "" : `, generation ${event.generation}`}) to ${event.nextOffset}, high watermark ${event.highWatermark}, ${when(event)}`;
    case "describe":
      return `${event.log} was described as ${event.state}, ${event.logStartOffset}..${event.highWatermark}..${event.logEndOffset} ${when(event)}`;
    case "assign":
      return `${event.member} of ${event.group} was assigned [${event.partitions.join(", ")}] in generation ${event.generation} ${when(event)}`;
    case "revoke":
      return `${event.member} of ${event.group} gave up [${event.partitions.join(", ")}] of generation ${event.generation} ${when(event)}`;
    case "commit":
      return `${event.member} of ${event.group} committed ${event.offset} of ${event.log} in generation ${event.generation}: ${event.outcome}${event.code === undefined ? "" : ` ${event.code}`} ${when(event)}`;
    case "committed":
      return `${event.group} answered ${event.offset} as committed of ${event.log} ${when(event)}`;
    case "look up":
      return `the first record of ${event.log} at or after ${event.timestamp} was answered as ${event.offset} (timestamp ${event.recordTimestamp}) ${when(event)}`;
    case "delete records":
      return `records of ${event.log} before ${event.before} were deleted: ${event.outcome}${event.code === undefined ? "" : ` ${event.code}`} ${when(event)}`;
    default:
      return `${event.kind} ${when(event)}`;
  }
}

function words(records: readonly ProducedRecord[]): string {
  return records.map((record) => record.value).join(", ");
}
