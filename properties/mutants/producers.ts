// Idempotent producers whose retries are stored twice, refused, or reordered.

import { oneOffsetOneValue, oneValueOneOffset } from "../checker/offsets.ts";
import { sendsInOrder } from "../checker/order.ts";
import { retriesAreRecognised, sequencesWithoutGap, theNextIsAccepted } from "../checker/producers.ts";
import { foundWhole } from "../checker/recovery.ts";
import { broken, type Mutant } from "./mutant.ts";

export const producers: readonly Mutant[] = [
  {
    name: "no dedupe: a retry is out of order",
    source: "redpanda#3039",
    history: "A retry was refused as out of order: the client bumped its epoch, began at 0 and stored it all again.",
    file: "log/producer-state",
    find: "for (const known of producer.batches)",
    replace: "for (const known of producer.batches.slice(0, 0))",
    suite: "lives",
    found: [broken(retriesAreRecognised), broken(oneValueOneOffset)],
  },
  {
    name: "a client's epoch bump is not remembered",
    source: "redpanda#3039",
    history:
      "The sequences of the epoch that a client had given itself were not kept: its retries were new every time.",
    file: "log/producer-state",
    find: "epoch: batch.producerEpoch, batches: [appended],",
    replace: "epoch: producer?.epoch ?? batch.producerEpoch, batches: [appended],",
    suite: "lives",
    found: [broken(retriesAreRecognised), broken(oneValueOneOffset), broken(theNextIsAccepted)],
  },
  {
    name: "a dedupe entry outlives its segment",
    source: "redpanda#5355",
    history:
      "With idempotence on, records were doubled or lost: sequences were remembered of what the log did not hold.",
    here: "a snapshot of producers is believed above the recovery point: a crash took the segment and left the snapshot",
    file: "log/recover",
    find: "if (offset > atMost) continue;",
    replace: "",
    suite: "lives",
    found: [broken(oneOffsetOneValue), broken(foundWhole, /snapshot/)],
  },
  {
    name: "requests in flight are reordered",
    source: "KAFKA-3197",
    history: "A later request overtook an earlier one that had to wait.",
    here: "who comes while the first append of a life waits for its epoch does not stand in line",
    file: "broker/partition",
    find: "const isReady = this.#epochReady && this.#inLine === 0",
    replace: "const isReady = (this.#epochReady || this.#inLine > 0)",
    suite: "lives",
    found: [broken(sendsInOrder)],
  },
  {
    name: "sequence overflow",
    source: "KAFKA-7692",
    history: "The sequence after 2^31-1 was taken for -2^31 and not for 0: the producer was refused for ever.",
    file: "log/producer-state",
    find: "const expected = (last.lastSequence + 1) % sequenceSpan;",
    replace: "const expected = last.lastSequence + 1;",
    suite: "lives",
    found: [broken(theNextIsAccepted)],
  },
  {
    name: "an older producer epoch is not fenced",
    source: "KIP-98",
    history: "A producer that another has taken over from goes on writing.",
    file: "log/producer-state",
    find: "if (batch.producerEpoch < producer.epoch)",
    replace: "if (false)",
    suite: "lives",
    found: [broken(sequencesWithoutGap)],
  },
  {
    name: "producer state is not replayed by recovery",
    source: "ours",
    history: "What lies behind the last snapshot is not read again after a crash: its retries are new.",
    file: "log/recover",
    find: "noteProducer(this.producers, header, this.#now);",
    replace: "",
    suite: "lives",
    found: [broken(retriesAreRecognised), broken(oneValueOneOffset), broken(sequencesWithoutGap)],
  },
];
