// Replaces a small file, atomically and durably: after a crash it is the old one or the new one.
//
// Never: leaves a mixture, or touches the old file before the new one is durable.

import type { Storage, StorageFile } from "../port/storage.ts";
import { StorageError } from "../port/storage.ts";
import { partPath } from "./path.ts";

export async function replaceFile(storage: Storage, path: string, bytes: Uint8Array): Promise<void> {
  const temporary = `${path}.tmp`;
  await removeIfThere(storage, temporary);
  const file = storage.create(temporary);
  try {
    await fill(storage, file, bytes);
    await storage.rename(temporary, path);
  } catch (error) {
    // The failure to tell is the first one; a temporary left behind is removed by the next call.
    await removeIfThere(storage, temporary).catch(() => {});
    throw error;
  }
  await storage.syncDirectory(partPath(path).parent);
}

async function fill(storage: Storage, file: StorageFile, bytes: Uint8Array): Promise<void> {
  try {
    file.append(bytes);
    await storage.sync([file]);
  } catch (error) {
    await file.close();
    throw error;
  }
  await file.close();
}

async function removeIfThere(storage: Storage, path: string): Promise<void> {
  try {
    await storage.remove(path);
  } catch (error) {
    if (!(error instanceof StorageError && error.kind === "not-found")) throw error;
  }
}
