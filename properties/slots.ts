// A place in a column for every offset that something is known of, wherever the offsets begin and however far apart
// they lie.
//
// Owns: which place it is. Offsets that lie side by side have places side by side, so that a dense log fills its columns
//   from 0 on without a gap, as if an offset were its own place.
// Never: keeps what is known: the columns are their users' own.
//
// An array by offset is a dictionary as soon as a log begins at 2^40 or leaves such a gap, and several times as slow.

/** Small: an offset that lies alone takes as many places. */
const pageOffsets = 4;
/** Looked at one after the other, before all are sorted: on a log with gaps the first that holds is mostly among them. */
const nearPages = 4096;

export class Slots {
  /** By page, counted from the first one that was asked for: small numbers are found faster. */
  readonly #bases: Map<number, number> = new Map();
  #origin = 0;
  /** What was asked for last, and most often is asked for next. */
  #firstOffset = Number.POSITIVE_INFINITY;
  #base = 0;

  /** Of an offset of which something is about to be known. */
  of(offset: number): number {
    const found = this.find(offset);
    if (found >= 0) return found;
    const page = Math.floor(offset / pageOffsets);
    if (this.#bases.size === 0) this.#origin = page;
    const base = this.#bases.size * pageOffsets;
    this.#bases.set(page - this.#origin, base);
    this.#firstOffset = page * pageOffsets;
    this.#base = base;
    return base + offset - this.#firstOffset;
  }

  /** -1 where nothing is known. */
  find(offset: number): number {
    const place = offset - this.#firstOffset;
    if (place >= 0 && place < pageOffsets) return this.#base + place;
    const page = Math.floor(offset / pageOffsets);
    const base = this.#bases.get(page - this.#origin);
    if (base === undefined) return -1;
    this.#firstOffset = page * pageOffsets;
    this.#base = base;
    return base + offset - this.#firstOffset;
  }

  /** The lowest offset of `from` to before `end` for whose place it holds; null when there is none. */
  first(from: number, end: number, holds: (slot: number) => boolean): number | null {
    const firstPage = Math.floor(from / pageOffsets) - this.#origin;
    const lastPage = Math.floor((end - 1) / pageOffsets) - this.#origin;
    const isNear = lastPage - firstPage < Math.max(this.#bases.size, nearPages);
    const lastNear = isNear ? lastPage : firstPage + nearPages - 1;
    for (let page = firstPage; page <= lastNear; page++) {
      const found = this.#firstOf(page, from, end, holds);
      if (found !== null) return found;
    }
    if (isNear) return null;
    for (const page of this.#pages(lastNear + 1, lastPage)) {
      const found = this.#firstOf(page, from, end, holds);
      if (found !== null) return found;
    }
    return null;
  }

  #firstOf(page: number, from: number, end: number, holds: (slot: number) => boolean): number | null {
    const base = this.#bases.get(page);
    if (base === undefined) return null;
    const first = (page + this.#origin) * pageOffsets;
    for (let offset = Math.max(from, first); offset < Math.min(end, first + pageOffsets); offset++)
      if (holds(base + offset - first)) return offset;
    return null;
  }

  #pages(first: number, last: number): number[] {
    return [...this.#bases.keys()].filter((page) => page >= first && page <= last).sort((a, b) => a - b);
  }
}
