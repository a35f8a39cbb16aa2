// An idempotent producer's batches are stored once and without a gap.
//
// Owns: correctness.md A 15 for one broker, and that no producer id is handed out twice.

import type { History, Invariant, Produced } from "../history.ts";
import { tell, when } from "../history.ts";

const sequences = 2 ** 31;
const remembered = 5; // Kafka's number of batches a producer

type Stamped = Produced & {
  readonly producer: { readonly id: number; readonly epoch: number; readonly sequence: number };
};

function stamped(event: Produced): event is Stamped {
  return event.producer !== undefined;
}

export const sequencesWithoutGap: Invariant = {
  name: "A15: the sequences of a producer lie in the log without a gap, its epochs in rising order",
  source: "KIP-98, KIP-360; KAFKA-7692 (overflow); redpanda#3039 (client epoch bump)",
  check(history: History): string[] {
    const messages: string[] = [];
    const stampOf = new Map<string, { id: number; epoch: number; sequence: number }>();
    for (const event of history) {
      if (event.kind !== "produce" || !stamped(event)) continue;
      event.records.forEach((record, index) => {
        const { id, epoch, sequence } = event.producer;
        stampOf.set(`${event.log} ${record.value}`, { id, epoch, sequence: (sequence + index) % sequences });
      });
    }
    for (const event of history) {
      if (event.kind !== "read" || event.manner !== "audit" || event.outcome !== "ok") continue;
      const last = new Map<number, { epoch: number; sequence: number; offset: number }>();
      for (const record of event.records) {
        const stamp = stampOf.get(`${event.log} ${record.value}`);
        if (stamp === undefined) continue;
        const before = last.get(stamp.id);
        if (before !== undefined) {
          const follows =
            stamp.epoch === before.epoch
              ? stamp.sequence === (before.sequence + 1) % sequences
              : stamp.epoch > before.epoch && stamp.sequence === 0;
          if (!follows) {
            messages.push(
              `producer ${stamp.id}: epoch ${stamp.epoch} sequence ${stamp.sequence} at ${record.offset} follows epoch ${before.epoch} sequence ${before.sequence} at ${before.offset}: ${tell(event)}`,
            );
          }
        }
        last.set(stamp.id, { epoch: stamp.epoch, sequence: stamp.sequence, offset: record.offset });
      }
    }
    return messages;
  },
};

/** Codes that say the partition could not answer, that a newer epoch fenced the producer, or that a limit was lowered since. */
const unavailable = new Set([
  "MESSAGE_TOO_LARGE",
  "KAFKA_STORAGE_ERROR",
  "LEADER_NOT_AVAILABLE",
  "BROKER_CLOSED",
  "UNKNOWN_TOPIC_OR_PARTITION",
  "INVALID_PRODUCER_EPOCH",
]);

export const retriesAreRecognised: Invariant = {
  name: "A15 A20: a retry of one of a producer's last five batches is answered with the first offset",
  source: "KIP-98; Kafka's ProducerStateManager; through snapshot recovery (KAFKA-10076)",
  check(history: History): string[] {
    const messages: string[] = [];
    const stored = new Map<string, Stamped>();
    const sent = new Map<string, Stamped[]>();
    for (const event of history)
      if (event.kind === "produce" && stamped(event)) {
        const key = `${event.log} ${event.producer.id}`;
        sent.set(key, [...(sent.get(key) ?? []), event]);
      }
    history.forEach((event, index) => {
      if (event.kind !== "produce" || !stamped(event)) return;
      const key = `${event.log} ${event.producer.id} ${event.producer.epoch} ${event.producer.sequence}`;
      const original = stored.get(key);
      if (original !== undefined && history.indexOf(original) < event.invokedAt && event.outcome !== "info") {
        // Others that may have been stored since push it out of the remembered five.
        const since = new Set<string>();
        let fenced = false;
        for (const other of sent.get(`${event.log} ${event.producer.id}`) ?? []) {
          if (other.invokedAt > index) continue;
          if (other.producer.epoch > event.producer.epoch) fenced = true;
          if (other.records[0]?.value !== event.records[0]?.value)
            since.add(`${other.producer.epoch} ${other.producer.sequence}`);
        }
        const later = [...since].filter((name) => isAfter(name, event)).length;
        if (event.outcome === "ok") {
          if (event.offsets?.[0] !== original.offsets?.[0])
            messages.push(`${tell(original)}; the retry got another offset: ${tell(event)}`);
          else if (event.duplicate !== true)
            messages.push(`${tell(original)}; the retry was not recognised: ${tell(event)}`);
        } else if (later < remembered && !fenced && !unavailable.has(event.code ?? "")) {
          messages.push(`${tell(original)}; the retry was refused: ${tell(event)}`);
        }
      }
      if (event.outcome === "ok" && event.acks === "all" && original === undefined) stored.set(key, event);
    });
    return messages;
  },
};

function isAfter(name: string, event: Stamped): boolean {
  const [epoch, sequence] = name.split(" ").map(Number) as [number, number];
  if (epoch !== event.producer.epoch) return epoch > event.producer.epoch;
  const ahead = (sequence - event.producer.sequence + sequences) % sequences;
  return ahead > 0 && ahead < sequences / 2;
}

export const theNextIsAccepted: Invariant = {
  name: "A15: the batch that follows the last one stored is not refused for its sequence",
  source: "KAFKA-7692 (overflow); KIP-360 (a new epoch begins at 0); through snapshot recovery",
  check(history: History): string[] {
    const messages: string[] = [];
    const attempts = new Map<string, { event: Stamped; index: number }[]>();
    history.forEach((event, index) => {
      if (event.kind !== "produce" || !stamped(event)) return;
      const key = `${event.log} ${event.producer.id}`;
      attempts.set(key, [...(attempts.get(key) ?? []), { event, index }]);
    });
    for (const sent of attempts.values()) {
      for (const { event, index } of sent) {
        if (event.outcome !== "fail" || event.code !== "OUT_OF_ORDER_SEQUENCE_NUMBER") continue;
        // The last one stored, when that is certain: nothing else is under way or in doubt.
        let last: Stamped | null = null;
        let certain = true;
        for (const other of sent) {
          if (other.event === event || other.event.invokedAt > index || other.event.outcome === "fail") continue;
          if (
            other.event.producer.epoch === event.producer.epoch &&
            other.event.producer.sequence === event.producer.sequence
          )
            continue;
          if (other.event.outcome !== "ok" || other.event.acks !== "all" || other.index >= event.invokedAt)
            certain = false;
          else if (last === null || comesAfter(other.event, last)) last = other.event;
        }
        if (!certain || last === null) continue;
        const { epoch, sequence } = last.producer;
        const next =
          event.producer.epoch === epoch
            ? (sequence + last.records.length) % sequences
            : event.producer.epoch > epoch
              ? 0
              : null;
        if (event.producer.sequence === next) messages.push(`${tell(last)}; the next one was refused: ${tell(event)}`);
      }
    }
    return messages;
  },
};

function comesAfter(one: Stamped, other: Stamped): boolean {
  return isAfter(`${one.producer.epoch} ${one.producer.sequence}`, other);
}

export const producerIdsAreNew: Invariant = {
  name: "A15: no producer id is handed out twice, through crashes too",
  source: "architecture.md, Producers: an id used twice is falsely deduplicated, which loses data",
  check(history: History): string[] {
    const messages: string[] = [];
    const given = new Map<number, string>();
    for (const event of history) {
      if (event.kind !== "allocate producer" || event.outcome !== "ok" || event.producerId === undefined) continue;
      const before = given.get(event.producerId);
      if (before !== undefined)
        messages.push(`producer id ${event.producerId} was handed out ${before} and again ${when(event)}`);
      given.set(event.producerId, when(event));
    }
    return messages;
  },
};
