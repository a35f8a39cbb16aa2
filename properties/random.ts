// Chance that a seed decides.
//
// Owns: a small generator (mulberry32) and the rule that each draw is named: entropy comes
//   from (seed, names of the event), so dropping one command while shrinking leaves the
//   others' luck as it was.
// Never: Math.random.

export class Random {
  #state: number;

  constructor(state: number) {
    this.#state = state >>> 0;
  }

  /** In [0, 1). */
  next(): number {
    this.#state = (this.#state + 0x6d2b79f5) >>> 0;
    let mixed = this.#state;
    mixed = Math.imul(mixed ^ (mixed >>> 15), mixed | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  }

  /** A whole number in [0, below). */
  below(below: number): number {
    return Math.floor(this.next() * below);
  }

  chance(probability: number): boolean {
    return this.next() < probability;
  }

  pick<T>(choices: readonly T[]): T {
    return choices[this.below(choices.length)] as T;
  }

  fill(bytes: Uint8Array): void {
    for (let index = 0; index < bytes.length; index++) bytes[index] = this.below(256);
  }
}

/** A generator for one named event of a seed. */
export function draw(seed: number, ...names: readonly (string | number)[]): Random {
  let state = (seed ^ 0x9e3779b9) >>> 0;
  for (const name of names) {
    const text = `${name}/`;
    for (let index = 0; index < text.length; index++) {
      state = Math.imul(state ^ text.charCodeAt(index), 0x01000193) >>> 0;
    }
    state = Math.imul(state ^ (state >>> 15), 0x85ebca6b) >>> 0;
  }
  return new Random(state);
}

/** Two numbers made one, well stirred. */
export function mix(one: number, other: number): number {
  let mixed = Math.imul(one ^ Math.imul(other, 0x9e3779b1), 0x85ebca6b);
  mixed = Math.imul(mixed ^ (mixed >>> 13), 0xc2b2ae35);
  return (mixed ^ (mixed >>> 16)) >>> 0;
}

/** A name as a number. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5;
  for (let at = 0; at < text.length; at++) hash = Math.imul(hash ^ text.charCodeAt(at), 0x01000193);
  return mix(hash, text.length);
}

/**
 * The chance of one actor: its n-th draw is the same whatever the others draw, so that leaving
 * one of them out changes nobody else's luck.
 */
export class Stream {
  readonly #origin: number;
  #count = 0;

  constructor(seed: number, ...names: readonly (string | number)[]) {
    this.#origin = Math.floor(draw(seed, ...names).next() * 4294967296);
  }

  /** A number that stands for the next event of this actor. */
  id(): number {
    this.#count += 1;
    return mix(this.#origin, this.#count);
  }

  next(): Random {
    return new Random(this.id());
  }
}
