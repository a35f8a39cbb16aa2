// What else the engine is handed: time, chance, decompression, and somewhere to say things.
//
// Owns: the contracts. Never: an implementation (server/runtime/web for real ones,
// a simulator's otherwise). One seed behind them gives one history.

export interface Clock {
  /** Wall clock, milliseconds since 1970. May jump; used for record timestamps and retention. */
  now(): number;
  /** Milliseconds from an arbitrary start; never goes back. Every wait uses it. */
  monotonic(): number;
  /** Runs `run` once, no sooner than `delayMs` from now; the result cancels it. */
  schedule(delayMs: number, run: () => void): () => void;
}

export interface Entropy {
  /** Fills `bytes` with chance: topic ids. */
  fill(bytes: Uint8Array): void;
}

export type CompressionCodec = "gzip" | "snappy" | "lz4" | "zstd";

export interface Decompressor {
  /** Opens a batch's records (Kafka's framing for snappy and lz4). Throws when broken or over `maxBytes`. */
  decompress(codec: CompressionCodec, bytes: Uint8Array, maxBytes: number): Uint8Array;
}

export type LogLevel = "info" | "warn" | "error";

export interface Logger {
  log(level: LogLevel, message: string, fields?: Readonly<Record<string, string | number | boolean | null>>): void;
}

export interface World {
  readonly clock: Clock;
  readonly entropy: Entropy;
  readonly logger: Logger;
  /** Without one, compressed batches pass untouched but cannot be read record by record. */
  readonly decompressor?: Decompressor;
}
