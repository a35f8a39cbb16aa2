// How many records have gone by, and how fast, on one line of a terminal.
//
// Owns: the line and the summary. Silent when standard error is no terminal.
// Never: throws.

import type { Process } from "../runtime/runtime.ts";

const everyMs = 200;

export class Progress {
  records = 0;
  bytes = 0;
  readonly #verb: string;
  readonly #process: Process;
  readonly #began: number;
  #shown = 0;
  #isLineOpen = false;

  constructor(verb: string, process: Process) {
    this.#verb = verb;
    this.#process = process;
    this.#began = performance.now();
  }

  add(records: number, bytes: number): void {
    this.records += records;
    this.bytes += bytes;
    if (!this.#process.stderrIsTerminal) return;
    const now = performance.now();
    if (now - this.#shown < everyMs) return;
    this.#shown = now;
    // While records go to the same terminal, a moving line would be written over them.
    if (this.#process.stdoutIsTerminal && this.#verb === "consumed") return;
    this.#process.writeError(`\r\u001b[K${this.#line()}`);
    this.#isLineOpen = true;
  }

  finish(): void {
    if (!this.#process.stderrIsTerminal) return;
    this.#process.writeError(`${this.#isLineOpen ? "\r\u001b[K" : ""}${this.#line()}\n`);
  }

  #line(): string {
    const seconds = Math.max(0.001, (performance.now() - this.#began) / 1000);
    const rate = Math.round(this.records / seconds);
    return `${this.#verb} ${count(this.records)} records, ${size(this.bytes)} in ${seconds.toFixed(1)} s (${count(rate)}/s, ${size(this.bytes / seconds)}/s)`;
  }
}

export function count(number: number): string {
  return String(number).replace(/\B(?=(\d{3})+$)/g, " ");
}

export function size(bytes: number): string {
  let unit = 0;
  let amount = bytes;
  const names = ["B", "KiB", "MiB", "GiB", "TiB"];
  while (amount >= 1024 && unit < names.length - 1) {
    amount /= 1024;
    unit++;
  }
  return `${unit === 0 ? Math.round(amount) : amount.toFixed(1)} ${names[unit]}`;
}
