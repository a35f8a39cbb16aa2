// A log to look into, for the tests of this folder: batches of known sizes, and a partition's folder of them.

import type { Kernel } from "../../kernel/kernel.ts";
import { createTwinKernel } from "../../kernel/twin.ts";
import type { Storage } from "../../port/storage.ts";
import { memoryStorage } from "../../storage/memory.ts";
import { segmentFileName } from "../segment-names.ts";
import { rebuildIndex } from "./rebuild-index.ts";

export const kernel: Kernel = createTwinKernel();
export const startMs = 1_700_000_000_000;
export const indexIntervalBytes = 200;

export interface BatchToWrite {
  readonly records: number;
  /** Of its first record; the others follow by a millisecond. */
  readonly timestamp: number;
  readonly producer?: { readonly producerId: number; readonly producerEpoch: number; readonly baseSequence: number };
}

export function encoded({ records, timestamp, producer }: BatchToWrite, baseOffset: number): Uint8Array {
  const contents = Array.from({ length: records }, (_, at) => ({
    ...{ key: null, headers: [], timestamp: timestamp + at },
    value: new TextEncoder().encode(`record ${baseOffset + at} ${"x".repeat(40)}`),
  }));
  const limits = { baseOffset, leaderEpoch: 0, maxBatchBytes: 1 << 20, appendTimeMs: -1 };
  const run = kernel.prepareRun(kernel.encodeBatch(contents, producer ?? {}), limits);
  if (!run.ok) throw new Error(run.fault);
  return run.bytes.slice();
}

/** Segments of so many batches of two records, ten milliseconds apart, with their indexes; their base offsets. */
export async function write(
  folder: string,
  batches: readonly number[],
): Promise<{ storage: Storage; bases: number[] }> {
  const storage = memoryStorage();
  await storage.makeDirectory(folder);
  const bases: number[] = [];
  let offset = 0;
  for (const count of batches) {
    bases.push(offset);
    const file = storage.create(`${folder}/${segmentFileName(offset, "log")}`);
    const baseOffset = offset;
    for (let batch = 0; batch < count; batch += 1, offset += 2) {
      file.append(encoded({ records: 2, timestamp: startMs + (offset / 2) * 10 }, offset));
    }
    await file.close();
    const refusal = await rebuildIndex({ storage, kernel, folder, baseOffset, indexIntervalBytes });
    if (refusal !== null) throw new Error(refusal);
  }
  return { storage, bases };
}

export async function bytesOf(storage: Storage, path: string): Promise<Uint8Array> {
  const file = await storage.open(path);
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  await file.close();
  return bytes;
}

export async function overwrite(
  storage: Storage,
  path: string,
  edit: (bytes: Uint8Array) => Uint8Array,
): Promise<void> {
  const bytes = edit(await bytesOf(storage, path));
  const file = await storage.open(path);
  await file.truncate(0);
  file.append(bytes);
  await file.close();
}
