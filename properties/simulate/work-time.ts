// For how long a campaign's workers played plans: making a failing one small, and having ended, is not it.
//
// Owns: that account. Never: reads a clock.

export interface Moment {
  readonly wallMs: number;
  /** Of all threads since any moment, as the system counted. */
  readonly processorMs: number;
}

export class WorkTime {
  readonly #now: () => Moment;
  readonly #workers: Map<number, "plays" | "makes small">;
  #since: Moment;
  #wallMs = 0;
  #processorMs = 0;

  /** All of them play from now on; they are known by their numbers, from 0. */
  constructor(workers: number, now: () => Moment) {
    this.#now = now;
    this.#since = now();
    this.#workers = new Map(Array.from({ length: workers }, (_, worker) => [worker, "plays"]));
  }

  /** How many make a plan small. */
  get makingSmall(): number {
    return [...this.#workers.values()].filter((what) => what === "makes small").length;
  }

  set(worker: number, what: "plays" | "makes small" | "has ended"): void {
    this.#advance();
    if (what === "has ended") this.#workers.delete(worker);
    else this.#workers.set(worker, what);
  }

  /** Of all workers together. The processors' time is shared out alike among those that do anything. */
  played(): Moment {
    this.#advance();
    return { wallMs: this.#wallMs, processorMs: this.#processorMs };
  }

  #advance(): void {
    const now = this.#now();
    const busy = this.#workers.size;
    const playing = busy - this.makingSmall;
    this.#wallMs += playing * (now.wallMs - this.#since.wallMs);
    if (busy > 0) this.#processorMs += (playing / busy) * (now.processorMs - this.#since.processorMs);
    this.#since = now;
  }
}
