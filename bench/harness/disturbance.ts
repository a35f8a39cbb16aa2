// Whether the machine was ours alone while something was measured.
//
// Owns: the count of what other processes used, out of /proc. Short-lived ones are seen through who
//   waited for them. Never: counts the system's own threads, which write back what we wrote.

import { readdirSync, readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";

const ticksPerSecond = 100;
const kernelThreads = 2;
/** Shares of a core below this are a machine at rest. */
const quietShare = 0.15;

interface Usage {
  readonly parent: number;
  readonly seconds: number;
}

/** The note for a reader, null when nobody disturbed or nobody can tell; to be asked at the end. */
export function watchOthers(): () => string | null {
  const before = usages();
  const started = performance.now();
  return () => {
    const after = usages();
    if (before === null || after === null) return null;
    const share = othersSeconds(before, after, process.pid) / ((performance.now() - started) / 1000);
    if (share < quietShare) return null;
    return `the machine was not ours alone: other processes used ${(share * 100).toFixed(0)}% of a core`;
  };
}

/** What processes used between the two looks that are neither `own` nor descend from it. */
export function othersSeconds(
  before: ReadonlyMap<number, Usage>,
  after: ReadonlyMap<number, Usage>,
  own: number,
): number {
  let seconds = 0;
  for (const [id, usage] of after) {
    if (usage.parent === kernelThreads || descends(id, own, after)) continue;
    seconds += Math.max(0, usage.seconds - (before.get(id)?.seconds ?? 0));
  }
  return seconds;
}

function descends(id: number, from: number, usages: ReadonlyMap<number, Usage>): boolean {
  for (let at: number | undefined = id; at !== undefined && at !== 0; at = usages.get(at)?.parent)
    if (at === from) return true;
  return false;
}

/** By process; null where there is no /proc. */
function usages(): Map<number, Usage> | null {
  const found = new Map<number, Usage>();
  let names: string[];
  try {
    names = readdirSync("/proc");
  } catch {
    return null;
  }
  for (const name of names) {
    if (!/^\d+$/.test(name)) continue;
    try {
      const text = readFileSync(`/proc/${name}/stat`, "utf8");
      // After the name in brackets: state, parent, ..., and from the 12th on the times, its own and of those it waited for.
      const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
      const ticks = fields.slice(11, 15).reduce((sum, field) => sum + Number(field), 0);
      found.set(Number(name), { parent: Number(fields[1]), seconds: ticks / ticksPerSecond });
    } catch {
      // It has ended meanwhile.
    }
  }
  return found.size === 0 ? null : found;
}
