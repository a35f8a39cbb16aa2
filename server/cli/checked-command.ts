// The command that `moldau check` was given to start, kill and start again.
//
// Owns: its lives, one after the other, and the last of what they printed.
// Never: decides when it dies.

import type { Process, RunningCommand } from "../runtime/runtime.ts";

/** Characters of output that are kept: the last. */
const keptOutput = 20_000;
/** How long a group may take to be gone after SIGKILL, and to end after SIGTERM. */
const goneMs = 10_000;
const graceMs = 15_000;
const lookMs = 20;

export class CheckedCommand {
  readonly line: string;
  readonly #process: Process;
  #running: RunningCommand | null = null;
  #output = "";

  constructor(line: string, process: Process) {
    this.line = line;
    this.#process = process;
  }

  /** The last of what all its lives have printed. */
  get output(): string {
    return this.#output;
  }

  start(): void {
    this.#running = this.#process.startCommand(this.line, (text) => {
      this.#output = (this.#output + text).slice(-keptOutput);
    });
  }

  ended(): Promise<string> {
    return this.#running?.ended ?? Promise.resolve("it was never started");
  }

  /** SIGKILL to all that the command started. */
  async kill(): Promise<void> {
    this.#running?.signal("SIGKILL");
    await this.#gone(goneMs);
  }

  /** SIGTERM, and SIGKILL for what has not ended by then. */
  async stop(): Promise<void> {
    this.#running?.signal("SIGTERM");
    if (!(await this.#gone(graceMs))) await this.kill();
    else this.#running?.signal("SIGKILL");
    this.#running = null;
  }

  async #gone(withinMs: number): Promise<boolean> {
    for (let waitedMs = 0; this.#running?.isAlive() === true; waitedMs += lookMs) {
      if (waitedMs >= withinMs) return false;
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
    return true;
  }
}
