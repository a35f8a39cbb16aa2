// Other people's code, as bench/package.json pins it.
//
// Owns: how a peer is loaded from bench/node_modules, by the sources and by what was built of them.
// Never: installs one (setup.ts), or passes one over in silence: what cannot be loaded is an
//   error under CI, and elsewhere named in the outcome.

import { createRequire } from "node:module";
import { join } from "node:path";

/** The parts of the peers that are called. */
export interface NodeRsCrc32 {
  crc32c(bytes: Uint8Array, seed?: number): number;
}

export interface PlatformaticMessage {
  readonly key: Buffer;
  readonly value: Buffer;
  readonly timestamp: bigint;
  readonly topic: string;
  readonly partition: number;
}

export interface PlatformaticRecord {
  readonly key: Buffer;
  readonly value: Buffer;
}

export interface PlatformaticKafka {
  createRecordsBatch(
    messages: readonly PlatformaticMessage[],
    options: {
      readonly partitionLeaderEpoch: number;
      readonly producerEpoch: number;
      readonly sequences: { getWithDefault(): number };
    },
  ): { readonly buffer: Buffer };
  readRecordsBatches(reader: unknown): readonly { readonly records: readonly PlatformaticRecord[] }[];
  readonly Reader: { from(bytes: Buffer): unknown };
}

export interface KafkaJs {
  readonly RecordBatch: (options: Readonly<Record<string, unknown>>) => Promise<{ readonly buffer: Buffer }>;
  readonly Record: (record: Readonly<Record<string, unknown>>) => unknown;
  readonly decodeBatch: (decoder: unknown) => Promise<{ readonly records: readonly PlatformaticRecord[] }>;
  readonly Decoder: new (bytes: Buffer) => { readInt64(): unknown };
}

export class Peers {
  /** What could not be loaded, with the reason. */
  readonly missing: string[] = [];
  readonly #load: NodeJS.Require;

  constructor(root: string) {
    this.#load = createRequire(join(root, "bench/package.json"));
  }

  crc32(): NodeRsCrc32 | null {
    return this.#try("@node-rs/crc32", () => this.#load("@node-rs/crc32") as NodeRsCrc32);
  }

  platformatic(): PlatformaticKafka | null {
    return this.#try("@platformatic/kafka", () => this.#load("@platformatic/kafka") as PlatformaticKafka);
  }

  /** Its encoder has no door, so it is reached by its files. */
  kafkajs(): KafkaJs | null {
    return this.#try("kafkajs", () => {
      const { RecordBatch } = this.#load("kafkajs/src/protocol/recordBatch/v0/index.js") as Pick<
        KafkaJs,
        "RecordBatch"
      >;
      return {
        RecordBatch,
        Record: this.#load("kafkajs/src/protocol/recordBatch/record/v0/index.js") as KafkaJs["Record"],
        decodeBatch: this.#load("kafkajs/src/protocol/recordBatch/v0/decoder.js") as KafkaJs["decodeBatch"],
        Decoder: this.#load("kafkajs/src/protocol/decoder.js") as KafkaJs["Decoder"],
      };
    });
  }

  #try<T>(name: string, load: () => T): T | null {
    try {
      return load();
    } catch (error) {
      const reason = error instanceof Error ? error.message.split("\n")[0] : String(error);
      if (process.env.CI === "true") throw new Error(`the peer ${name} cannot be loaded: ${reason}`, { cause: error });
      this.missing.push(`${name}: ${reason}`);
      return null;
    }
  }
}
