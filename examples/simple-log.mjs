// Somebody's log, deliberately simple, held to every invariant that is about it: it holds.
import { checkLog, describeVerdict, LogError, supportsNothing } from "moldau/properties";

export class SimpleLog {
  name = "an array a partition";
  supports = { ...supportsNothing, conditionalAppends: true, lookUpByTime: true };
  #partitions = new Map();

  async createTopic(topic, { partitions }) {
    for (let partition = 0; partition < partitions; partition++) this.#partitions.set(`${topic}-${partition}`, []);
  }

  async append(place, records, { expectedEndOffset }) {
    const log = this.#log(place);
    if (expectedEndOffset !== undefined && expectedEndOffset !== log.length)
      throw new LogError("OFFSET_MISMATCH", "none");
    return { offsets: records.map((record) => log.push({ ...record, offset: log.length }) - 1) };
  }

  async read(place, { offset }) {
    const log = this.#log(place);
    if (offset > log.length) throw new LogError("OFFSET_OUT_OF_RANGE", "none");
    const records = log.slice(offset, offset + 10);
    return { records, nextOffset: offset + records.length, logStartOffset: 0, highWatermark: log.length };
  }

  async offsets(place) {
    return { logStartOffset: 0, highWatermark: this.#log(place).length };
  }

  async lookUp(place, timestamp) {
    return this.#log(place).find((record) => record.timestamp >= timestamp) ?? null;
  }

  async restart() {} // nothing is held back, so nothing is lost

  async close() {}

  #log({ topic, partition }) {
    const log = this.#partitions.get(`${topic}-${partition}`);
    if (log === undefined) throw new LogError("UNKNOWN_TOPIC_OR_PARTITION", "none");
    return log;
  }
}

export const verdict = await checkLog({ open: () => new SimpleLog(), runs: 200, seed: 7 }).catch((error) => error);
const couldNotRun = verdict instanceof Error;
console.log(couldNotRun ? verdict.message : describeVerdict(verdict));
if (!verdict.holds) process.exitCode = couldNotRun ? 2 : 1; // as `moldau check` does
