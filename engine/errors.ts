// Every way an operation can be refused, with what a caller needs to decide on a retry.
//
// Owns: the codes (Kafka's names where Kafka has one), whether a retry may help,
//   and what the failed operation may have left behind.
// Never: an HTTP status or a Kafka error number; each edge translates once
//   (server/http/problem.ts).

/** What a failed operation left behind: `none` is certain; `unknown` means the write may have landed. */
export type Effect = "none" | "unknown";

interface ErrorKind {
  readonly retriable: boolean;
  readonly effect: Effect;
}

export type ErrorCode =
  | "UNKNOWN_SERVER_ERROR"
  | "OFFSET_OUT_OF_RANGE"
  | "CORRUPT_MESSAGE"
  | "UNKNOWN_TOPIC_OR_PARTITION"
  | "REQUEST_TIMED_OUT"
  | "MESSAGE_TOO_LARGE"
  | "INVALID_TOPIC_EXCEPTION"
  | "TOPIC_ALREADY_EXISTS"
  | "INVALID_PARTITIONS"
  | "INVALID_CONFIG"
  | "INVALID_REQUEST"
  | "INVALID_TIMESTAMP"
  | "INVALID_RECORD"
  | "UNSUPPORTED_FOR_MESSAGE_FORMAT"
  | "UNSUPPORTED_COMPRESSION_TYPE"
  | "OUT_OF_ORDER_SEQUENCE_NUMBER"
  | "DUPLICATE_SEQUENCE_NUMBER"
  | "INVALID_PRODUCER_EPOCH"
  | "UNKNOWN_PRODUCER_ID"
  | "POLICY_VIOLATION"
  | "KAFKA_STORAGE_ERROR"
  | "LEADER_NOT_AVAILABLE"
  | "THROTTLING_QUOTA_EXCEEDED"
  | "COORDINATOR_LOAD_IN_PROGRESS"
  | "COORDINATOR_NOT_AVAILABLE"
  | "NOT_COORDINATOR"
  | "ILLEGAL_GENERATION"
  | "INCONSISTENT_GROUP_PROTOCOL"
  | "INVALID_GROUP_ID"
  | "UNKNOWN_MEMBER_ID"
  | "INVALID_SESSION_TIMEOUT"
  | "REBALANCE_IN_PROGRESS"
  | "OFFSET_METADATA_TOO_LARGE"
  | "INVALID_COMMIT_OFFSET_SIZE"
  | "NON_EMPTY_GROUP"
  | "GROUP_ID_NOT_FOUND"
  | "MEMBER_ID_REQUIRED"
  | "GROUP_MAX_SIZE_REACHED"
  | "FENCED_INSTANCE_ID"
  | "GROUP_SUBSCRIBED_TO_TOPIC"
  | "FENCED_MEMBER_EPOCH"
  | "UNRELEASED_INSTANCE_ID"
  | "UNSUPPORTED_ASSIGNOR"
  | "STALE_MEMBER_EPOCH"
  | "INVALID_REGULAR_EXPRESSION"
  | "OFFSET_MISMATCH"
  | "BROKER_CLOSED"
  | "DATA_FOLDER_UNUSABLE";

const kinds: Readonly<Record<ErrorCode, ErrorKind>> = {
  UNKNOWN_SERVER_ERROR: { retriable: false, effect: "unknown" },
  OFFSET_OUT_OF_RANGE: { retriable: false, effect: "none" },
  CORRUPT_MESSAGE: { retriable: false, effect: "none" },
  UNKNOWN_TOPIC_OR_PARTITION: { retriable: false, effect: "none" },
  REQUEST_TIMED_OUT: { retriable: true, effect: "unknown" },
  MESSAGE_TOO_LARGE: { retriable: false, effect: "none" },
  INVALID_TOPIC_EXCEPTION: { retriable: false, effect: "none" },
  TOPIC_ALREADY_EXISTS: { retriable: false, effect: "none" },
  INVALID_PARTITIONS: { retriable: false, effect: "none" },
  INVALID_CONFIG: { retriable: false, effect: "none" },
  INVALID_REQUEST: { retriable: false, effect: "none" },
  INVALID_TIMESTAMP: { retriable: false, effect: "none" },
  INVALID_RECORD: { retriable: false, effect: "none" },
  UNSUPPORTED_FOR_MESSAGE_FORMAT: { retriable: false, effect: "none" },
  UNSUPPORTED_COMPRESSION_TYPE: { retriable: false, effect: "none" },
  OUT_OF_ORDER_SEQUENCE_NUMBER: { retriable: false, effect: "none" },
  DUPLICATE_SEQUENCE_NUMBER: { retriable: false, effect: "none" },
  INVALID_PRODUCER_EPOCH: { retriable: false, effect: "none" },
  UNKNOWN_PRODUCER_ID: { retriable: false, effect: "none" },
  POLICY_VIOLATION: { retriable: false, effect: "none" },
  // The disk is full, or fenced by an I/O error: the partition refuses writes, reads go on.
  KAFKA_STORAGE_ERROR: { retriable: true, effect: "none" },
  // The partition is offline: corrupt below its recovery point, or its data cannot be opened.
  LEADER_NOT_AVAILABLE: { retriable: true, effect: "none" },
  THROTTLING_QUOTA_EXCEEDED: { retriable: true, effect: "none" },
  // Groups. What a member does about most of these is to join again, so that the same request again does not help.
  COORDINATOR_LOAD_IN_PROGRESS: { retriable: true, effect: "none" },
  COORDINATOR_NOT_AVAILABLE: { retriable: true, effect: "none" },
  NOT_COORDINATOR: { retriable: true, effect: "none" },
  ILLEGAL_GENERATION: { retriable: false, effect: "none" },
  INCONSISTENT_GROUP_PROTOCOL: { retriable: false, effect: "none" },
  INVALID_GROUP_ID: { retriable: false, effect: "none" },
  UNKNOWN_MEMBER_ID: { retriable: false, effect: "none" },
  INVALID_SESSION_TIMEOUT: { retriable: false, effect: "none" },
  REBALANCE_IN_PROGRESS: { retriable: false, effect: "none" },
  OFFSET_METADATA_TOO_LARGE: { retriable: false, effect: "none" },
  INVALID_COMMIT_OFFSET_SIZE: { retriable: false, effect: "none" },
  NON_EMPTY_GROUP: { retriable: false, effect: "none" },
  GROUP_ID_NOT_FOUND: { retriable: false, effect: "none" },
  MEMBER_ID_REQUIRED: { retriable: false, effect: "none" },
  GROUP_MAX_SIZE_REACHED: { retriable: false, effect: "none" },
  FENCED_INSTANCE_ID: { retriable: false, effect: "none" },
  GROUP_SUBSCRIBED_TO_TOPIC: { retriable: false, effect: "none" },
  FENCED_MEMBER_EPOCH: { retriable: false, effect: "none" },
  UNRELEASED_INSTANCE_ID: { retriable: false, effect: "none" },
  UNSUPPORTED_ASSIGNOR: { retriable: false, effect: "none" },
  STALE_MEMBER_EPOCH: { retriable: false, effect: "none" },
  INVALID_REGULAR_EXPRESSION: { retriable: false, effect: "none" },
  // Ours: Kafka has no name for them.
  OFFSET_MISMATCH: { retriable: false, effect: "none" },
  BROKER_CLOSED: { retriable: true, effect: "none" },
  DATA_FOLDER_UNUSABLE: { retriable: false, effect: "none" },
};

export const errorCodes: readonly ErrorCode[] = Object.keys(kinds) as ErrorCode[];

export interface MoldauErrorOptions {
  readonly cause?: unknown;
  /** Overrides the code's usual effect, e.g. when a sync failed after the bytes were written. */
  readonly effect?: Effect;
  readonly retriable?: boolean;
}

/** The one error type of the engine: `message` says what was wrong and what to do. */
export class MoldauError extends Error {
  readonly code: ErrorCode;
  readonly retriable: boolean;
  readonly effect: Effect;

  constructor(code: ErrorCode, message: string, options: MoldauErrorOptions = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "MoldauError";
    this.code = code;
    this.retriable = options.retriable ?? kinds[code].retriable;
    this.effect = options.effect ?? kinds[code].effect;
  }
}

/** Turns whatever was thrown into a MoldauError, so that an edge has one type to translate. */
export function toMoldauError(thrown: unknown): MoldauError {
  if (thrown instanceof MoldauError) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new MoldauError("UNKNOWN_SERVER_ERROR", message, { cause: thrown });
}
