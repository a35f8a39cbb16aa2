// Errors as HTTP says them: RFC 9457 problem documents with code, retriable and effect.
//
// Owns: the one status of every error code, and the codes that only HTTP has.
// Never: decides whether a retry may help; that comes with the error (engine/errors.ts).
//
// Invariants: a 4xx means that nothing was appended; docs/http.md shows this table and a test
//   compares the two.

import { type Effect, type ErrorCode, MoldauError, toMoldauError } from "../../engine/index.ts";
import { respond } from "./respond.ts";

/** What only this face can refuse. */
export type RequestCode = "NOT_FOUND" | "METHOD_NOT_ALLOWED" | "NOT_ACCEPTABLE" | "UNSUPPORTED_MEDIA_TYPE";
export type ProblemCode = ErrorCode | RequestCode;

export const problemType = "application/problem+json";

export const errorStatus: Readonly<Record<ErrorCode, number>> = {
  CORRUPT_MESSAGE: 400,
  INVALID_COMMIT_OFFSET_SIZE: 400,
  INVALID_CONFIG: 400,
  INVALID_GROUP_ID: 400,
  INVALID_PARTITIONS: 400,
  INVALID_RECORD: 400,
  INVALID_REGULAR_EXPRESSION: 400,
  INVALID_REQUEST: 400,
  INVALID_SESSION_TIMEOUT: 400,
  INVALID_TIMESTAMP: 400,
  INVALID_TOPIC_EXCEPTION: 400,
  OFFSET_METADATA_TOO_LARGE: 400,
  UNSUPPORTED_ASSIGNOR: 400,
  UNSUPPORTED_COMPRESSION_TYPE: 400,
  UNSUPPORTED_FOR_MESSAGE_FORMAT: 400,
  POLICY_VIOLATION: 403,
  GROUP_ID_NOT_FOUND: 404,
  UNKNOWN_MEMBER_ID: 404,
  UNKNOWN_TOPIC_OR_PARTITION: 404,
  DUPLICATE_SEQUENCE_NUMBER: 409,
  FENCED_INSTANCE_ID: 409,
  FENCED_MEMBER_EPOCH: 409,
  GROUP_SUBSCRIBED_TO_TOPIC: 409,
  ILLEGAL_GENERATION: 409,
  INCONSISTENT_GROUP_PROTOCOL: 409,
  INVALID_PRODUCER_EPOCH: 409,
  MEMBER_ID_REQUIRED: 409,
  NON_EMPTY_GROUP: 409,
  OUT_OF_ORDER_SEQUENCE_NUMBER: 409,
  REBALANCE_IN_PROGRESS: 409,
  STALE_MEMBER_EPOCH: 409,
  TOPIC_ALREADY_EXISTS: 409,
  UNKNOWN_PRODUCER_ID: 409,
  UNRELEASED_INSTANCE_ID: 409,
  OFFSET_MISMATCH: 412,
  MESSAGE_TOO_LARGE: 413,
  OFFSET_OUT_OF_RANGE: 416,
  GROUP_MAX_SIZE_REACHED: 429,
  THROTTLING_QUOTA_EXCEEDED: 429,
  DATA_FOLDER_UNUSABLE: 500,
  UNKNOWN_SERVER_ERROR: 500,
  BROKER_CLOSED: 503,
  COORDINATOR_LOAD_IN_PROGRESS: 503,
  COORDINATOR_NOT_AVAILABLE: 503,
  KAFKA_STORAGE_ERROR: 503,
  LEADER_NOT_AVAILABLE: 503,
  NOT_COORDINATOR: 503,
  REQUEST_TIMED_OUT: 504,
};

export const requestStatus: Readonly<Record<RequestCode, number>> = {
  NOT_FOUND: 404,
  METHOD_NOT_ALLOWED: 405,
  NOT_ACCEPTABLE: 406,
  UNSUPPORTED_MEDIA_TYPE: 415,
};

const statuses: Readonly<Record<ProblemCode, number>> = { ...errorStatus, ...requestStatus };
/** Long enough for a sync or a look at a disk; short enough not to be felt. */
const retryAfterSeconds = 1;

/** An error as it stands in a result, a line of a stream, or an event. */
export interface ErrorMember {
  readonly code: ProblemCode;
  readonly retriable: boolean;
  readonly effect: Effect;
  readonly detail: string;
}

export interface Problem extends ErrorMember {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  /** Members of single codes, such as `logEndOffset`. */
  readonly [member: string]: string | number | boolean;
}

/** A request that HTTP itself refuses. */
export class RequestError extends Error {
  readonly code: RequestCode;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: RequestCode, message: string, headers: Readonly<Record<string, string>> = {}) {
    super(message);
    this.name = "RequestError";
    this.code = code;
    this.headers = headers;
  }
}

/** What is wrong with a request's own words. */
export function invalid(detail: string): MoldauError {
  return new MoldauError("INVALID_REQUEST", detail);
}

export function errorMember(thrown: unknown): ErrorMember {
  if (thrown instanceof RequestError) {
    return { code: thrown.code, retriable: false, effect: "none", detail: thrown.message };
  }
  const { code, retriable, effect, message } = toMoldauError(thrown);
  // The words of an error nobody foresaw are for the log: they may hold paths or data.
  const detail =
    code === "UNKNOWN_SERVER_ERROR" ? "the server met an error it did not foresee; its log has the rest" : message;
  return { code, retriable, effect, detail };
}

export function problemOf(thrown: unknown, members: Readonly<Record<string, number>> = {}): Problem {
  const { code, retriable, effect, detail } = errorMember(thrown);
  const words = code.toLowerCase().replaceAll("_", " ");
  const title = words.charAt(0).toUpperCase() + words.slice(1);
  const type = `urn:moldau:error:${code}`;
  return { type, title, status: statuses[code], detail, code, retriable, effect, ...members };
}

export function problemResponse(thrown: unknown, members: Readonly<Record<string, number>> = {}): Response {
  const problem = problemOf(thrown, members);
  const headers: Record<string, string> = thrown instanceof RequestError ? { ...thrown.headers } : {};
  if (problem.retriable && (problem.status === 429 || problem.status === 503)) {
    headers["retry-after"] = String(retryAfterSeconds);
  }
  if (problem.code === "OFFSET_MISMATCH" && members["logEndOffset"] !== undefined) {
    headers["etag"] = `"${members["logEndOffset"]}"`;
  }
  return respond(problem.status, problemType, JSON.stringify(problem), headers);
}
