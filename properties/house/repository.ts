// Finds and reads the repository that a test runs in, from the sources or from dist/.
//
// Never: judges what it reads.

import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { SourceTree } from "./layers.ts";

/** The folder that holds tsconfig.json; the sources are there, wherever the compiled test is. */
export function repositoryRoot(): string {
  let folder = fileURLToPath(new URL(".", import.meta.url));
  while (!existsSync(join(folder, "tsconfig.json"))) {
    const parent = join(folder, "..");
    if (parent === folder) return process.cwd();
    folder = parent;
  }
  return folder;
}

/** Every TypeScript source of the house, by path. */
export function readSources(): SourceTree {
  const root = repositoryRoot();
  const tree = new Map<string, string>();
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(root, folder), { withFileTypes: true })) {
      const path = `${folder}/${entry.name}`;
      if (entry.isDirectory() && entry.name !== "node_modules") visit(path);
      else if (entry.isFile() && entry.name.endsWith(".ts")) tree.set(path, readFileSync(join(root, path), "utf8"));
    }
  };
  for (const folder of ["engine", "assembly", "server", "properties", "bench"]) visit(folder);
  return tree;
}
