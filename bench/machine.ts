// Says on what the numbers were taken: without it a number means nothing.
//
// Never: judges the machine, or names its user or its folders.

import { availableParallelism, cpus, release, totalmem, type } from "node:os";

export interface Machine {
  readonly runtime: string;
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly system: string;
}

export function describeMachine(): Machine {
  return {
    runtime: runtimeName(process.versions),
    cpu: cpus()[0]?.model.trim() ?? "unknown",
    cores: availableParallelism(),
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    system: `${type()} ${release()} ${process.arch}`,
  };
}

/** A report may ask what nobody else in the house may: it changes no behaviour. */
function runtimeName(versions: Readonly<Record<string, string | undefined>>): string {
  for (const name of ["bun", "deno"]) if (versions[name] !== undefined) return `${name} ${versions[name]}`;
  return `node ${versions.node}`;
}
