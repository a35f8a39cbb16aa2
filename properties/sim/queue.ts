// Events in the order in which they happen: by virtual time, at one moment by chance, then by age.
//
// Owns: a binary heap. Never: draws the chance.

export interface Queued {
  readonly atMs: number;
  readonly tie: number;
  readonly order: number;
}

export class Queue<Event extends Queued> {
  readonly #heap: Event[] = [];

  get first(): Event | undefined {
    return this.#heap[0];
  }

  push(event: Event): void {
    const heap = this.#heap;
    let place = heap.length;
    heap.push(event);
    while (place > 0) {
      const above = (place - 1) >> 1;
      const parent = heap[above] as Event;
      if (!isBefore(event, parent)) break;
      heap[place] = parent;
      place = above;
    }
    heap[place] = event;
  }

  /** Takes the first one out. */
  pop(): void {
    const heap = this.#heap;
    const last = heap.pop();
    const { length } = heap;
    if (last === undefined || length === 0) return;
    let place = 0;
    for (;;) {
      let below = place * 2 + 1;
      if (below >= length) break;
      if (below + 1 < length && isBefore(heap[below + 1] as Event, heap[below] as Event)) below += 1;
      if (!isBefore(heap[below] as Event, last)) break;
      heap[place] = heap[below] as Event;
      place = below;
    }
    heap[place] = last;
  }
}

function isBefore(one: Queued, other: Queued): boolean {
  if (one.atMs !== other.atMs) return one.atMs < other.atMs;
  if (one.tie !== other.tie) return one.tie < other.tie;
  return one.order < other.order;
}
