// Readers that are shown what is not theirs to see, not yet, or not any more.

import { nothingPromisedIsLost } from "../checker/durability.ts";
import { lentBytesStay } from "../checker/lending.ts";
import { lookUpByTime } from "../checker/look-up.ts";
import { belowTheWatermark, oneOffsetOneValue } from "../checker/offsets.ts";
import { broken, type Mutant } from "./mutant.ts";

/** What was read above the high watermark shows at once, or when a crash has taken it. */
const seenTooEarly = [broken(belowTheWatermark), broken(nothingPromisedIsLost), broken(oneOffsetOneValue)];

export const reads: readonly Mutant[] = [
  {
    name: "a slice races an append",
    source: "KAFKA-9835",
    history:
      "The end of a read was measured on the file once more while appends went on: it lay above the high watermark.",
    file: "log/log-reader",
    find: "Math.min(Math.max(maxBytes, headerSizeBytes), end - position)",
    replace: "Math.min(Math.max(maxBytes, headerSizeBytes), segment.sizeBytes - position)",
    suite: "lives",
    found: seenTooEarly,
  },
  {
    name: "the high watermark's place moves with a roll",
    source: "KAFKA-9196",
    history: "A roll put the high watermark's place into the new segment: the old one was readable to its end.",
    file: "log/log",
    find: "this.rolls += 1;",
    replace: "this.rolls += 1; this.#high = { ...this.#high, segment, position: 0 };",
    suite: "lives",
    found: seenTooEarly,
  },
  {
    name: "a look-up by time passes over the record of that very time",
    source: "ours",
    history: "The first record at or after a time is looked for as the first after it.",
    file: "broker/broker",
    find: "records.find((record) => record.timestamp >= timestamp)",
    replace: "records.find((record) => record.timestamp > timestamp)",
    suite: "lives",
    found: [broken(lookUpByTime)],
  },
  {
    name: "lent bytes are lent again before they are given back",
    source: "ours",
    history: "The room of an answer that is still being sent is taken for the next one.",
    file: "broker/fetch-pool",
    find: "this.#shrink(roomBytes);",
    replace: "this.#shrink(0);",
    suite: "lives",
    found: [broken(lentBytesStay)],
  },
  {
    name: "lent bytes are taken back when the fetch is answered",
    source: "ours",
    history: "The answer is ready, and not yet sent: its bytes are overwritten under way.",
    file: "broker/fetch",
    find: "const { bytes, nextOffset } = batches;",
    replace: "const { bytes, nextOffset } = batches; batches.release();",
    suite: "lives",
    found: [broken(lentBytesStay)],
  },
];
