// A streaming body cut into records: lines of NDJSON, or items of a CBOR sequence (RFC 8742).
//
// Owns: what has arrived of an item that is not whole yet, and its limit.
// Never: reads the stream, or appends anything.
//
// Invariants: an item is handed out as soon as its last byte is there; a wrong one is handed out
//   as its error, in its place; after `broken` nothing more can be told apart.

import type { RecordInput } from "../../engine/index.ts";
import { ItemMeasure } from "./cbor-item.ts";
import { type Care, careOf, decodeText, parseJson, parseRecord } from "./record-input.ts";
import { decodeCbor } from "./records-cbor.ts";

export interface StreamItem {
  readonly record: RecordInput | Error;
  readonly sizeBytes: number;
}

export interface ItemSplitter {
  /** Bytes of an item that is not whole yet. */
  readonly pendingBytes: number;
  /** Why the rest of the stream cannot be read. */
  readonly broken: Error | null;
  push(chunk: Uint8Array): StreamItem[];
  /** The body has ended, whole. */
  end(): StreamItem[];
}

/** Bytes that grow by what arrives; each is copied a constant number of times. */
class Growing {
  #bytes = new Uint8Array(0);
  length = 0;

  append(chunk: Uint8Array): void {
    const needed = this.length + chunk.length;
    if (needed > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(needed, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, this.length));
      this.#bytes = larger;
    }
    this.#bytes.set(chunk, this.length);
    this.length = needed;
  }

  view(): Uint8Array {
    return this.#bytes.subarray(0, this.length);
  }

  clear(): void {
    this.length = 0;
    this.#bytes = new Uint8Array(0);
  }
}

const lineFeed = 10;

export class LineSplitter implements ItemSplitter {
  broken: Error | null = null;
  readonly #rest: Growing = new Growing();
  #lines = 0;

  get pendingBytes(): number {
    return this.#rest.length;
  }

  push(chunk: Uint8Array): StreamItem[] {
    const items: StreamItem[] = [];
    const last = chunk.lastIndexOf(lineFeed);
    if (last < 0) {
      this.#rest.append(chunk);
      return items;
    }
    let from = 0;
    if (this.#rest.length > 0) {
      from = chunk.indexOf(lineFeed) + 1;
      this.#rest.append(chunk.subarray(0, from - 1));
      this.#take(this.#rest.view(), items);
      this.#rest.clear();
    }
    if (from <= last) this.#takeLines(chunk.subarray(from, last), items);
    if (last + 1 < chunk.length) this.#rest.append(chunk.subarray(last + 1));
    return items;
  }

  /** Whole lines with line feeds between them; decoded at once where a character is a byte. */
  #takeLines(lines: Uint8Array, items: StreamItem[]): void {
    const text = asciiOf(lines);
    const care = text === null ? null : careOf(text);
    for (let from = 0; from <= lines.length; ) {
      const found = lines.indexOf(lineFeed, from);
      const end = found < 0 ? lines.length : found;
      if (text !== null && care !== null) this.#takeText(text.slice(from, end), care, end - from, items);
      else this.#take(lines.subarray(from, end), items);
      from = end + 1;
    }
  }

  end(): StreamItem[] {
    const items: StreamItem[] = [];
    this.#take(this.#rest.view(), items);
    this.#rest.clear();
    return items;
  }

  #take(line: Uint8Array, items: StreamItem[]): void {
    try {
      const text = decodeText(line, `line ${this.#lines + 1}`);
      this.#takeText(text, careOf(text), line.length, items);
    } catch (thrown) {
      this.#lines += 1;
      items.push({ record: thrown as Error, sizeBytes: line.length });
    }
  }

  #takeText(text: string, care: Care, sizeBytes: number, items: StreamItem[]): void {
    this.#lines += 1;
    // An empty line is no record: what a terminal or an editor leaves at the end.
    if (text.trim() === "") return;
    let record: RecordInput | Error;
    try {
      record = parseRecord(parseJson(text, `line ${this.#lines}`), care);
    } catch (thrown) {
      record = thrown as Error;
    }
    items.push({ record, sizeBytes });
  }
}

const utf8 = new TextDecoder();

/** null when some character takes more than a byte, or is none. */
function asciiOf(bytes: Uint8Array): string | null {
  const text = utf8.decode(bytes);
  return text.length === bytes.length && !text.includes("\ufffd") ? text : null;
}

export class CborSplitter implements ItemSplitter {
  broken: Error | null = null;
  readonly #rest: Growing = new Growing();
  #items = 0;
  #measure: ItemMeasure = new ItemMeasure("item 1");

  get pendingBytes(): number {
    return this.#rest.length;
  }

  push(chunk: Uint8Array): StreamItem[] {
    const items: StreamItem[] = [];
    if (this.broken !== null) return items;
    this.#rest.append(chunk);
    let rest = this.#rest.view();
    try {
      for (let size = this.#measure.advance(rest); size !== null; size = this.#measure.advance(rest)) {
        items.push({ record: this.#take(rest.subarray(0, size)), sizeBytes: size });
        rest = rest.subarray(size);
        this.#measure = new ItemMeasure(`item ${this.#items + 1}`);
      }
    } catch (thrown) {
      // Where the next item begins is unknown.
      this.broken = thrown as Error;
      rest = rest.subarray(rest.length);
    }
    // Records may still be views on the old bytes, so what is left moves to new ones.
    if (rest.length < this.#rest.length) {
      this.#rest.clear();
      this.#rest.append(rest);
    }
    return items;
  }

  end(): StreamItem[] {
    if (this.#rest.length === 0 || this.broken !== null) return [];
    try {
      decodeCbor(this.#rest.view(), `item ${this.#items + 1}`);
    } catch (thrown) {
      this.broken = thrown as Error;
    }
    return [];
  }

  #take(bytes: Uint8Array): RecordInput | Error {
    this.#items += 1;
    try {
      return parseRecord(decodeCbor(bytes, `item ${this.#items}`));
    } catch (thrown) {
      return thrown as Error;
    }
  }
}
