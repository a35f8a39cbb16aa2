// Many offsets, a bit each.

/** Small: offsets that lie far apart have a page each. */
const pageBits = 1 << 12;

export class OffsetSet {
  readonly #pages: Map<number, Uint32Array> = new Map();

  get sizeBytes(): number {
    return (this.#pages.size * pageBits) / 8;
  }

  add(offset: number): void {
    const number = Math.floor(offset / pageBits);
    let page = this.#pages.get(number);
    if (page === undefined) {
      page = new Uint32Array(pageBits / 32);
      this.#pages.set(number, page);
    }
    const bit = offset - number * pageBits;
    page[bit >>> 5] = (page[bit >>> 5] as number) | (1 << (bit & 31));
  }

  has(offset: number): boolean {
    const number = Math.floor(offset / pageBits);
    const bit = offset - number * pageBits;
    return (((this.#pages.get(number)?.[bit >>> 5] ?? 0) >>> (bit & 31)) & 1) === 1;
  }
}
