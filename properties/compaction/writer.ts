// Producers of the compacted topic, two of them idempotent.
//
// Owns: what is sent, and what must come of it: offsets without a gap, and retries that are recognised.
//   Source: correctness.md A 15 (KAFKA-5490, KAFKA-8335: compaction keeps what is known of a producer's sequence).
// Never: reads.

import { dense } from "../checker/offsets.ts";
import { retriesAreRecognised, sequencesWithoutGap } from "../checker/producers.ts";
import { type Broker, MoldauError } from "../subject.ts";
import { encoded } from "./batches.ts";
import { Broken } from "./broken.ts";
import { type Ledger, type Producer, sequences } from "./ledger.ts";
import type { PlannedRecord } from "./plan.ts";
import { type Stage, topic } from "./stage.ts";

export class Writer {
  readonly #stage: Stage;
  readonly #ledger: Ledger;
  #sent = 0;

  constructor(stage: Stage, ledger: Ledger) {
    this.#stage = stage;
    this.#ledger = ledger;
  }

  /** One producer begins with sequence 0, the other right before the sequences wrap. */
  async begin(): Promise<void> {
    const { producers } = this.#ledger;
    while (producers.length < 2) {
      const { producerId } = await this.#stage.answer(() => this.#stage.broker.allocateProducer());
      producers.push({ id: producerId, nextSequence: producers.length === 0 ? 0 : sequences - 3, last: null });
    }
  }

  async append(records: readonly PlannedRecord[], packed: boolean, producer: Producer | null): Promise<void> {
    const ledger = this.#ledger;
    const timestamp = this.#stage.world.wallMs();
    const written = records.map(({ key, size }) => ({
      ...{ key: `k${key}`, value: size === null ? null : `v${this.#sent++}`, timestamp },
    }));
    const bytes = encoded(written, records, packed, producer);
    ledger.send({ records: written, producer, bytes });
    let appended: Awaited<ReturnType<Broker["appendBatches"]>>;
    try {
      appended = await this.#send(bytes);
    } catch (error) {
      if (!(error instanceof MoldauError) || error.code !== "MESSAGE_TOO_LARGE") throw error;
      ledger.refused();
      return;
    }
    const { baseOffset, lastOffset, duplicate } = appended;
    if (duplicate) throw new Broken(retriesAreRecognised, `offset ${baseOffset}`);
    if (baseOffset !== ledger.end) throw new Broken(dense, `${baseOffset} instead of ${ledger.end}`);
    ledger.adopt(lastOffset);
    if (packed) this.#stage.coverage.add("compressed batches");
  }

  /** The last batch again, and one behind a gap. */
  async retry(producer: Producer): Promise<void> {
    const { last } = producer;
    if (last === null) return;
    const again = await this.#send(last.bytes);
    if (!again.duplicate || again.baseOffset !== last.baseOffset || again.lastOffset !== last.lastOffset) {
      const got = `${again.duplicate ? "duplicate" : "appended"} ${again.baseOffset} to ${again.lastOffset}`;
      throw new Broken(
        retriesAreRecognised,
        `producer ${producer.id}: ${got} instead of ${last.baseOffset} to ${last.lastOffset}`,
      );
    }
    this.#stage.coverage.add("retries recognised");
    const ahead = { ...producer, nextSequence: (producer.nextSequence + 7) % sequences };
    const record = { key: "k0", value: "gap", timestamp: this.#stage.world.wallMs() };
    try {
      await this.#send(encoded([record], [{ key: 0, size: 9 }], false, ahead));
    } catch (error) {
      if (error instanceof MoldauError && error.code === "OUT_OF_ORDER_SEQUENCE_NUMBER") return;
      throw error;
    }
    throw new Broken(sequencesWithoutGap, `producer ${producer.id} was forgotten`);
  }

  #send(bytes: Uint8Array): ReturnType<Broker["appendBatches"]> {
    return this.#stage.answer(() => this.#stage.broker.appendBatches(topic, 0, bytes));
  }
}
