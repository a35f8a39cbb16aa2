// The files that say, for every partition, what recovery may rely on, and where compaction begins.
//
// Owns: recovery-point-offset-checkpoint (everything below was synced),
//   log-start-offset-checkpoint (everything below was deleted on purpose) and
//   cleaner-offset-checkpoint (below it no key has an older record), Kafka's formats.
// Never: records an offset before it is true.
//
// Invariants: a write under way is shared by those who come before it starts; a file is
//   replaced atomically, so that a crash leaves the old one or the new one.

import { formatOffsetCheckpoint, parseOffsetCheckpoint } from "../log/checkpoint-file.ts";
import type { Storage } from "../port/storage.ts";
import { readFile } from "../storage/read-file.ts";
import { replaceFile } from "../storage/replace-file.ts";

export const recoveryPointFileName = "recovery-point-offset-checkpoint";
export const logStartFileName = "log-start-offset-checkpoint";
export const cleanedFileName = "cleaner-offset-checkpoint";
const maxFileBytes = 64 * 1024 * 1024;

export async function readCheckpoint(storage: Storage, name: string): Promise<Map<string, number> | null> {
  const bytes = await readFile(storage, name, maxFileBytes);
  return bytes === null ? new Map() : parseOffsetCheckpoint(bytes);
}

/** What a stop in order always leaves, and what it means that it is not there. */
export const lostCheckpoints: readonly { readonly name: string; readonly meaning: string }[] = [
  { name: recoveryPointFileName, meaning: "nobody can tell whether a log has lost its end" },
  {
    name: logStartFileName,
    meaning: "every log begins with its first segment, and what was deleted of that comes back",
  },
];

/** A checkpoint file that is written when asked, once for all who ask meanwhile. */
export class CheckpointFile {
  readonly #storage: Storage;
  readonly #name: string;
  readonly #collect: () => Map<string, number>;
  readonly #written: (entries: ReadonlyMap<string, number>) => Promise<void> | void;
  /** What the file says; "" when that is not known. */
  #last: string;
  #running: Promise<void> | null = null;
  #next: Promise<void> | null = null;

  constructor(
    storage: Storage,
    name: string,
    collect: () => Map<string, number>,
    written: (entries: ReadonlyMap<string, number>) => Promise<void> | void = () => {},
    last: ReadonlyMap<string, number> | null = null,
  ) {
    this.#storage = storage;
    this.#name = name;
    this.#collect = collect;
    this.#written = written;
    this.#last = last === null ? "" : new TextDecoder().decode(formatOffsetCheckpoint(last));
  }

  /** Resolves when what is true now is recorded durably. */
  write(): Promise<void> {
    if (this.#running === null) {
      this.#running = this.#run();
      return this.#running;
    }
    this.#next ??= this.#after(this.#running);
    return this.#next;
  }

  async #after(running: Promise<void>): Promise<void> {
    try {
      await running;
    } catch {
      // Its own callers were told; this is another attempt.
    }
    this.#next = null;
    // Somebody else may have begun one in between: it began after this was asked for.
    this.#running ??= this.#run();
    await this.#running;
  }

  async #run(): Promise<void> {
    try {
      // Awaited, so that this never ends before the caller has noted that it runs.
      await this.#replace();
    } finally {
      this.#running = null;
    }
  }

  async #replace(): Promise<void> {
    const entries = this.#collect();
    const bytes = formatOffsetCheckpoint(entries);
    const text = new TextDecoder().decode(bytes);
    if (text === this.#last) return;
    await replaceFile(this.#storage, this.#name, bytes);
    this.#last = text;
    await this.#written(entries);
  }
}
