// A history, sorted once for all invariants: what belongs to which log, and every value as a number.
//
// Owns: the columns. An invariant then compares whole numbers, whatever the values are, and a
//   history of a million operations is gone through many times in a few seconds.
// Never: judges.
//
// Events are named by their index in the history, values by a number of their log.

import type { History, HistoryEvent, LogName, Produced, ProducedRecord, Read } from "../history.ts";
import { type Replay, replay } from "../model.ts";

const none: readonly number[] = [];

/** What is known of the values of one log. -1: never sent there. */
export class LogIndex {
  readonly name: LogName;
  /** Of produce events. */
  readonly produces: number[] = [];
  /** Of reads that were answered. */
  readonly reads: number[] = [];
  /** Of descriptions of a partition that was not offline. */
  readonly describes: number[] = [];
  compacted = false;
  readonly #numbers: Map<string, number> = new Map();
  /** By value: the attempt to send it that was begun first, the last one answered, and its place in the batch. */
  readonly firstSent: number[] = [];
  readonly lastSent: number[] = [];
  readonly place: number[] = [];
  /** As sent; negative when that is the broker's to say. */
  readonly timestamp: number[] = [];
  readonly #firstInvoked: number[] = [];
  /** What was last seen at an offset: what is read again needs no other look-up. */
  readonly #valueAt: string[] = [];
  readonly #numberAt: number[] = [];

  constructor(name: LogName) {
    this.name = name;
  }

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
    }
    return number;
  }

  numberAt(offset: number, value: string): number {
    if (this.#valueAt[offset] === value) return this.#numberAt[offset] as number;
    const number = this.number(value);
    this.#valueAt[offset] = value;
    this.#numberAt[offset] = number;
    return number;
  }

  /** The answer to a retry may overtake that to the first attempt: `invokedAt` says which was first. */
  sent({ value, timestamp }: ProducedRecord, event: number, invokedAt: number, place: number): number {
    const number = this.number(value);
    const first = this.#firstInvoked[number];
    if (first === undefined || invokedAt < first) {
      this.#firstInvoked[number] = invokedAt;
      this.firstSent[number] = event;
      this.place[number] = place;
      this.timestamp[number] = timestamp;
    }
    this.lastSent[number] = event;
    return number;
  }
}

export class IndexedHistory {
  readonly events: History;
  readonly logs: Map<LogName, LogIndex> = new Map();
  /** Ends of the log's process that may have lost something. */
  readonly crashes: number[] = [];
  /** By event: the numbers of its records' values, of produces and of answered reads. */
  readonly #values: (readonly number[])[];
  /** Of clients. */
  operations = 0;

  constructor(events: History) {
    this.events = events;
    this.#values = new Array(events.length).fill(none);
    events.forEach((event, index) => {
      // Counted here: to look at a million events once more costs as much as some invariants do.
      if (isOperation(event)) this.operations += 1;
      if (event.kind === "crash" || (event.kind === "close" && event.clean !== true)) this.crashes.push(index);
      else if (event.kind === "produce") {
        const log = this.log(event.log);
        log.produces.push(index);
        this.#values[index] = event.records.map((record, place) => log.sent(record, index, event.invokedAt, place));
      } else if (event.kind === "read" && event.outcome === "ok") {
        const log = this.log(event.log);
        log.reads.push(index);
        this.#values[index] = event.records.map(({ offset, value }) => log.numberAt(offset, value));
      } else if (event.kind === "describe" && event.state !== "offline") this.log(event.log).describes.push(index);
      else if (event.kind === "policy") this.log(event.log).compacted ||= event.compact;
    });
  }

  log(name: LogName): LogIndex {
    let log = this.logs.get(name);
    if (log === undefined) {
      log = new LogIndex(name);
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

  valuesOf(index: number): readonly number[] {
    return this.#values[index] as readonly number[];
  }

  #replay: Replay | null = null;

  /** The history beside the simplest log there is. */
  get replay(): Replay {
    this.#replay ??= replay(this.events);
    return this.#replay;
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
    return low < this.crashes.length && (this.crashes[low] as number) < to;
  }
}

/** Whether a client asked for it; the others tell what happened to the log, or what it looks like from within. */
function isOperation({ kind }: HistoryEvent): boolean {
  switch (kind) {
    case "produce":
    case "read":
    case "look up":
    case "delete records":
    case "allocate producer":
    case "create topic":
    case "delete topic":
    case "commit":
    case "committed":
      return true;
    default:
      return false;
  }
}
