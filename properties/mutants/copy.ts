// A copy of the engine with a fault put back, and the runs over it.
//
// Owns: the copy's folder, and its end. Never: changes the engine that ships.

import { cpSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { applyEdit, editsOf, type Fault } from "./mutant.ts";
import type { Runs } from "./runs.ts";

const here = fileURLToPath(import.meta.url);
/** Of modules: the source's, or those of what is built of it. */
export const ending: string = here.endsWith(".ts") ? ".ts" : ".js";
/** Of the tree that runs. */
export const root: string = fileURLToPath(new URL("../..", import.meta.url));

export interface Copy {
  readonly runs: Runs;
  remove(): void;
}

/** Throws EditError when the engine has changed so that the fault does not fit any more. */
export async function copyWith(fault: Fault): Promise<Copy> {
  const folder = mkdtempSync(join(tmpdir(), "moldau-mutant-"));
  const remove = (): void => rmSync(folder, { recursive: true, force: true });
  try {
    for (const part of ["engine", "properties"]) {
      cpSync(join(root, part), join(folder, part), { recursive: true, filter: isPlayed });
    }
    writeFileSync(join(folder, "package.json"), '{"type":"module"}');
    for (const edit of editsOf(fault)) {
      const path = join(folder, "engine", `${edit.file}${ending}`);
      writeFileSync(path, applyEdit(readFileSync(path, "utf8"), edit));
    }
    const path = join(folder, "properties", "mutants", `runs${ending}`);
    const { runs } = (await import(pathToFileURL(path).href)) as { readonly runs: Runs };
    return { runs, remove };
  } catch (error) {
    remove();
    throw error;
  }
}

function isPlayed(path: string): boolean {
  return !/\.test\.|\.d\.ts$/.test(path) && !/\/properties\/(house|adapter)$/.test(path);
}
