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

/** A ring of them leads from who is first late to who is last. */
class Link {
  before: Link = this;
  after: Link = this;
}

// A class, not an object that is given its members one by one: V8 took those for objects that live
// long and put them among the old ones, where each kept its request and its body alive until a
// collection of the whole heap, eight of them a second.
class Wait extends Link implements Deadline {
  /** Milliseconds, monotonic; negative once it is over. */
  due: number = 0;
  late: (() => void) | null;
  readonly #deadlines: Deadlines;

  constructor(deadlines: Deadlines, late: () => void) {
    super();
    this.#deadlines = deadlines;
    this.late = late;
  }

  renew(): void {
    this.#deadlines.renew(this);
  }

  end(): void {
    this.#deadlines.end(this);
  }
}

export class Deadlines {
  readonly #clock: Clock;
  readonly #ms: number;
  /** The first to be late comes after it. */
  readonly #ring: Link = new Link();
  readonly #look: () => void = () => this.#lookNow();
  #unschedule: (() => void) | null = null;

  constructor(clock: Clock, ms: number) {
    this.#clock = clock;
    this.#ms = ms;
  }

  begin(late: () => void): Deadline {
    const wait = new Wait(this, late);
    this.#append(wait);
    this.#unschedule ??= this.#clock.schedule(this.#ms, this.#look);
    return wait;
  }

  /** For its waits alone. */
  renew(wait: Wait): void {
    if (wait.due < 0) return;
    unlink(wait);
    this.#append(wait);
  }

  /** For its waits alone. */
  end(wait: Wait): void {
    if (wait.due < 0) return;
    over(wait);
    if (this.#ring.after !== this.#ring) return;
    this.#unschedule?.();
    this.#unschedule = null;
  }

  #append(wait: Wait): void {
    const last = this.#ring.before;
    wait.due = this.#clock.monotonic() + this.#ms;
    wait.before = last;
    wait.after = this.#ring;
    last.after = wait;
    this.#ring.before = wait;
  }

  #lookNow(): void {
    this.#unschedule = null;
    const now = this.#clock.monotonic();
    // One by one: who is late may end another, or begin anew.
    for (let first = this.#ring.after; first !== this.#ring && (first as Wait).due <= now; first = this.#ring.after) {
      const { late } = first as Wait;
      over(first as Wait);
      late?.();
    }
    const next = this.#ring.after;
    if (next !== this.#ring) this.#unschedule ??= this.#clock.schedule((next as Wait).due - now, this.#look);
  }
}

function over(wait: Wait): void {
  wait.due = -1;
  wait.late = null;
  unlink(wait);
}

/** Leaves nothing that points to a neighbour: one that is old and dead would keep it, and all after it. */
function unlink(link: Link): void {
  link.before.after = link.after;
  link.after.before = link.before;
  link.before = link;
  link.after = link;
}
