// An idempotent producer's batches are stored once and without a gap.
//
// Owns: correctness.md A 15 for one broker, and that no producer id is handed out twice.

import type { Produced } from "../history.ts";
import { tell, when } from "../history.ts";
import type { IndexedHistory, LogIndex } from "./indexed.ts";
import type { Findings, Invariant } from "./invariant.ts";

const sequences = 2 ** 31;
const remembered = 5; // Kafka's number of batches a producer

type Stamped = Produced & Required<Pick<Produced, "producer">>;

/** Whether this sequence comes after the event's, in its epoch or a later one. */
function isAfter(epoch: number, sequence: number, event: Stamped): boolean {
  if (epoch !== event.producer.epoch) return epoch > event.producer.epoch;
  const ahead = (sequence - event.producer.sequence + sequences) % sequences;
  return ahead > 0 && ahead < sequences / 2;
}

/** What one producer sent to one log, in the order of completion. */
class Sent {
  readonly indices: number[] = [];
  readonly #earliest: number[] = [];

  /** By place: the earliest that anything from there on was sent; call once, when all is added. */
  seal(history: IndexedHistory): void {
    let earliest = Number.POSITIVE_INFINITY;
    for (let place = this.indices.length - 1; place >= 0; place--) {
      earliest = Math.min(earliest, history.event(this.indices[place] as number).invokedAt);
      this.#earliest[place] = earliest;
    }
  }

  /** The place of the first that completed after event `index`. */
  after(index: number): number {
    let low = 0;
    let high = this.indices.length;
    while (low < high) {
      const middle = (low + high) >>> 1;
      if ((this.indices[middle] as number) <= index) low = middle + 1;
      else high = middle;
    }
    return low;
  }

  /** Whether something that completed at this place or later was sent by event `index`. */
  overlaps(place: number, index: number): boolean {
    return place < this.indices.length && (this.#earliest[place] as number) <= index;
  }
}

/** By log, and by producer id. */
type SentByProducer = ReadonlyMap<LogIndex, ReadonlyMap<number, Sent>>;

/** Two invariants go by it. */
const known = new WeakMap<IndexedHistory, SentByProducer>();

function sentByProducer(history: IndexedHistory): SentByProducer {
  let sent = known.get(history);
  if (sent === undefined) {
    sent = collectSent(history);
    known.set(history, sent);
  }
  return sent;
}

function collectSent(history: IndexedHistory): SentByProducer {
  const logs = new Map<LogIndex, Map<number, Sent>>();
  history.forEach(["produce"], (event, index) => {
    const id = event.producer?.id;
    if (id === undefined) return;
    const log = history.log(event.log);
    let producers = logs.get(log);
    if (producers === undefined) {
      producers = new Map();
      logs.set(log, producers);
    }
    let sent = producers.get(id);
    if (sent === undefined) {
      sent = new Sent();
      producers.set(id, sent);
    }
    sent.indices.push(index);
  });
  for (const producers of logs.values()) for (const sent of producers.values()) sent.seal(history);
  return logs;
}

export const sequencesWithoutGap: Invariant = {
  name: "A15: the sequences of a producer lie in the log without a gap, its epochs in rising order",
  source: "KIP-98, KIP-360; KAFKA-7692 (overflow); redpanda#3039 (client epoch bump)",
  needs: "an audit of a log that idempotent producers sent to",
  check(history, findings) {
    for (const log of history.logs.values()) {
      if (log.compacted) continue;
      for (const index of log.reads) {
        const read = history.read(index);
        if (read.manner !== "audit") continue;
        const last = new Map<number, { epoch: number; sequence: number; offset: number; by: number }>();
        const end = history.endRow(index);
        for (let row = history.firstRow(index); row < end; row++) {
          const value = history.value[row] as number;
          const by = log.firstSent[value] as number;
          if (by < 0) continue;
          const { producer } = history.produced(by);
          if (producer === undefined) continue;
          const { id, epoch } = producer;
          const sequence = (producer.sequence + (log.place[value] as number)) % sequences;
          const offset = history.offset[row] as number;
          const before = last.get(id);
          findings.look();
          if (before !== undefined) {
            const follows =
              epoch === before.epoch
                ? sequence === (before.sequence + 1) % sequences
                : epoch > before.epoch && sequence === 0;
            if (!follows)
              findings.violated(
                log.name,
                [index, by, before.by],
                () =>
                  `producer ${id}: epoch ${epoch} sequence ${sequence} at ${offset} follows epoch ${before.epoch} sequence ${before.sequence} at ${before.offset}: ${tell(read)}`,
              );
          }
          last.set(id, { epoch, sequence, offset, by });
        }
      }
    }
  },
};

/** Refusals that say the retry was taken for another batch; any other says that nobody could answer, or may. */
const forItsSequence = new Set(["OUT_OF_ORDER_SEQUENCE_NUMBER", "DUPLICATE_SEQUENCE_NUMBER", "UNKNOWN_PRODUCER_ID"]);

export const retriesAreRecognised: Invariant = {
  name: "A15 A20: a retry of one of a producer's last five batches is answered with the first offset",
  source: "KIP-98; Kafka's ProducerStateManager; through snapshot recovery (KAFKA-10076)",
  needs: "a batch that was acknowledged and sent again",
  check(history, findings) {
    for (const [log, producers] of sentByProducer(history))
      for (const sent of producers.values()) judgeRetries(history, log, sent, findings);
  },
};

function judgeRetries(history: IndexedHistory, log: LogIndex, sent: Sent, findings: Findings): void {
  /** By epoch and sequence: what was acknowledged first. */
  const stored = new Map<number, number>();
  for (const index of sent.indices) {
    const event = history.produced(index) as Stamped;
    const key = event.producer.epoch * sequences + event.producer.sequence;
    const original = stored.get(key);
    if (original === undefined) {
      if (event.outcome === "ok" && event.acks === "all") stored.set(key, index);
    } else if (original < event.invokedAt && event.outcome !== "info")
      judgeRetry(history, log, sent, original, index, findings);
  }
}

function judgeRetry(
  history: IndexedHistory,
  log: LogIndex,
  sent: Sent,
  original: number,
  index: number,
  findings: Findings,
): void {
  const [first, event] = [history.produced(original), history.produced(index) as Stamped];
  const violated = (words: string): void =>
    findings.violated(log.name, [index, original], () => `${tell(first)}; ${words}: ${tell(event)}`);
  findings.look();
  if (event.outcome === "ok") {
    if (event.offsets?.[0] !== first.offsets?.[0]) violated("the retry got another offset");
    else if (event.duplicate === false) violated("the retry was not recognised");
  } else if (forItsSequence.has(event.code ?? "") && isRemembered(history, sent, original, index))
    violated("the retry was refused");
}

/** Whether no more than a few batches can have been stored since, and no newer epoch. */
function isRemembered(history: IndexedHistory, sent: Sent, original: number, index: number): boolean {
  const event = history.produced(index) as Stamped;
  const since = new Set<number>();
  const pushesOut = (other: Stamped): boolean => {
    if (other.invokedAt > index) return false;
    const { epoch, sequence } = other.producer;
    if (epoch > event.producer.epoch) return true;
    if (other.records[0]?.value !== event.records[0]?.value && isAfter(epoch, sequence, event)) since.add(sequence);
    return since.size >= remembered;
  };
  const place = sent.after(index);
  for (let at = place; sent.overlaps(at, index); at++)
    if (pushesOut(history.produced(sent.indices[at] as number) as Stamped)) return false;
  // What a client sent before the original does not come after it.
  const oldest = history.event(original).invokedAt;
  for (let at = place - 1; at >= 0 && (sent.indices[at] as number) >= oldest; at--)
    if (pushesOut(history.produced(sent.indices[at] as number) as Stamped)) return false;
  return true;
}

export const theNextIsAccepted: Invariant = {
  name: "A15: the batch that follows the last one stored is not refused for its sequence",
  source: "KAFKA-7692 (overflow); KIP-360 (a new epoch begins at 0); through snapshot recovery",
  needs: "a batch that was sent after an acknowledged one of its producer",
  check(history, findings) {
    for (const [log, producers] of sentByProducer(history))
      for (const sent of producers.values()) judgeSuccession(history, log, sent, findings);
  },
};

function judgeSuccession(history: IndexedHistory, log: LogIndex, sent: Sent, findings: Findings): void {
  /** The last one stored. */
  let last: { readonly event: Stamped; readonly index: number } | null = null;
  /** The one of which it is not known whether it is stored; more than one cannot be told apart. */
  let doubtful: Stamped | "several" | null = null;
  sent.indices.forEach((index, place) => {
    const event = history.produced(index) as Stamped;
    if (event.outcome === "fail") {
      if (event.code !== "OUT_OF_ORDER_SEQUENCE_NUMBER" || last === null) return;
      if (doubtful !== null && (doubtful === "several" || !isSame(doubtful, event))) return;
      if (last.index >= event.invokedAt || othersUnderWay(history, sent, place)) return;
      findings.look();
      const before = last;
      if (event.producer.sequence === nextSequence(before.event, event.producer.epoch))
        findings.violated(
          log.name,
          [index, before.index],
          () => `${tell(before.event)}; the next one was refused: ${tell(event)}`,
        );
    } else if (event.outcome === "ok" && event.acks === "all") {
      findings.look();
      if (last === null || isAfter(event.producer.epoch, event.producer.sequence, last.event)) last = { event, index };
    } else doubtful = doubtful === null || (doubtful !== "several" && isSame(doubtful, event)) ? event : "several";
  });
}

function isSame(one: Stamped, other: Stamped): boolean {
  return one.producer.epoch === other.producer.epoch && one.producer.sequence === other.producer.sequence;
}

/** Whether another batch of the producer, that was not refused, was under way together with this one. */
function othersUnderWay(history: IndexedHistory, sent: Sent, place: number): boolean {
  const index = sent.indices[place] as number;
  const event = history.produced(index) as Stamped;
  const counts = (at: number): boolean => {
    const other = history.produced(sent.indices[at] as number) as Stamped;
    return other.outcome !== "fail" && !isSame(other, event) && other.invokedAt <= index;
  };
  for (let at = place - 1; at >= 0 && (sent.indices[at] as number) >= event.invokedAt; at--)
    if (counts(at)) return true;
  for (let at = place + 1; sent.overlaps(at, index); at++) if (counts(at)) return true;
  return false;
}

/** null: nothing of this epoch may follow. */
function nextSequence(last: Stamped, epoch: number): number | null {
  if (epoch === last.producer.epoch) return (last.producer.sequence + last.records.length) % sequences;
  return epoch > last.producer.epoch ? 0 : null;
}

export const producerIdsAreNew: Invariant = {
  name: "A15: no producer id is handed out twice, through crashes too",
  source: "Moldau's docs/format.md, Metadata journal: an id used twice is falsely deduplicated, which loses data",
  needs: "producer ids handed out",
  check(history, findings) {
    const given = new Map<number, number>();
    history.forEach(["allocate producer"], (event, index) => {
      if (event.outcome !== "ok" || event.producerId === undefined) return;
      const before = given.get(event.producerId);
      findings.look();
      if (before !== undefined)
        findings.violated(
          undefined,
          [index, before],
          () =>
            `producer id ${event.producerId} was handed out ${when(history.event(before))} and again ${when(event)}`,
        );
      given.set(event.producerId, index);
    });
  },
};
