// What a partition remembers of its idempotent producers: enough to answer a retry with the
// offset of the first attempt, and to refuse a gap.
//
// Owns: the last five batches of each producer, the verdict on the next one, and the bytes of a
//   `.snapshot` file.
// Never: files, clocks, or whether a duplicate may be answered yet (that waits for the high
//   watermark, in the partition).
//
// Invariants: at most five batches and maxProducersPerPartition producers; producers lie in the
//   order of their last batch, the longest silent first; the state after a run of updates depends
//   on nothing but that run, so a snapshot and the log after it give what the whole log gives.
//
// A snapshot is Kafka's, version 1, with a section of ours behind it. Kafka's reader stops after
// its entries, but its checksum covers the whole rest of the file, ours too.
//
//   0         2         6          10
//   | version | CRC-32C | entries  | entry ...                                     Kafka's
//   | 1       | of 6..  |          |
//   0             8       10         14       22       26          34            38         46
//   | producer id | epoch | last     | last   | offset | timestamp | coordinator | txn first
//   |             |       | sequence | offset | delta  |           | epoch, -1   | offset, -1
//
//   | "MOLD" | version | one part an entry, in their order ...                     ours
//   |        | int16 1 |
//   | records known | older  | batch: last sequence int32, last offset int64,
//   | int32         | int8   |        offset delta int32, timestamp int64; oldest first
//
// Source: ProducerStateManager and ProducerAppendInfo of Kafka 4; KIP-98.

import { MoldauError } from "../errors.ts";
import { batchesPerProducer, maxProducersPerPartition } from "../limits.ts";

const sequenceSpan = 2 ** 31;

const kafkaVersion = 1;
const entriesPosition = 6;
const entrySizeBytes = 46;
const sectionMagic = 0x4d4f4c44; // "MOLD"
const sectionVersion = 1;
const sectionHeaderBytes = 6;
const partHeaderBytes = 5;
const olderBatchBytes = 24;

export type SequenceVerdict =
  | { readonly kind: "new" }
  | {
      readonly kind: "duplicate";
      readonly baseOffset: number;
      readonly lastOffset: number;
      readonly timestamp: number;
    };

/** A batch before it has an offset. */
export interface ProducerBatch {
  readonly producerId: number;
  readonly producerEpoch: number;
  /** int32, wraps to 0 after 2^31-1; a batch may straddle the wrap. */
  readonly baseSequence: number;
  readonly recordCount: number;
}

export interface AppendedProducerBatch extends ProducerBatch {
  readonly baseOffset: number;
  readonly lastOffset: number;
  /** The batch's maximum timestamp. Milliseconds. */
  readonly timestamp: number;
}

export interface RememberedBatch {
  readonly lastSequence: number;
  readonly lastOffset: number;
  readonly offsetDelta: number;
  readonly timestamp: number;
}

/** A producer as it is remembered: its last batches, the oldest first, never none. */
export interface RememberedProducer {
  readonly producerId: number;
  readonly producerEpoch: number;
  readonly batches: readonly RememberedBatch[];
}

interface Producer {
  epoch: number;
  /** Oldest first; never empty. */
  batches: RememberedBatch[];
  /** How many sequences back from the last one are known to have been appended without a gap; at most half the span. */
  knownRecords: number;
}

const isNew: SequenceVerdict = { kind: "new" };

export class ProducerState {
  readonly #producers: Map<number, Producer> = new Map();

  /** Producers remembered. */
  get size(): number {
    return this.#producers.size;
  }

  /** The longest silent first. */
  *producers(): Generator<RememberedProducer, void, void> {
    for (const [producerId, { epoch, batches }] of this.#producers) yield { producerId, producerEpoch: epoch, batches };
  }

  /**
   * Judges a batch before it is appended. Throws INVALID_PRODUCER_EPOCH for an older epoch,
   * OUT_OF_ORDER_SEQUENCE_NUMBER for a gap, DUPLICATE_SEQUENCE_NUMBER for a batch that was
   * certainly appended but is no longer among the last five.
   */
  check(batch: ProducerBatch): SequenceVerdict {
    const producer = this.#producers.get(batch.producerId);
    // Its records may have been deleted by retention: any sequence is a beginning, as in Kafka.
    if (producer === undefined) return isNew;
    if (batch.producerEpoch < producer.epoch) {
      throw new MoldauError(
        "INVALID_PRODUCER_EPOCH",
        `producer ${batch.producerId} has epoch ${batch.producerEpoch}, but a newer one with epoch ${producer.epoch} took over`,
      );
    }
    if (batch.producerEpoch > producer.epoch) {
      if (batch.baseSequence === 0) return isNew;
      throw outOfOrder(batch, `the first batch of the new epoch ${batch.producerEpoch} must have sequence 0`);
    }
    const last = producer.batches.at(-1)!;
    const expected = (last.lastSequence + 1) % sequenceSpan;
    if (batch.baseSequence === expected) return isNew;

    const lastSequence = lastSequenceOf(batch);
    for (const known of producer.batches) {
      if (known.lastSequence === lastSequence && firstSequence(known) === batch.baseSequence) {
        return {
          kind: "duplicate",
          baseOffset: known.lastOffset - known.offsetDelta,
          lastOffset: known.lastOffset,
          timestamp: known.timestamp,
        };
      }
    }
    // A client takes DUPLICATE_SEQUENCE_NUMBER for success, so it is said only of what was certainly appended.
    const stepsBack = (expected - batch.baseSequence + sequenceSpan) % sequenceSpan;
    const rememberedRecords = producer.batches.reduce((sum, known) => sum + known.offsetDelta + 1, 0);
    const behindRemembered = stepsBack - batch.recordCount >= rememberedRecords;
    if (stepsBack <= producer.knownRecords && behindRemembered) {
      throw new MoldauError(
        "DUPLICATE_SEQUENCE_NUMBER",
        `producer ${batch.producerId} sent sequence ${batch.baseSequence} again; it was appended, but its offset is no longer remembered (only the last ${batchesPerProducer} batches are)`,
      );
    }
    throw outOfOrder(batch, `expected ${expected}`);
  }

  /** Remembers an appended batch, unjudged: recovery replays the log with it. */
  update(batch: AppendedProducerBatch): void {
    // Compaction takes records and leaves the offsets: sequences follow the offsets, not the count.
    const offsetDelta = batch.lastOffset - batch.baseOffset;
    const appended: RememberedBatch = {
      lastSequence: (batch.baseSequence + offsetDelta) % sequenceSpan,
      lastOffset: batch.lastOffset,
      offsetDelta,
      timestamp: batch.timestamp,
    };
    const producer = this.#producers.get(batch.producerId);
    const previous = producer?.batches.at(-1);
    // Moving it to the end keeps the map in the order of the last batch.
    this.#producers.delete(batch.producerId);
    if (producer === undefined || previous === undefined || producer.epoch !== batch.producerEpoch) {
      this.#producers.set(batch.producerId, {
        epoch: batch.producerEpoch,
        batches: [appended],
        knownRecords: offsetDelta + 1,
      });
    } else {
      const follows = batch.baseSequence === (previous.lastSequence + 1) % sequenceSpan;
      producer.knownRecords = Math.min(
        follows ? producer.knownRecords + offsetDelta + 1 : offsetDelta + 1,
        sequenceSpan / 2,
      );
      // A gap in the log: the producer had been forgotten when this batch was accepted as a beginning.
      if (!follows) producer.batches.length = 0;
      producer.batches.push(appended);
      if (producer.batches.length > batchesPerProducer) producer.batches.shift();
      this.#producers.set(batch.producerId, producer);
    }
    if (this.#producers.size > maxProducersPerPartition) {
      const longestSilent = this.#producers.keys().next().value!;
      this.#producers.delete(longestSilent);
    }
  }

  /** Forgets producers whose last batch is `expirationMs` old or older; says how many. */
  expire(nowMs: number, expirationMs: number): number {
    let expired = 0;
    for (const [producerId, producer] of this.#producers) {
      if (nowMs - producer.batches.at(-1)!.timestamp < expirationMs) continue;
      this.#producers.delete(producerId);
      expired += 1;
    }
    return expired;
  }

  clear(): void {
    this.#producers.clear();
  }

  /** Same producers, in the same order of silence, with the same batches. */
  equals(other: ProducerState): boolean {
    if (this.size !== other.size) return false;
    const others = other.#producers.entries();
    for (const [producerId, producer] of this.#producers) {
      const [otherId, otherProducer] = others.next().value!;
      if (producerId !== otherId || !sameProducer(producer, otherProducer)) return false;
    }
    return true;
  }

  /** The bytes of a `.snapshot`; `crc32c` is the kernel's. */
  serialize(crc32c: (bytes: Uint8Array) => number): Uint8Array {
    let sizeBytes = entriesPosition + 4 + sectionHeaderBytes;
    for (const producer of this.#producers.values()) {
      sizeBytes += entrySizeBytes + partHeaderBytes + (producer.batches.length - 1) * olderBatchBytes;
    }
    const bytes = new Uint8Array(sizeBytes);
    const writer = new Cursor(bytes);
    writer.int16(kafkaVersion);
    writer.int32(0); // the checksum's place
    writer.int32(this.#producers.size);
    for (const [producerId, producer] of this.#producers) {
      writer.int64(producerId);
      writer.int16(producer.epoch);
      writer.batch(producer.batches.at(-1)!);
      writer.int32(-1);
      writer.int64(-1);
    }
    writer.int32(sectionMagic);
    writer.int16(sectionVersion);
    for (const producer of this.#producers.values()) {
      writer.int32(producer.knownRecords);
      writer.int8(producer.batches.length - 1);
      for (const batch of producer.batches.slice(0, -1)) writer.batch(batch);
    }
    writer.view.setUint32(2, crc32c(bytes.subarray(entriesPosition)));
    return bytes;
  }

  /** null when the bytes are no whole snapshot. Kafka's own are read too: they remember one batch a producer. */
  static parse(bytes: Uint8Array, crc32c: (bytes: Uint8Array) => number): ProducerState | null {
    if (bytes.length < entriesPosition + 4) return null;
    const reader = new Cursor(bytes);
    if (reader.readInt16() !== kafkaVersion) return null;
    if (reader.view.getUint32(2) !== crc32c(bytes.subarray(entriesPosition)) >>> 0) return null;
    reader.position = entriesPosition;
    const count = reader.readInt32();
    if (count < 0 || reader.left < count * entrySizeBytes) return null;
    const state = new ProducerState();
    const producers: Producer[] = [];
    for (let index = 0; index < count; index += 1) {
      const producerId = reader.readInt64();
      const epoch = reader.readInt16();
      const batch = reader.readBatch();
      reader.position += 12; // coordinator epoch and first offset of a transaction: not ours yet
      // Kafka has entries without a batch for producers that only ended a transaction.
      if (batch.lastOffset < 0) continue;
      const producer: Producer = { epoch, batches: [batch], knownRecords: batch.offsetDelta + 1 };
      producers.push(producer);
      state.#producers.set(producerId, producer);
    }
    if (state.size !== producers.length) return null;
    return readSection(reader, producers) ? state : null;
  }
}

/** The state a `.snapshot` holds; null when the bytes are no whole snapshot. */
export function parseProducerSnapshot(bytes: Uint8Array, crc32c: (bytes: Uint8Array) => number): ProducerState | null {
  return ProducerState.parse(bytes, crc32c);
}

function readSection(reader: Cursor, producers: readonly Producer[]): boolean {
  if (reader.left === 0) return true; // Kafka wrote it
  if (reader.left < sectionHeaderBytes || reader.readInt32() !== sectionMagic) return false;
  if (reader.readInt16() !== sectionVersion) return false;
  for (const producer of producers) {
    if (reader.left < partHeaderBytes) return false;
    producer.knownRecords = reader.readInt32();
    const older = reader.readInt8();
    if (older < 0 || older >= batchesPerProducer || reader.left < older * olderBatchBytes) return false;
    const batches: RememberedBatch[] = [];
    for (let index = 0; index < older; index += 1) batches.push(reader.readBatch());
    producer.batches = [...batches, ...producer.batches];
  }
  return reader.left === 0;
}

function lastSequenceOf(batch: ProducerBatch): number {
  return (batch.baseSequence + batch.recordCount - 1) % sequenceSpan;
}

function firstSequence(batch: RememberedBatch): number {
  return (batch.lastSequence - batch.offsetDelta + sequenceSpan) % sequenceSpan;
}

function outOfOrder(batch: ProducerBatch, expectation: string): MoldauError {
  return new MoldauError(
    "OUT_OF_ORDER_SEQUENCE_NUMBER",
    `producer ${batch.producerId} sent sequence ${batch.baseSequence}, but ${expectation}; an earlier batch is missing, or this one was never remembered`,
  );
}

function sameProducer(one: Producer, other: Producer): boolean {
  return (
    one.epoch === other.epoch &&
    one.knownRecords === other.knownRecords &&
    one.batches.length === other.batches.length &&
    one.batches.every((batch, index) => {
      const twin = other.batches[index]!;
      return (
        batch.lastSequence === twin.lastSequence &&
        batch.lastOffset === twin.lastOffset &&
        batch.offsetDelta === twin.offsetDelta &&
        batch.timestamp === twin.timestamp
      );
    })
  );
}

/** A big-endian reader and writer that walks; callers check `left`. */
class Cursor {
  readonly view: DataView;
  position = 0;

  constructor(bytes: Uint8Array) {
    this.view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  get left(): number {
    return this.view.byteLength - this.position;
  }

  int8(value: number): void {
    this.view.setInt8(this.#advance(1), value);
  }
  int16(value: number): void {
    this.view.setInt16(this.#advance(2), value);
  }
  int32(value: number): void {
    this.view.setInt32(this.#advance(4), value);
  }
  int64(value: number): void {
    this.int32(Math.floor(value / 4294967296));
    this.view.setUint32(this.#advance(4), value % 4294967296);
  }
  batch(batch: RememberedBatch): void {
    this.int32(batch.lastSequence);
    this.int64(batch.lastOffset);
    this.int32(batch.offsetDelta);
    this.int64(batch.timestamp);
  }

  readInt8(): number {
    return this.view.getInt8(this.#advance(1));
  }
  readInt16(): number {
    return this.view.getInt16(this.#advance(2));
  }
  readInt32(): number {
    return this.view.getInt32(this.#advance(4));
  }
  readInt64(): number {
    const position = this.#advance(8);
    return this.view.getInt32(position) * 4294967296 + this.view.getUint32(position + 4);
  }
  readBatch(): RememberedBatch {
    return {
      lastSequence: this.readInt32(),
      lastOffset: this.readInt64(),
      offsetDelta: this.readInt32(),
      timestamp: this.readInt64(),
    };
  }

  #advance(sizeBytes: number): number {
    const position = this.position;
    this.position += sizeBytes;
    return position;
  }
}
