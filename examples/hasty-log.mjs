// A log that answers before it has stored: a crash between the two loses what was acknowledged, and is found.
import { checkLog, describeVerdict, LogError, supportsNothing } from "moldau/properties";

export class HastyLog {
  name = "acknowledges first, stores later";
  supports = supportsNothing;
  #partitions = new Map();

  async createTopic(topic, { partitions }) {
    for (let partition = 0; partition < partitions; partition++)
      this.#partitions.set(`${topic}-${partition}`, { memory: [], disk: [] });
  }

  async append(place, records) {
    const log = this.#log(place);
    const offsets = records.map((record) => log.memory.push({ ...record, offset: log.memory.length }) - 1);
    setTimeout(() => (log.disk = [...log.memory]), 1); // the bug: nobody waits for it
    return { offsets };
  }

  async read(place, { offset }) {
    const { memory } = this.#log(place);
    if (offset > memory.length) throw new LogError("OFFSET_OUT_OF_RANGE", "none");
    const records = memory.slice(offset, offset + 10);
    return { records, nextOffset: offset + records.length, logStartOffset: 0, highWatermark: memory.length };
  }

  async offsets(place) {
    return { logStartOffset: 0, highWatermark: this.#log(place).memory.length };
  }

  async restart(how) {
    if (how === "close") await new Promise((resolve) => setTimeout(resolve, 5));
    for (const log of this.#partitions.values()) log.memory = [...log.disk];
  }

  async close() {}

  #log({ topic, partition }) {
    const log = this.#partitions.get(`${topic}-${partition}`);
    if (log === undefined) throw new LogError("UNKNOWN_TOPIC_OR_PARTITION", "none");
    return log;
  }
}

export const verdict = await checkLog({ open: () => new HastyLog(), runs: 200, seed: 7 }).catch((error) => error);
const couldNotRun = verdict instanceof Error;
console.log(couldNotRun ? verdict.message : describeVerdict(verdict));
if (!verdict.holds) process.exitCode = couldNotRun ? 2 : 1; // as `moldau check` does
