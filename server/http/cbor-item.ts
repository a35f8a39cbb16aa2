// Where a CBOR item ends (RFC 8949, 3), found while its bytes arrive.
//
// Owns: well-formedness of what we take: integers, byte and text strings, arrays, maps with
//   text keys, floats, true, false, null, undefined. No tags, no strings of indefinite length.
// Never: builds values (records-cbor.ts).
//
// Invariants: looks at every byte once however the item is cut into pieces, allocates nothing
//   by a length it was told, and nests no deeper than `maxDepth`.

import { invalid } from "./problem.ts";
import { checkContainers, checkRecords, recordsDepth } from "./record-count.ts";

const maxDepth = 64;
/** An open array or map that ends with a break. */
const indefinite = -1;
const utf8 = new TextDecoder("utf-8", { fatal: true });

interface Open {
  readonly map: boolean;
  /** Items still to come, keys counted; `indefinite` until a break. */
  left: number;
  /** Items so far: even ones of a map are keys. */
  seen: number;
}

/** Measures one item of which `advance` is shown ever more bytes, always from its first. */
export class ItemMeasure {
  readonly #what: string;
  readonly #counted: boolean;
  readonly #open: Open[] = [];
  #position = 0;
  #containers = 0;

  /** `counted`: a body of records, of which there may be too many. */
  constructor(what: string, counted = false) {
    this.#what = what;
    this.#counted = counted;
  }

  /** The item's size, or null while more bytes must come. Throws INVALID_REQUEST when it can be no item. */
  advance(bytes: Uint8Array): number | null {
    for (;;) {
      if (!this.#head(bytes)) return null;
      while (this.#open.at(-1)?.left === 0) this.#close();
      if (this.#open.length === 0) return this.#position;
    }
  }

  /** Passes one head and the string behind it; false when they are not all there. */
  #head(bytes: Uint8Array): boolean {
    const first = bytes[this.#position];
    if (first === undefined) return false;
    const major = first >> 5;
    const info = first & 31;
    const around = this.#open.at(-1);
    if (first === 0xff) {
      if (around === undefined || around.left !== indefinite || (around.map && around.seen % 2 === 1)) {
        throw this.#fault("has a break where none may stand");
      }
      this.#position += 1;
      this.#close();
      return true;
    }
    if (around?.map === true && around.seen % 2 === 0 && major !== 3)
      throw this.#fault("has a map with a key that is no text");
    if (info > 27 && !(info === 31 && (major === 4 || major === 5)))
      throw this.#fault(`has a head that is not taken (0x${first.toString(16)})`);
    const argumentBytes = info < 24 || info === 31 ? 0 : 2 ** (info - 24);
    const start = this.#position + 1 + argumentBytes;
    if (start > bytes.length) return false;
    const argument = info < 24 ? info : info === 31 ? indefinite : unsigned(bytes, this.#position + 1, argumentBytes);
    if (major === 6) throw this.#fault("has a tag; none is taken");
    if (major === 7 && (info < 20 || info === 24)) throw this.#fault("has a simple value that is not taken");
    if (major === 2 || major === 3) {
      if (start + argument > bytes.length) return false;
      if (major === 3) this.#checkText(bytes.subarray(start, start + argument));
      this.#position = start + argument;
    } else {
      this.#position = start;
    }
    if (around !== undefined) this.#count(around);
    if (major === 4 || major === 5) this.#push(major === 5, argument);
    return true;
  }

  #push(map: boolean, argument: number): void {
    if (this.#open.length === maxDepth) throw this.#fault(`nests deeper than ${maxDepth}`);
    this.#containers += 1;
    if (this.#counted) checkContainers(this.#containers);
    this.#open.push({ map, left: argument === indefinite ? indefinite : map ? argument * 2 : argument, seen: 0 });
  }

  #count(around: Open): void {
    around.seen += 1;
    if (this.#counted && !around.map && this.#open.length === recordsDepth) checkRecords(around.seen);
    if (around.left !== indefinite) around.left -= 1;
  }

  #close(): void {
    this.#open.pop();
  }

  #checkText(bytes: Uint8Array): void {
    try {
      utf8.decode(bytes);
    } catch {
      throw this.#fault("has a text that is not UTF-8");
    }
  }

  #fault(words: string): Error {
    return invalid(`${this.#what} is not CBOR that is taken here: at byte ${this.#position} it ${words}`);
  }
}

/** The size of the first item in bytes that are all there. */
export function measureItem(bytes: Uint8Array, what: string, counted = false): number {
  const sizeBytes = new ItemMeasure(what, counted).advance(bytes);
  if (sizeBytes === null) throw invalid(`${what} ends within its CBOR item`);
  return sizeBytes;
}

function unsigned(bytes: Uint8Array, position: number, sizeBytes: number): number {
  let value = 0;
  for (let at = position; at < position + sizeBytes; at += 1) value = value * 256 + bytes[at]!;
  return value;
}
