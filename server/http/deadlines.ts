// Many waits of one length on one timer.
//
// Owns: the order in which they are late, which is the order of their beginning.
// Never: a timer a wait: a body that comes whole at once costs two links of a list.
//
// Invariants: `late` runs no sooner than `ms` after the wait began or was last renewed, and never
//   after `end`; nothing waiting leaves no timer behind.

import type { Clock } from "../../engine/index.ts";

export interface Deadline {
  /** Begins the wait anew. */
  renew(): void;
  /** It was in time. Idempotent. */
  end(): void;
}

interface Link {
  before: Link;
  after: Link;
}

interface Wait extends Link, Deadline {
  due: number;
  readonly late: () => void;
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #ms: number;
  /** A ring: the first to be late comes after it. */
  readonly #ring: Link;
  #unschedule: (() => void) | null = null;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
    const ring = {} as Link;
    ring.before = ring;
    ring.after = ring;
    this.#ring = ring;
  }

  begin(late: () => void): Deadline {
    const wait = { late, due: 0 } as Wait;
    wait.renew = () => {
      if (wait.due < 0) return;
      unlink(wait);
      this.#append(wait);
    };
    wait.end = () => this.#end(wait);
    this.#append(wait);
    this.#unschedule ??= this.#clock.schedule(this.#ms, () => this.#look());
    return wait;
  }

  #append(wait: Wait): void {
    const last = this.#ring.before;
    wait.due = this.#clock.monotonic() + this.#ms;
    wait.before = last;
    wait.after = this.#ring;
    last.after = wait;
    this.#ring.before = wait;
  }

  #end(wait: Wait): void {
    if (wait.due < 0) return;
    wait.due = -1;
    unlink(wait);
    if (this.#ring.after !== this.#ring) return;
    this.#unschedule?.();
    this.#unschedule = null;
  }

  #look(): void {
    this.#unschedule = null;
    const now = this.#clock.monotonic();
    // One by one: who is late may end another, or begin anew.
    for (let first = this.#ring.after; first !== this.#ring && (first as Wait).due <= now; first = this.#ring.after) {
      (first as Wait).due = -1;
      unlink(first);
      (first as Wait).late();
    }
    const next = this.#ring.after;
    if (next !== this.#ring) this.#unschedule ??= this.#clock.schedule((next as Wait).due - now, () => this.#look());
  }
}

function unlink(link: Link): void {
  link.before.after = link.after;
  link.after.before = link.before;
}
