// Records on their way into a topic: to their partitions, in batches, and each one's outcome to
// its place.
//
// Owns: which record goes where, and what becomes of each: a receipt, or its partition's error.
// Never: writes a batch itself (record-columns.ts, kernel), or waits where nothing is to come.
//
// Invariants: one partition's records are appended in their order with nobody else's between
//   them, in as few batches as fit, in one synchronous step.

import { MoldauError, toMoldauError } from "../errors.ts";
import type { EncodeOptions, Kernel } from "../kernel/kernel.ts";
import type { Appended } from "../log/log.ts";
import type { AppendNow, Partition } from "./partition.ts";
import { Partitioner } from "./partitioner.ts";
import { type BatchBounds, RecordColumns } from "./record-columns.ts";
import type { Topic } from "./topics.ts";
import type { ProduceOptions, ProduceResult, RecordInput } from "./types.ts";

export interface AppenderContext {
  readonly kernel: Kernel;
  readonly find: (topic: string, partition: number) => Partition;
  /** Appends and counts. */
  readonly append: (append: AppendNow, bytes: Uint8Array, expectedEndOffset: number | undefined) => Appended;
  /** How long to wait for an acknowledgement when nobody says. */
  readonly timeoutMs: number;
}

/** One call of produce. */
interface Production {
  readonly topic: Topic;
  readonly records: readonly RecordInput[];
  readonly options: ProduceOptions;
  readonly now: number;
  readonly bounds: BatchBounds;
  readonly results: ProduceResult[];
}

/** The records of one partition; places null: all there are. */
interface Group {
  readonly partition: number;
  readonly places: number[] | null;
}

export class RecordAppender {
  readonly #context: AppenderContext;
  readonly #columns: RecordColumns;
  readonly #partitioner: Partitioner;

  constructor(context: AppenderContext) {
    this.#context = context;
    this.#columns = new RecordColumns(context.kernel);
    this.#partitioner = new Partitioner(context.kernel);
  }

  /** Appends at once; a promise when an acknowledgement is still to come. Throws for what is no record. */
  produce(
    topic: Topic,
    records: readonly RecordInput[],
    options: ProduceOptions,
    now: number,
  ): ProduceResult[] | Promise<ProduceResult[]> {
    for (let place = 0; place < records.length; place += 1) requireRecord(records[place], place);
    const single = options.producer !== undefined || options.expectedEndOffset !== undefined;
    const { maxMessageBytes, segmentBytes } = topic.config;
    const bounds = { maxBytes: Math.min(maxMessageBytes, segmentBytes), single };
    const results: ProduceResult[] = new Array(records.length);
    const production: Production = { topic, records, options, now, bounds, results };
    const groups = this.#group(production);
    if (groups.length === 1) {
      const waiting = this.#appendGroup(production, groups[0]!);
      return waiting === null ? results : waiting.then(() => results);
    }
    return Promise.all(groups.map((group) => this.#appendGroup(production, group))).then(() => results);
  }

  /** By partition, in the order of their first records. */
  #group({ topic, records, options }: Production): readonly Group[] {
    if (options.partition !== undefined) return [{ partition: options.partition, places: null }];
    const { length } = topic.partitions;
    const partitionOf = ({ partition, key }: RecordInput): number =>
      partition ?? (length === 1 ? 0 : this.#partitioner.partitionFor(key ?? null, length));
    const first = partitionOf(records[0]!);
    let groups: Map<number, Group & { readonly places: number[] }> | null = null;
    for (let place = 1; place < records.length; place += 1) {
      const partition = partitionOf(records[place]!);
      if (groups === null) {
        if (partition === first) continue;
        const places = Array.from({ length: place }, (_, before) => before);
        groups = new Map([[first, { partition: first, places }]]);
      }
      const group = groups.get(partition);
      if (group === undefined) groups.set(partition, { partition, places: [place] });
      else group.places.push(place);
    }
    return groups === null ? [{ partition: first, places: null }] : [...groups.values()];
  }

  #appendGroup(production: Production, { partition, places }: Group): Promise<unknown> | null {
    const { topic, records, options, now, bounds } = production;
    const count = places === null ? records.length : places.length;
    const stamp = producerFields(options.producer);
    let waiting: Promise<void>[] | null = null;
    let done = 0;
    const refuseRest = (thrown: unknown): void => refuse(production, places, done, count, thrown);
    try {
      const found = this.#context.find(topic.meta.name, partition);
      const appending = found.append((append) => {
        while (done < count) {
          const from = done;
          const taken = this.#columns.fill(records, places, from, now, bounds);
          const bytes = this.#context.kernel.encodeColumns(taken, stamp);
          const appended = this.#context.append(append, bytes, options.expectedEndOffset);
          done += taken;
          const answer = this.#answer(production, found, places, from, taken, appended);
          if (answer !== null) (waiting ??= []).push(answer);
        }
      });
      if (appending instanceof Promise) return appending.catch(refuseRest).then(() => Promise.all(waiting ?? []));
    } catch (thrown) {
      refuseRest(thrown);
    }
    return waiting === null ? null : Promise.all(waiting);
  }

  /** The outcome of one batch's records; null when they have it. */
  #answer(
    production: Production,
    partition: Partition,
    places: readonly number[] | null,
    from: number,
    count: number,
    appended: Appended,
  ): Promise<void> | null {
    const { acks = "all", timeoutMs = this.#context.timeoutMs } = production.options;
    const accept = (): void => receive(production, partition, places, from, count, appended);
    if (acks !== "all" || partition.isAcknowledged(appended.lastOffset)) {
      accept();
      return null;
    }
    return partition
      .acknowledged(appended.lastOffset, timeoutMs)
      .then(accept, (thrown) => refuse(production, places, from, from + count, thrown));
  }
}

function receive(
  { records, now, results }: Production,
  { context: { partition } }: Partition,
  places: readonly number[] | null,
  from: number,
  count: number,
  { baseOffset, appendTimeMs, duplicate }: Appended,
): void {
  for (let at = 0; at < count; at += 1) {
    const place = places === null ? from + at : places[from + at]!;
    const timestamp = appendTimeMs >= 0 ? appendTimeMs : (records[place]!.timestamp ?? now);
    results[place] = { partition, offset: baseOffset + at, timestamp, duplicate };
  }
}

function refuse(
  { results }: Production,
  places: readonly number[] | null,
  from: number,
  end: number,
  thrown: unknown,
): void {
  const error = toMoldauError(thrown);
  for (let at = from; at < end; at += 1) results[places === null ? at : places[at]!] = { error };
}

/** Whoever writes JavaScript has no types that say it: a number would be stored as nothing. */
function requireRecord(record: RecordInput | undefined, place: number): void {
  if (typeof record !== "object" || record === null) {
    throw new MoldauError("INVALID_RECORD", `record ${place} is ${record}: it must be an object, { key, value, ... }`);
  }
  const { key, value, headers, timestamp } = record;
  requirePayload(key, "key", place);
  requirePayload(value, "value", place);
  if (headers !== undefined) for (const [, content] of headers) requirePayload(content, "header", place);
  if (timestamp === undefined || (Number.isSafeInteger(timestamp) && timestamp >= 0)) return;
  throw new MoldauError("INVALID_TIMESTAMP", `record ${place}: ${timestamp} is no time in milliseconds since 1970`);
}

function requirePayload(payload: unknown, what: string, place: number): void {
  if (payload === undefined || payload === null || typeof payload === "string" || payload instanceof Uint8Array) return;
  const kind = Array.isArray(payload) ? "an array" : `of type ${typeof payload}`;
  throw new MoldauError(
    "INVALID_RECORD",
    `record ${place}: the ${what} is ${kind}, and must be a string, a Uint8Array or null: JSON.stringify makes a string`,
  );
}

const noStamp: EncodeOptions = {};

function producerFields(producer: ProduceOptions["producer"]): EncodeOptions {
  if (producer === undefined) return noStamp;
  const { producerId, producerEpoch, sequence } = producer;
  return { producerId, producerEpoch, baseSequence: sequence };
}
