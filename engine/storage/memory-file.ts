// The bytes of one file in memory, with the history that a power loss would choose from.
//
// Owns: what of a file is durable, what is not yet, and what a crash makes of it.
// Never: names or directories (memory-tree.ts).
//
// Invariants: the bytes of a write below `liveTo` are those of the chunks, the rest are in `cut`,
//   saved when a truncation took them; a sealed entry of the history never grows; what is durable
//   is in every crash image.

const sectorBytes = 512;
const chunkBytes = 256 * 1024;
const smallestChunkBytes = 1024;

// `abandoned` is what a failed sync leaves: the system holds the pages for clean, so no later
// sync writes them, and nobody knows whether they are on the disk.
type Fate = "pending" | "durable" | "abandoned";

interface Write {
  readonly kind: "append";
  readonly from: number;
  to: number;
  liveTo: number;
  cut: Uint8Array | null;
  fate: Fate;
  sealed: boolean;
}

interface Truncation {
  readonly kind: "truncate";
  readonly sizeBytes: number;
  fate: Fate;
  sealed: boolean;
}

type Change = Write | Truncation;

/** What a sync under way will make durable. */
export type SyncSet = readonly Change[];

export class MemoryFileContent {
  sizeBytes = 0;
  #chunks: Uint8Array[] = [];
  #history: Change[] = [];

  append(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    const from = this.sizeBytes;
    this.#store(bytes);
    const last = this.#history.at(-1);
    if (last?.kind === "append" && !last.sealed && last.cut === null && last.to === from) {
      last.to = last.liveTo = this.sizeBytes;
    } else {
      this.#history.push({
        kind: "append",
        from,
        to: this.sizeBytes,
        liveTo: this.sizeBytes,
        cut: null,
        fate: "pending",
        sealed: false,
      });
    }
  }

  read(into: Uint8Array, position: number): number {
    const wanted = Math.max(0, Math.min(into.length, this.sizeBytes - position));
    let done = 0;
    while (done < wanted) {
      const start = (position + done) % chunkBytes;
      const chunk = this.#chunks[Math.floor((position + done) / chunkBytes)]!;
      const end = Math.min(chunkBytes, start + wanted - done);
      into.set(chunk.subarray(start, end), done);
      done += end - start;
    }
    return wanted;
  }

  /** What a failed sync abandoned of them is as it was handed over here, and to be synced again. */
  rewrite(bytes: Uint8Array, position: number): void {
    const to = position + bytes.length;
    if (position === to) return;
    this.#overwrite(bytes, position);
    this.#history.push({ kind: "append", from: position, to, liveTo: to, cut: null, fate: "pending", sealed: false });
  }

  /** Sectors that a failed sync abandoned, and nothing has written since, are zeros from now on where `evicts` says so. */
  evict(evicts: () => boolean): void {
    if (!this.#history.some(isAbandoned)) return;
    for (const write of this.#history.filter(isAbandoned)) {
      for (let start = write.from; start < write.liveTo; ) {
        const stop = Math.min(write.liveTo, (Math.floor(start / sectorBytes) + 1) * sectorBytes);
        if (evicts())
          for (const [from, to] of this.#abandonedIn(start, stop)) this.#overwrite(new Uint8Array(to - from), from);
        start = stop;
      }
    }
  }

  /** Of a range, what no write covers that the disk has or is to get. */
  #abandonedIn(from: number, to: number): (readonly [number, number])[] {
    let left: (readonly [number, number])[] = [[from, to]];
    for (const change of this.#history) {
      if (change.kind !== "append" || change.fate === "abandoned") continue;
      left = left.flatMap(([start, stop]) => {
        const before = [start, Math.min(stop, change.from)] as const;
        const behind = [Math.max(start, change.liveTo), stop] as const;
        return [before, behind].filter(([low, high]) => low < high);
      });
    }
    return left;
  }

  truncate(sizeBytes: number): void {
    if (sizeBytes === this.sizeBytes) return;
    for (const change of this.#history) {
      if (change.kind !== "append" || change.liveTo <= sizeBytes) continue;
      const start = Math.max(change.from, sizeBytes);
      const cut = new Uint8Array(change.to - start);
      this.read(cut.subarray(0, change.liveTo - start), start);
      if (change.cut !== null) cut.set(change.cut, change.liveTo - start);
      change.cut = cut;
      change.liveTo = start;
    }
    this.#history.push({ kind: "truncate", sizeBytes, fate: "pending", sealed: true });
    this.sizeBytes = sizeBytes;
    this.#chunks.length = Math.ceil(sizeBytes / chunkBytes);
  }

  /** Begins a sync: it covers what was handed over so far, nothing that comes later. */
  beginSync(): SyncSet {
    const covered = this.#history.filter((change) => change.fate === "pending");
    for (const change of covered) change.sealed = true;
    return covered;
  }

  completeSync(covered: SyncSet): void {
    for (const change of covered) change.fate = "durable";
    if (this.#history.every((change) => change.fate === "durable")) {
      this.#history = this.sizeBytes === 0 ? [] : [durableWrite(0, this.sizeBytes)];
      return;
    }
    const merged: Change[] = [];
    for (const change of this.#history) {
      const last = merged.at(-1);
      if (last !== undefined && isLive(last) && isLive(change) && last.to === change.from) {
        merged[merged.length - 1] = durableWrite(last.from, change.to);
      } else {
        merged.push(change);
      }
    }
    this.#history = merged;
  }

  failSync(): void {
    for (const change of this.beginSync()) change.fate = "abandoned";
  }

  /** The file as a power loss would leave it: all of it durable. */
  crashImage(random: () => number): MemoryFileContent {
    const image = new Uint8Array(
      this.#history.reduce((most, change) => (change.kind === "append" ? Math.max(most, change.to) : most), 0),
    );
    let sizeBytes = 0;
    for (const change of this.#history) {
      const fate = change.fate === "durable" ? "whole" : drawFate(random);
      if (fate === "lost") continue;
      if (change.kind === "truncate") {
        if (change.sizeBytes >= sizeBytes) continue;
        image.fill(0, change.sizeBytes, sizeBytes);
        sizeBytes = change.sizeBytes;
        continue;
      }
      const bytes = this.#bytesOf(change);
      const end = fate === "whole" ? change.to : change.from + Math.floor(random() * (change.to - change.from + 1));
      for (let start = change.from; start < end; ) {
        const stop = Math.min(end, (Math.floor(start / sectorBytes) + 1) * sectorBytes);
        if (fate === "whole" || random() < 0.5)
          image.set(bytes.subarray(start - change.from, stop - change.from), start);
        start = stop;
      }
      sizeBytes = Math.max(sizeBytes, end);
    }
    const content = new MemoryFileContent();
    content.append(image.subarray(0, sizeBytes));
    content.completeSync(content.beginSync());
    return content;
  }

  #bytesOf(write: Write): Uint8Array {
    const bytes = new Uint8Array(write.to - write.from);
    this.read(bytes.subarray(0, write.liveTo - write.from), write.from);
    if (write.cut !== null) bytes.set(write.cut, write.liveTo - write.from);
    return bytes;
  }

  #overwrite(bytes: Uint8Array, position: number): void {
    for (let done = 0; done < bytes.length; ) {
      const start = (position + done) % chunkBytes;
      const length = Math.min(bytes.length - done, chunkBytes - start);
      this.#chunks[Math.floor((position + done) / chunkBytes)]!.set(bytes.subarray(done, done + length), start);
      done += length;
    }
  }

  #store(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length; ) {
      const index = Math.floor(this.sizeBytes / chunkBytes);
      const start = this.sizeBytes % chunkBytes;
      const length = Math.min(bytes.length - done, chunkBytes - start);
      let chunk = this.#chunks[index];
      if (chunk === undefined || chunk.length < start + length) {
        let capacity = Math.max(smallestChunkBytes, chunk?.length ?? 0);
        while (capacity < start + length) capacity *= 2;
        const grown = new Uint8Array(Math.min(capacity, chunkBytes));
        if (chunk !== undefined) grown.set(chunk.subarray(0, start));
        chunk = this.#chunks[index] = grown;
      }
      chunk.set(bytes.subarray(done, done + length), start);
      done += length;
      this.sizeBytes += length;
    }
  }
}

function durableWrite(from: number, to: number): Write {
  return { kind: "append", from, to, liveTo: to, cut: null, fate: "durable", sealed: true };
}

function isAbandoned(change: Change): change is Write {
  return change.kind === "append" && change.fate === "abandoned";
}

function isLive(change: Change): change is Write {
  return change.kind === "append" && change.fate === "durable" && change.cut === null;
}

function drawFate(random: () => number): "lost" | "whole" | "torn" {
  const chance = random();
  return chance < 0.25 ? "lost" : chance < 0.5 ? "whole" : "torn";
}
