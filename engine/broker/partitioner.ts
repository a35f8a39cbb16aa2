// Which partition a record goes to.
//
// Owns: murmur2 of the key, as Kafka's default partitioner; keyless records go round.
// Never: looks at a value.

import type { Kernel } from "../kernel/kernel.ts";

export class Partitioner {
  #next = 0;
  readonly #kernel: Kernel;

  constructor(kernel: Kernel) {
    this.#kernel = kernel;
  }

  /** `key` null: evenly over all partitions, one after the other. */
  partitionFor(key: Uint8Array | null, partitions: number): number {
    if (key !== null) return (this.#kernel.murmur2(key) & 0x7fffffff) % partitions;
    this.#next = (this.#next + 1) % 0x40000000;
    return this.#next % partitions;
  }
}
