// A history, sorted once for all invariants: what belongs to which log, what is of which kind, and its
// records as columns of numbers.
//
// Owns: the columns, and that what goes into them is a history (history-shapes.ts). An invariant then compares whole
//   numbers, whatever the values are, and a history of a million operations is gone through many times in a few seconds.
// Never: judges.
//
// Events are named by their index in the history, values by a number of their log, records by a row.
// To go through all events in their order costs a fraction of going through them log by log: memory is
// read ahead.

import type { History, HistoryEvent, LogName, Produced, ProducedRecord, Read } from "../history.ts";
import { Slots } from "../slots.ts";
import { demandArray, demandEvent, demandRecords, isReadRecord, isSentRecord } from "./history-shapes.ts";
import { PartitionReplay } from "./replay.ts";

type Kind = HistoryEvent["kind"];
/** The events that can be of a kind; some kinds share a shape. */
type OfKind<K extends Kind, Event = HistoryEvent> = Event extends { readonly kind: infer Own }
  ? [Own & K] extends [never]
    ? never
    : Event & { readonly kind: Own & K }
  : never;

/** What a client asked for; the others tell what happened to the log, or what it looks like from within. */
const operationKinds: ReadonlySet<Kind> = new Set<Kind>([
  "produce",
  "read",
  "look up",
  "delete records",
  "allocate producer",
  "create topic",
  "delete topic",
  "commit",
  "committed",
]);

// Shared memory does not count as the collector's: the growth of other buffers would have it go through
// the whole history, a second each time for a long one.
function column(length: number): Int32Array {
  return new Int32Array(new SharedArrayBuffer(4 * length));
}

function wideColumn(length: number): Float64Array {
  return new Float64Array(new SharedArrayBuffer(8 * length));
}

/** What is known of the values of one log. -1: never sent there. */
export class LogIndex {
  readonly name: LogName;
  /** Of produce events. */
  readonly produces: number[] = [];
  /** Of reads that were answered. */
  readonly reads: number[] = [];
  compacted = false;
  /** The log beside the simplest log there is. */
  readonly replay: PartitionReplay;

  /** By value: the attempt to send it that was begun first, and the last one answered. */
  readonly firstSent: number[] = [];
  readonly lastSent: number[] = [];
  /** By value: its place in its batch. */
  readonly place: number[] = [];
  /** By value: as sent; negative when that is the broker's to say. */
  readonly timestamp: number[] = [];
  readonly #firstInvoked: number[] = [];
  readonly #numbers: Map<string, number> = new Map();
  /** What was last seen or acknowledged at an offset: it needs no other look-up when it is read. By slot. */
  readonly #slots: Slots = new Slots();
  readonly #valueAt: string[] = [];
  readonly #numberAt: number[] = [];

  constructor(name: LogName, history: IndexedHistory) {
    this.name = name;
    this.replay = new PartitionReplay(name, history);
  }

  /** How many different ones there are. */
  get values(): number {
    return this.firstSent.length;
  }

  number(value: string): number {
    let number = this.#numbers.get(value);
    if (number === undefined) {
      number = this.firstSent.length;
      this.#numbers.set(value, number);
      this.firstSent.push(-1);
      this.lastSent.push(-1);
      this.place.push(-1);
      this.timestamp.push(-1);
      this.#firstInvoked.push(Number.POSITIVE_INFINITY);
    }
    return number;
  }

  numberAt(offset: number, value: string): number {
    const slot = this.#slots.of(offset);
    if (this.#valueAt[slot] === value) return this.#numberAt[slot] as number;
    const number = this.number(value);
    this.#valueAt[slot] = value;
    this.#numberAt[slot] = number;
    return number;
  }

  /** The answer to a retry may overtake that to the first attempt: `invokedAt` says which was first. */
  sent(number: number, timestamp: number, event: number, invokedAt: number, place: number): void {
    if (invokedAt < (this.#firstInvoked[number] as number)) {
      this.#firstInvoked[number] = invokedAt;
      this.firstSent[number] = event;
      this.place[number] = place;
      this.timestamp[number] = timestamp;
    }
    this.lastSent[number] = event;
  }
}

export class IndexedHistory {
  readonly events: History;
  readonly logs: Map<LogName, LogIndex> = new Map();
  /** Ends of the log's process that may have lost something. */
  readonly crashes: number[] = [];
  /** Of clients. */
  operations = 0;

  /** By row: the number of the record's value. */
  readonly value: Int32Array;
  /** By row: where the record was read, or acknowledged; -1 when it was not. */
  readonly offset: Float64Array;
  /** By row: as read; of a produce as sent. */
  readonly timestamp: Float64Array;
  readonly #firstRow: Int32Array;
  /** By event. */
  readonly #kind: Uint8Array;
  /** Kinds have numbers in the order in which they come. */
  readonly #kinds: Map<Kind, number> = new Map();

  /** @throws {HistoryShapeError} */
  constructor(events: History) {
    demandArray(events);
    this.events = events;
    this.#kind = new Uint8Array(events.length);
    this.#firstRow = column(events.length + 1);
    const rows = this.#sort();
    this.value = column(rows);
    this.offset = wideColumn(rows);
    this.timestamp = wideColumn(rows);
    events.forEach((event, index) => this.#add(event, index));
  }

  /** What each event is, and which rows are its own; how many rows there are. */
  #sort(): number {
    let rows = 0;
    for (let index = 0; index < this.events.length; index++) {
      const event = this.events[index] as HistoryEvent;
      demandEvent(event, index);
      const { kind } = event;
      if (operationKinds.has(kind)) this.operations++;
      this.#kind[index] = this.#numberOf(kind);
      this.#firstRow[index] = rows;
      if (event.kind === "produce" || (event.kind === "read" && event.outcome === "ok")) rows += event.records.length;
    }
    this.#firstRow[this.events.length] = rows;
    return rows;
  }

  #numberOf(kind: Kind): number {
    let number = this.#kinds.get(kind);
    if (number === undefined) {
      number = this.#kinds.size;
      this.#kinds.set(kind, number);
    }
    return number;
  }

  #add(event: HistoryEvent, index: number): void {
    if (event.kind === "produce") this.#addProduce(event, index);
    else if (event.kind === "read") this.#addRead(event, index);
    else if (event.kind === "describe") {
      if (event.state !== "offline") this.log(event.log).replay.described(event, index);
    } else if (event.kind === "policy") this.log(event.log).compacted ||= event.compact;
    else if (event.kind === "crash" || (event.kind === "close" && event.clean !== true)) {
      this.crashes.push(index);
      for (const log of this.logs.values()) log.replay.crashed(index);
    }
  }

  #addProduce(event: Produced, index: number): void {
    const { records, offsets, invokedAt } = event;
    const log = this.log(event.log);
    const first = this.firstRow(index);
    log.produces.push(index);
    for (let place = 0; place < records.length; place++) {
      const record = records[place] as ProducedRecord;
      if (!isSentRecord(record)) demandRecords(event, index);
      const { value, timestamp } = record;
      const offset = offsets?.[place];
      const number = offset === undefined ? log.number(value) : log.numberAt(offset, value);
      log.sent(number, timestamp, index, invokedAt, place);
      this.value[first + place] = number;
      this.offset[first + place] = offset ?? -1;
      this.timestamp[first + place] = timestamp;
    }
    log.replay.produced(event, index);
  }

  #addRead(event: Read, index: number): void {
    if (event.outcome !== "ok") return;
    const log = this.log(event.log);
    log.reads.push(index);
    let row = this.firstRow(index);
    for (const record of event.records) {
      if (!isReadRecord(record)) demandRecords(event, index);
      const { offset, value, timestamp } = record;
      this.value[row] = log.numberAt(offset, value);
      this.offset[row] = offset;
      this.timestamp[row] = timestamp;
      row++;
    }
    log.replay.read(event, index);
  }

  log(name: LogName): LogIndex {
    let log = this.logs.get(name);
    if (log === undefined) {
      log = new LogIndex(name, this);
      this.logs.set(name, log);
    }
    return log;
  }

  event(index: number): HistoryEvent {
    return this.events[index] as HistoryEvent;
  }

  produced(index: number): Produced {
    return this.events[index] as Produced;
  }

  read(index: number): Read {
    return this.events[index] as Read;
  }

  /** Of the records of a produce, or of an answered read. */
  firstRow(index: number): number {
    return this.#firstRow[index] as number;
  }

  /** One past the last row. */
  endRow(index: number): number {
    return this.#firstRow[index + 1] as number;
  }

  /** Calls with every event of some kinds, in their order. */
  forEach<K extends Kind>(kinds: readonly K[], call: (event: OfKind<K>, index: number) => void): void {
    const wanted = new Uint8Array(this.#kinds.size);
    for (const kind of kinds) {
      const number = this.#kinds.get(kind);
      if (number !== undefined) wanted[number] = 1;
    }
    if (!wanted.includes(1)) return;
    for (let index = 0; index < this.#kind.length; index++)
      if (wanted[this.#kind[index] as number] === 1) call(this.events[index] as OfKind<K>, index);
  }

  /** Whether the log's process ended in an unclean way after event `from` and before event `to`. */
  crashedBetween(from: number, to: number): boolean {
    let low = 0;
    let high = this.crashes.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.crashes[middle] as number) < from) low = middle + 1;
      else high = middle;
    }
    return (this.crashes[low] ?? to) < to;
  }
}
