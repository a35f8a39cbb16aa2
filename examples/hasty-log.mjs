// A log that answers before it has stored: a crash between the two loses what was acknowledged, and is found.
import { checkLog, describeVerdict, LogError, supportsNothing } from "moldau/properties";

class HastyLog {
  name = "acknowledges first, stores later";
  supports = supportsNothing;
  #memory = new Map();
  #disk = new Map();

  async createTopic(topic, { partitions }) {
    for (let partition = 0; partition < partitions; partition++) {
      this.#memory.set(`${topic}-${partition}`, []);
      this.#disk.set(`${topic}-${partition}`, []);
    }
  }

  async append({ topic, partition }, records) {
    const name = `${topic}-${partition}`;
    const log = this.#memory.get(name);
    const offsets = records.map((record) => log.push({ ...record, offset: log.length }) - 1);
    setTimeout(() => this.#disk.set(name, [...log]), 1); // the bug: nobody waits for it
    return { offsets };
  }

  async read({ topic, partition }, { offset }) {
    const log = this.#memory.get(`${topic}-${partition}`);
    if (offset > log.length) throw new LogError("OFFSET_OUT_OF_RANGE", "none");
    const records = log.slice(offset, offset + 10);
    return { records, nextOffset: offset + records.length, logStartOffset: 0, highWatermark: log.length };
  }

  async offsets({ topic, partition }) {
    return { logStartOffset: 0, highWatermark: this.#memory.get(`${topic}-${partition}`).length };
  }

  async restart(how) {
    if (how === "close") await new Promise((resolve) => setTimeout(resolve, 5));
    for (const [name, stored] of this.#disk) this.#memory.set(name, [...stored]);
  }

  async close() {}
}

export const verdict = await checkLog({ open: () => new HastyLog(), runs: 200, seed: 7 });
console.log(describeVerdict(verdict));
