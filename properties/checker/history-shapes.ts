// The shape of a history that somebody hands in: what was written down elsewhere, read from JSON, or made by hand.
//
// Owns: which fields an event of each kind has, and what is told of one that has others.
// Never: judges: an event of the right shape may say anything.

import type { HistoryEvent, Produced, ProducedRecord, Read, ReadRecord } from "../history.ts";
import { array, boolean, fields, list, number, oneOf, or, type Shape, text, type Wrong, whole } from "../shapes.ts";

/** What was given as a history is none: nothing can be said of its log. */
export class HistoryShapeError extends TypeError {
  /** Of the event, in the history; -1 when the history itself is no array. */
  readonly index: number;
  /** Of the event: `records[3].offset`; empty for all of it. */
  readonly field: string;
  readonly found: string;
  readonly expected: string;

  constructor(index: number, { at, found, expected }: Wrong, why: string = "") {
    const what = index < 0 ? "the history" : `event ${index} of the history`;
    super(
      `${what}${at === "" ? "" : `: ${at.replace(/^\./, "")}`} is ${found}, and has to be ${expected}${why}; docs/properties.md has the shapes`,
    );
    this.name = "HistoryShapeError";
    this.index = index;
    this.field = at.replace(/^\./, "");
    this.found = found;
    this.expected = expected;
  }
}

type Kind = HistoryEvent["kind"];
type Happened = "kind" | "atMs" | "incarnation" | "invokedAt";
type FieldsOf<K extends Kind, Event = HistoryEvent> = Event extends { readonly kind: infer Own }
  ? [Own & K] extends [never]
    ? never
    : Exclude<keyof Event, Happened>
  : never;

const maybe = (shape: Shape): Shape => or(undefined, shape);
const outcome = oneOf("ok", "fail", "info");
const named = { key: maybe(text), tombstone: maybe(boolean) };
/** Of a produce's `records`. */
export const sentRecord: Shape = fields({ value: text, timestamp: number, ...named });
/** Of a read's `records`. */
export const readRecord: Shape = fields({ offset: whole, ...{ value: text, timestamp: number }, ...named });

const segments = list(fields({ baseOffset: whole, nextOffset: whole, sizeBytes: whole, maxTimestamp: number }));
const life = { detail: text, clean: maybe(boolean) };
const topic = { topic: text, id: maybe(text), outcome, code: maybe(text) };
const member = { group: text, member: text, generation: whole };

/** What each kind adds to what every event has; docs/properties.md prints it. */
export const eventShapes: { readonly [K in Kind]: Readonly<Record<FieldsOf<K>, Shape>> } = {
  produce: {
    ...{ process: text, log: text, acks: oneOf("all", "leader", "none"), outcome, code: maybe(text) },
    records: array,
    producer: maybe(fields({ id: whole, epoch: whole, sequence: whole })),
    ...{ retry: maybe(boolean), expectedEndOffset: maybe(whole), divisible: maybe(boolean) },
    ...{ offsets: maybe(list(whole)), duplicate: maybe(boolean) },
  },
  read: {
    ...{ process: text, log: text, manner: oneOf("audit", "cursor", "fetch", "raw", "group"), outcome },
    ...{ group: maybe(text), member: maybe(text), generation: maybe(whole), code: maybe(text), from: whole },
    records: array,
    ...{ logStartOffset: whole, highWatermark: whole, nextOffset: whole },
  },
  describe: {
    ...{ log: text, state: oneOf("online", "offline", "fenced"), reason: maybe(text) },
    ...{ logStartOffset: whole, highWatermark: whole, lastStableOffset: whole, logEndOffset: whole },
    ...{ segments: whole, quiet: boolean, sound: maybe(boolean) },
  },
  "look up": { log: text, timestamp: number, offset: or(null, whole), recordTimestamp: or(null, number) },
  lent: { log: text, from: whole, intact: boolean },
  retention: {
    ...{ log: text, outcome, alone: boolean, nowMs: number, retentionMs: number, retentionBytes: number, segments },
    ...{ logStartOffset: whole, highWatermark: whole },
  },
  segments: { log: text, logStartOffset: whole, segments },
  "delete records": { log: text, before: whole, outcome, code: maybe(text), logStartOffset: maybe(whole) },
  "allocate producer": { outcome, producerId: maybe(whole) },
  "create topic": topic,
  "delete topic": topic,
  topics: { ids: list(text) },
  crash: life,
  close: life,
  open: life,
  policy: { log: text, compact: boolean, deleteRetentionMs: number },
  assign: { ...member, protocol: maybe(oneOf("classic", "consumer")), partitions: list(text) },
  revoke: { ...member, partitions: list(text) },
  commit: { ...member, log: text, offset: whole, outcome, code: maybe(text) },
  committed: { group: text, member: maybe(text), log: text, offset: whole },
  fault: { what: text, detail: text, log: maybe(text), process: maybe(text) },
  epochs: { log: text, batches: list(fields({ offset: whole, written: whole, told: whole })) },
  verified: { findings: list(text) },
  compacted: { log: text, below: whole, passes: maybe(whole), beganMs: maybe(number), endedMs: maybe(number) },
  heard: { group: text, member: text, log: text, sentMs: number, patienceMs: number },
  stuck: { detail: text },
};

/** What every event has besides its kind. */
export const happened: Readonly<Record<string, Shape>> = { atMs: number, incarnation: whole, invokedAt: whole };
const events: ReadonlyMap<unknown, Shape> = new Map(
  Object.entries(eventShapes).map(([kind, own]) => [kind, fields({ ...happened, ...own })]),
);
const unknownKind = fields({ kind: oneOf(...Object.keys(eventShapes)) });

/** @throws {HistoryShapeError} for what is no array. */
export function demandArray(history: unknown): asserts history is readonly unknown[] {
  const wrong = array(history);
  if (wrong !== null) throw new HistoryShapeError(-1, wrong, " of events (of a report it is history.events)");
}

/**
 * Of all of an event but the records that were sent or read, of which there are many: who goes through them does it.
 *
 * @throws {HistoryShapeError}
 */
export function demandEvent(event: HistoryEvent, index: number): void {
  if (!isUsual(event)) {
    const wrong = (events.get(event?.kind) ?? unknownKind)(event);
    if (wrong !== null) throw new HistoryShapeError(index, wrong);
  }
  const { invokedAt } = event;
  if (invokedAt < 0 || invokedAt > index)
    throw new HistoryShapeError(
      index,
      { at: ".invokedAt", found: `${invokedAt}`, expected: `from 0 to ${index}` },
      ": it is how many events there were when it was sent (the history of a report that says it was cut lacks some)",
    );
}

/** @throws {HistoryShapeError} */
export function demandRecords(event: Produced | Read, index: number): void {
  const wrong = fields({ records: list(event.kind === "read" ? readRecord : sentRecord) })(event);
  if (wrong !== null) throw new HistoryShapeError(index, wrong);
}

// ---- at a glance: most of a history is reads, produces, and their records. What is not known for good here is held
// against its shape.

function isUsual(event: HistoryEvent): boolean {
  if (event?.kind === "read")
    return (
      isPlaced(event) &&
      (event.manner === "cursor" || event.manner === "audit" || event.manner === "fetch" || event.manner === "group") &&
      isAbsentOr("string", event.group) &&
      isAbsentOr("string", event.member) &&
      (event.generation === undefined || Number.isSafeInteger(event.generation)) &&
      Number.isSafeInteger(event.from) &&
      Number.isSafeInteger(event.nextOffset) &&
      Number.isSafeInteger(event.logStartOffset) &&
      Number.isSafeInteger(event.highWatermark)
    );
  return (
    event?.kind === "produce" &&
    isPlaced(event) &&
    (event.acks === "all" || event.acks === "leader") &&
    isAbsentOr("boolean", event.retry) &&
    isAbsentOr("boolean", event.duplicate) &&
    isAbsentOr("boolean", event.divisible) &&
    (event.expectedEndOffset === undefined || Number.isSafeInteger(event.expectedEndOffset)) &&
    (event.producer === undefined || isStamp(event.producer)) &&
    Array.isArray(event.offsets) &&
    areWhole(event.offsets)
  );
}

function isAbsentOr(type: "string" | "boolean", value: unknown): boolean {
  return value === undefined || typeof value === type;
}

function isStamp(producer: Produced["producer"]): boolean {
  return (
    Number.isSafeInteger(producer?.id) &&
    Number.isSafeInteger(producer?.epoch) &&
    Number.isSafeInteger(producer?.sequence)
  );
}

function areWhole(numbers: readonly unknown[]): boolean {
  for (const number of numbers) if (!Number.isSafeInteger(number)) return false;
  return true;
}

function isPlaced({ atMs, incarnation, invokedAt, log, process, outcome, code, records }: Produced | Read): boolean {
  return (
    outcome === "ok" &&
    code === undefined &&
    typeof process === "string" &&
    Number.isFinite(atMs) &&
    Number.isSafeInteger(incarnation) &&
    Number.isSafeInteger(invokedAt) &&
    typeof log === "string" &&
    Array.isArray(records)
  );
}

export function isSentRecord(record: ProducedRecord): boolean {
  if (typeof record !== "object" || record === null) return false;
  const { value, timestamp, key, tombstone } = record;
  return (
    typeof value === "string" &&
    Number.isFinite(timestamp) &&
    (key === undefined || typeof key === "string") &&
    (tombstone === undefined || typeof tombstone === "boolean")
  );
}

export function isReadRecord(record: ReadRecord): boolean {
  return isSentRecord(record) && Number.isSafeInteger(record.offset);
}
