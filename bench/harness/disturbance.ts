// Whether the machine was ours alone while something was measured.
//
// Owns: the count of what other processes used, out of /proc: what all processors did, less what is
//   ours and less the system's own threads, which write back what we wrote. So that who lived
//   shortly counts too, and nobody's life before counts with its end.
// Never: judges a figure by it.

import { readdirSync, readFileSync } from "node:fs";
import { performance } from "node:perf_hooks";

const ticksPerSecond = 100;
const kernelThreads = 2;
/** Shares of a core below this are a machine at rest. */
const quietShare = 0.15;

interface Usage {
  readonly parent: number;
  /** Its own and of those it waited for. */
  readonly seconds: number;
}

interface Look {
  /** Of all processors together, in whatever they did but idle and wait. */
  readonly busySeconds: number;
  readonly processes: ReadonlyMap<number, Usage>;
}

/** The note for a reader, null when nobody disturbed or nobody can tell; to be asked at the end. */
export function watchOthers(): () => string | null {
  const before = look();
  const started = performance.now();
  return () => {
    const after = look();
    if (before === null || after === null) return null;
    const share = othersSeconds(before, after, process.pid) / ((performance.now() - started) / 1000);
    if (share < quietShare) return null;
    return `the machine was not ours alone: other processes used ${(share * 100).toFixed(0)}% of a core`;
  };
}

/** What was used between the two looks by whoever is neither `own`, nor descends from it, nor is a thread of the system. */
export function othersSeconds(before: Look, after: Look, own: number): number {
  let known = 0;
  for (const [id, { parent, seconds }] of after.processes) {
    if (parent !== kernelThreads && !descends(id, own, after.processes)) continue;
    known += Math.max(0, seconds - (before.processes.get(id)?.seconds ?? 0));
  }
  return Math.max(0, after.busySeconds - before.busySeconds - known);
}

function descends(id: number, from: number, usages: ReadonlyMap<number, Usage>): boolean {
  for (let at: number | undefined = id; at !== undefined && at !== 0; at = usages.get(at)?.parent)
    if (at === from) return true;
  return false;
}

/** Null where there is no /proc. */
function look(): Look | null {
  const processes = new Map<number, Usage>();
  let busyTicks: number;
  let names: string[];
  try {
    // "cpu", then user, nice, system, idle, iowait, irq, softirq.
    const [, user, nice, system, , , irq, softirq] = readFileSync("/proc/stat", "utf8").split(/\s+/, 8).map(Number);
    busyTicks = [user, nice, system, irq, softirq].reduce<number>((sum, ticks) => sum + (ticks ?? 0), 0);
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
      processes.set(Number(name), { parent: Number(fields[1]), seconds: ticks / ticksPerSecond });
    } catch {
      // It has ended meanwhile.
    }
  }
  return { busySeconds: busyTicks / ticksPerSecond, processes };
}
