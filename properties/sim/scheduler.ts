// Virtual time: one queue of events, ordered by when they happen and, at one moment, by chance.
//
// Owns: the clock that jumps from event to event, how many events of
//   each kind there were, and the trace by which two runs are compared.
// Never: real time. Each event is one setImmediate, after which the microtasks are drained.
//
// Invariants: time never goes back; two events of one moment come in the order of
//   hash(seed, id), whatever was queued first; a cancelled event never runs.

import { mix } from "../random.ts";
import type { Time } from "../world.ts";
import { Queue, type Queued } from "./queue.ts";

export type EventKind = "message" | "disk" | "client" | "fault" | "timer";

interface Event extends Queued {
  readonly kind: EventKind;
  readonly id: number;
  /** null once it was cancelled. */
  run: (() => void) | null;
}

declare const setImmediate: (run: () => void) => unknown;
const immediately = setImmediate;
/** The microtasks are drained after each, and the runtime's loop goes round once for all of them. */
const turnsTogether = 32;

export class Scheduler implements Time {
  readonly seed: number;
  nowMs: number = 0;
  /** How many events of each kind have happened. */
  readonly happened: Record<EventKind, number> = { message: 0, disk: 0, client: 0, fault: 0, timer: 0 };
  /** One line an event and a note, when asked for. */
  readonly lines: string[] | null;
  readonly #queue: Queue<Event> = new Queue();
  #order = 0;
  #high = 0x811c9dc5;
  #low = 0x9e3779b9;

  constructor(seed: number, options: { readonly keepsLines?: boolean } = {}) {
    this.seed = seed;
    this.lines = options.keepsLines === true ? [] : null;
  }

  /** What has happened so far as 16 hex digits: two runs of one plan have the same. */
  get fingerprint(): string {
    return this.#high.toString(16).padStart(8, "0") + this.#low.toString(16).padStart(8, "0");
  }

  /** Puts something into the trace that is no event of the queue; `name` is `hashOf` what `tell` says. */
  note(name: number, tell: () => string): void {
    this.lines?.push(`${this.nowMs} ${tell()}`);
    this.#fold(name);
  }

  /** A timer of whoever knows no ids: told apart by their order. */
  schedule(delayMs: number, run: () => void): () => void {
    return this.after("timer", delayMs, this.#order, run);
  }

  /** `id` stands for this event in every run of the plan that has it. The result cancels it. */
  after(kind: EventKind, delayMs: number, id: number, run: () => void): () => void {
    const event = this.#event(kind, delayMs, id, mix(this.seed, id), run);
    this.#queue.push(event);
    return () => {
      event.run = null;
    };
  }

  /** The same for several that keep their order. */
  inOrder(kind: EventKind, delayMs: number, id: number, runs: readonly (() => void)[]): void {
    runs.forEach((run, place) => this.#queue.push(this.#event(kind, delayMs, mix(id, place), place, run)));
  }

  until(done: () => boolean, limitMs: number): Promise<boolean> {
    const deadlineMs = this.nowMs + limitMs;
    return new Promise((resolve, reject) => {
      let isOver = false;
      let waiting = 0;
      const turn = (): void => {
        waiting -= 1;
        if (isOver) return;
        try {
          isOver = this.#turn(done, deadlineMs, resolve);
        } catch (error) {
          isOver = true;
          reject(error);
        }
        if (!isOver && waiting === 0) queue();
      };
      const queue = (): void => {
        for (; waiting < turnsTogether; waiting++) immediately(turn);
      };
      queue();
    });
  }

  async pass(durationMs: number): Promise<void> {
    await this.until(() => false, durationMs);
  }

  /** One event; whether all is over. */
  #turn(done: () => boolean, deadlineMs: number, over: (isDone: boolean) => void): boolean {
    if (done()) {
      over(true);
      return true;
    }
    const event = this.#next(deadlineMs);
    if (event === null) {
      this.nowMs = deadlineMs;
      over(false);
      return true;
    }
    this.#happen(event);
    return false;
  }

  #happen(event: Event): void {
    const { kind, id, run } = event;
    this.nowMs = event.atMs;
    this.happened[kind] += 1;
    this.lines?.push(`${event.atMs} ${kind} ${id}`);
    this.#fold(mix(id, Math.floor(event.atMs * 1024) >>> 0));
    run?.();
  }

  #fold(value: number): void {
    this.#high = mix(this.#high, value);
    this.#low = mix(this.#low ^ value, this.#high);
  }

  #event(kind: EventKind, delayMs: number, id: number, tie: number, run: () => void): Event {
    this.#order += 1;
    return { atMs: this.nowMs + Math.max(0, delayMs), tie, order: this.#order, kind, id, run };
  }

  #next(deadlineMs: number): Event | null {
    for (;;) {
      const { first } = this.#queue;
      if (first === undefined || first.atMs > deadlineMs) return null;
      this.#queue.pop();
      if (first.run !== null) return first;
    }
  }
}
