// Paths inside a store: names with "/" between them; "" is the data folder.
//
// Never: lets a path out of the data folder.

import { StorageError } from "../port/storage.ts";

export interface StoragePath {
  /** The directory's path. */
  readonly parent: string;
  readonly name: string;
}

/** The names of a path, [] for the data folder. Throws `io` for one that is not a relative path of plain names. */
export function pathNames(path: string): string[] {
  if (path === "") return [];
  const names = path.split("/");
  for (const name of names) {
    if (name === "" || name === "." || name === ".." || name.includes("\0") || name.includes("\\")) {
      throw new StorageError("io", `${JSON.stringify(path)} is not a path inside the data folder`);
    }
  }
  return names;
}

/** Parts a path into its directory and its name. Throws `io` for the data folder itself. */
export function partPath(path: string): StoragePath {
  const names = pathNames(path);
  const name = names.pop();
  if (name === undefined) throw new StorageError("io", "the data folder itself cannot be created, moved or removed");
  return { parent: names.join("/"), name };
}
