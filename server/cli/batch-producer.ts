// Records into batches, batches to partitions, in order and each exactly once.
//
// Owns: the batches being filled, the few that are on their way, and their sequences. The producer
//   id makes a retry safe: the broker stores a sequence once and refuses a gap, so requests of one
//   partition may overtake each other and only have to be sent again.
// Never: reads input, or holds more than `maxBufferedBytes`.
//
// Invariants: a partition has at most `maxInFlight` batches on their way (the broker remembers a
//   producer's last five); after the first failure nothing is sent any more.

import { type Kernel, limits, type RecordToEncode } from "../../engine/index.ts";
import { type Client, ClientError, rawType, retrying, topicPath } from "./client.ts";

export interface BatchProducerOptions {
  readonly client: Client;
  readonly kernel: Kernel;
  readonly topic: string;
  readonly partitions: number;
  readonly acks: "all" | "leader" | "none";
  /** A batch is sent when it holds this much, or `lingerMs` after its first record. Bytes. */
  readonly batchBytes: number;
  readonly lingerMs: number;
  readonly giveUpAfterMs: number;
  readonly onAcknowledged: (records: number, bytes: number) => void;
}

const maxInFlight = 4;
const maxBufferedBytes = 16 * 1024 * 1024;
const sequenceSpan = 2 ** 31;
/** A record's length, attributes, deltas and lengths of key and value, at most; and a header's. Bytes. */
const recordOverheadBytes = 36;
const headerOverheadBytes = 10;

interface Filling {
  readonly partition: number;
  records: RecordToEncode[];
  bytes: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  nextSequence: number;
  inFlight: number;
  /** Settles when the batch sent last is acknowledged. */
  last: Promise<void>;
}

export class BatchProducer {
  readonly #options: BatchProducerOptions;
  readonly #producer: { readonly producerId: number; readonly producerEpoch: number };
  readonly #partitions: Filling[];
  #sticky = 0;
  #bufferedBytes = 0;
  #failure: unknown;
  /** Resolves at the first failure, which `finish` then rejects with; else never. */
  readonly failed: Promise<void>;
  #fail: () => void = () => {};
  #waiting: (() => void)[] = [];

  private constructor(options: BatchProducerOptions, producer: { producerId: number; producerEpoch: number }) {
    this.#options = options;
    this.#producer = producer;
    this.failed = new Promise((resolve) => {
      this.#fail = resolve;
    });
    this.#partitions = Array.from({ length: options.partitions }, (_, partition) => {
      return {
        partition,
        records: [],
        bytes: 0,
        timer: undefined,
        nextSequence: 0,
        inFlight: 0,
        last: Promise.resolve(),
      };
    });
  }

  static async open(options: BatchProducerOptions): Promise<BatchProducer> {
    const { client, giveUpAfterMs } = options;
    const allocate = () =>
      client.json<{ producerId: number; producerEpoch: number }>("/v1/producers", { method: "POST", body: {} });
    return new BatchProducer(options, await retrying(allocate, { giveUpAfterMs }));
  }

  /** Takes a record; resolves when there is room for another. Its bytes have to stay as they are. */
  add(record: RecordToEncode, partition?: number): Promise<void> | undefined {
    if (this.#failure !== undefined) throw this.#failure;
    const filling = this.#partitions[partition ?? this.#choose(record.key)] as Filling;
    const bytes = sizeOf(record);
    if (filling.records.length > 0 && filling.bytes + bytes > this.#options.batchBytes) this.#flush(filling);
    filling.records.push(record);
    filling.bytes += bytes;
    this.#bufferedBytes += bytes;
    if (filling.bytes >= this.#options.batchBytes) this.#flush(filling);
    else filling.timer ??= setTimeout(() => this.#flush(filling), this.#options.lingerMs);
    if (this.#bufferedBytes > maxBufferedBytes) return this.#room();
  }

  /** Sends what is left and resolves when all is acknowledged; rejects with the first failure. */
  async finish(): Promise<void> {
    for (const filling of this.#partitions) this.#flush(filling);
    await Promise.all(this.#partitions.map((filling) => filling.last));
    if (this.#failure !== undefined) throw this.#failure;
  }

  #choose(key: Uint8Array | null): number {
    const { kernel, partitions } = this.#options;
    if (key !== null) return (kernel.murmur2(key) & 0x7fffffff) % partitions;
    return this.#sticky;
  }

  #flush(filling: Filling): void {
    clearTimeout(filling.timer);
    filling.timer = undefined;
    const { records, bytes } = filling;
    if (records.length === 0 || this.#failure !== undefined) return;
    filling.records = [];
    filling.bytes = 0;
    // Records without a key go to one partition a batch, as Kafka's clients spread them.
    if (filling.partition === this.#sticky) this.#sticky = (this.#sticky + 1) % this.#options.partitions;
    const baseSequence = filling.nextSequence;
    filling.nextSequence = (baseSequence + records.length) % sequenceSpan;
    const before = filling.last;
    filling.last = this.#send(filling, () => this.#encode(records, bytes, baseSequence), before).then(
      () => {
        this.#options.onAcknowledged(records.length, bytes);
        this.#release(bytes);
      },
      (error: unknown) => {
        this.#failure ??= error;
        this.#fail();
        this.#release(bytes);
      },
    );
  }

  #encode(records: readonly RecordToEncode[], bytes: number, baseSequence: number): Uint8Array {
    if (bytes > limits.maxRunBytes) {
      throw new ClientError(
        "MESSAGE_TOO_LARGE",
        `a record of ${bytes} bytes is over the largest there may be, ${limits.maxRunBytes} bytes`,
        false,
      );
    }
    return this.#options.kernel.encodeBatch(records, { ...this.#producer, baseSequence }).slice();
  }

  async #send(filling: Filling, encode: () => Uint8Array, before: Promise<void>): Promise<void> {
    while (filling.inFlight >= maxInFlight) await this.#change();
    filling.inFlight++;
    const batch = encode();
    const { client, topic, acks, giveUpAfterMs } = this.#options;
    const path = `${topicPath(topic)}/partitions/${filling.partition}/records`;
    const attempt = async (): Promise<void> => {
      if (this.#failure !== undefined) throw this.#failure;
      const response = await client.send(path, {
        method: "POST",
        query: { acks },
        headers: { "content-type": rawType },
        body: batch,
      });
      await response.arrayBuffer();
    };
    try {
      try {
        await retrying(attempt, { giveUpAfterMs });
      } catch (error) {
        if (!(error instanceof ClientError) || error.code !== "OUT_OF_ORDER_SEQUENCE_NUMBER") throw error;
        // It overtook the one before: its turn comes when that one is there.
        await before;
        await retrying(attempt, { giveUpAfterMs });
      }
    } catch (error) {
      // Appended before, so long ago that its offset is forgotten.
      if (!(error instanceof ClientError) || error.code !== "DUPLICATE_SEQUENCE_NUMBER") throw error;
    } finally {
      filling.inFlight--;
    }
    await before;
  }

  #release(bytes: number): void {
    this.#bufferedBytes -= bytes;
    const waiting = this.#waiting;
    this.#waiting = [];
    for (const wake of waiting) wake();
  }

  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #room(): Promise<void> {
    while (this.#bufferedBytes > maxBufferedBytes && this.#failure === undefined) await this.#change();
    if (this.#failure !== undefined) throw this.#failure;
  }
}

function sizeOf(record: RecordToEncode): number {
  let bytes = recordOverheadBytes + (record.key?.length ?? 0) + (record.value?.length ?? 0);
  for (const [name, value] of record.headers) bytes += headerOverheadBytes + name.length + (value?.length ?? 0);
  return bytes;
}
