// Files that are gone after a stop, and that a broker makes anew from its logs.
//
// Owns: which files those are. Never: takes what a log alone does not tell.

import { type Storage, StorageError } from "../subject.ts";
import type { LogPlace } from "./actors/actor.ts";
import { listed } from "./rot.ts";

export type LostFiles = "snapshots" | "indexes" | "cleaner point";

const cleanerPoint = "cleaner-offset-checkpoint";

/** Removes them; the result is how many there were. */
export async function loseFiles(storage: Storage, logs: readonly LogPlace[], what: LostFiles): Promise<number> {
  if (what === "cleaner point") return remove(storage, ["", [cleanerPoint]]);
  const pattern = what === "snapshots" ? /\.snapshot$/ : /\.(time)?index$/;
  let count = 0;
  for (const { topic, partition, compacted } of logs) {
    // Of producers whose batches retention has deleted nothing but a snapshot knows.
    if (what === "snapshots" && !compacted) continue;
    const folder = `${topic}-${partition}`;
    const names = (await listed(storage, folder)).filter((name) => pattern.test(name));
    count += await remove(storage, [folder, names]);
  }
  return count;
}

async function remove(storage: Storage, [folder, names]: readonly [string, readonly string[]]): Promise<number> {
  let count = 0;
  for (const name of names) {
    try {
      await storage.remove(folder === "" ? name : `${folder}/${name}`);
      count += 1;
    } catch (error) {
      if (!(error instanceof StorageError)) throw error;
    }
  }
  if (count > 0) await storage.syncDirectory(folder);
  return count;
}
