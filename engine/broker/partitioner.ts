// Which partition a record goes to.
//
// Owns: murmur2 of the key, as Kafka's default partitioner; keyless records go round.
// Never: looks at a value.

import type { Kernel } from "../kernel/kernel.ts";
import { maxRunBytes } from "../limits.ts";
import { writeUtf8 } from "./utf8.ts";

const scratchBytes = 1024;
const encoder = new TextEncoder();

export class Partitioner {
  #next = 0;
  readonly #kernel: Kernel;
  /** A text key's bytes; a longer one gets an array of its own. */
  readonly #scratch: Uint8Array = new Uint8Array(scratchBytes);

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** `key` null: evenly over all partitions, one after the other. Text is UTF-8. */
  partitionFor(key: Uint8Array | string | null, partitions: number): number {
    if (key !== null) {
      const bytes = this.#bytesOf(key);
      // No batch holds it: the append says so, wherever it is sent.
      return bytes.length > maxRunBytes ? 0 : (this.#kernel.murmur2(bytes) & 0x7fffffff) % partitions;
    }
    this.#next = (this.#next + 1) % 0x40000000;
    return this.#next % partitions;
  }

  #bytesOf(key: Uint8Array | string): Uint8Array {
    if (typeof key !== "string") return key;
    const end = writeUtf8(key, this.#scratch, 0);
    return end < 0 ? encoder.encode(key) : this.#scratch.subarray(0, end);
  }
}
