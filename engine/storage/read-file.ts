// Reads a small file whole.
//
// Never: reads more than it was allowed to.

import type { Storage, StorageFile } from "../port/storage.ts";
import { StorageError } from "../port/storage.ts";

/** Resolves to null when there is no such file; throws `io` when it is larger than `maxBytes`. */
export async function readFile(storage: Storage, path: string, maxBytes: number): Promise<Uint8Array | null> {
  let file: StorageFile;
  try {
    file = await storage.open(path);
  } catch (error) {
    if (error instanceof StorageError && error.kind === "not-found") return null;
    throw error;
  }
  try {
    if (file.sizeBytes > maxBytes)
      throw new StorageError("io", `${path} has ${file.sizeBytes} bytes, more than the ${maxBytes} allowed`);
    const bytes = new Uint8Array(file.sizeBytes);
    const read = await file.read(bytes, 0);
    return bytes.subarray(0, read);
  } finally {
    await file.close();
  }
}
