// Says on what the numbers were taken: without it a number means nothing.
//
// Never: judges the machine, or names its user or its folders.

import { readFileSync } from "node:fs";
import { availableParallelism, cpus, release, totalmem, type } from "node:os";
import { resolve, sep } from "node:path";

export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
  /** Of the disk that is measured. */
  readonly fileSystem: string;
  /** UTC, to the minute. */
  readonly date: string;
}

/** `folder` lies on the disk that is measured. */
export function describeMachine(folder: string): Machine {
  return {
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()} ${process.arch}`,
    fileSystem: fileSystemOf(folder),
    date: `${new Date().toISOString().slice(0, 16).replace("T", " ")} UTC`,
  };
}

/** The type of the mount that the folder lies in; "unknown" where no /proc/mounts says it. */
function fileSystemOf(folder: string): string {
  let mounts: string;
  try {
    mounts = readFileSync("/proc/mounts", "utf8");
  } catch {
    return "unknown";
  }
  let [longest, found] = [-1, "unknown"];
  for (const line of mounts.split("\n")) {
    const [, at, kind] = line.split(" ");
    if (at === undefined || kind === undefined || at.length < longest) continue;
    if (`${resolve(folder)}${sep}`.startsWith(at.endsWith(sep) ? at : `${at}${sep}`))
      [longest, found] = [at.length, kind];
  }
  return found;
}
