// Lines to standard output, many at a time.
//
// Owns: the buffer. A slow reader slows the writer; a closed pipe ends the command (BrokenPipeError).
// Never: more than a buffer of text in memory.

import type { Process } from "../runtime/runtime.ts";

const bufferedCharacters = 64 * 1024;

export class LineOutput {
  readonly #process: Process;
  readonly #encoder = new TextEncoder();
  #text = "";

  constructor(process: Process) {
    this.#process = process;
  }

  async line(text: string): Promise<void> {
    this.#text += `${text}\n`;
    if (this.#text.length >= bufferedCharacters) await this.flush();
  }

  json(value: unknown): Promise<void> {
    return this.line(JSON.stringify(value));
  }

  async flush(): Promise<void> {
    const text = this.#text;
    this.#text = "";
    if (text !== "") await this.#process.writeOut(this.#encoder.encode(text));
  }
}
