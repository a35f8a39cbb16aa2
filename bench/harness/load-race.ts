// Servers under the same load, in turns.
//
// Owns: the turns, the rates and ratios made of them, and the look at who was busy: a server that
//   was not may have been faster than its client.
// Never: knows what is asked of the servers.

import { type Driven, drive, type Prepared, type Wire } from "../load/wire.ts";
import { type Bench, type Busy, type Figure, type Outcome, type Ratio, spreadOf } from "./benchmark.ts";
import type { ChildServer } from "./child-server.ts";
import { busyShare } from "./verdict.ts";

export interface LoadedServer {
  readonly name: string;
  readonly server: ChildServer;
  readonly wire: Wire;
  readonly prepared: readonly Prepared[];
  /** That it reads or writes files: when it is not busy, the disk may be what it waits for. */
  readonly usesDisk?: boolean;
  /**
   * Called before each of its turns. A log that only grows meets the system's limit of bytes that wait for the disk, and
   * memory that the machine's host has yet to give: neither is what a peer that keeps nothing is timed with.
   */
  readonly beforeTurn?: () => Promise<void>;
}

/** What one request counts for: so many bytes, or those of its answer. */
export type LoadUnit = { readonly unit: "MB/s"; readonly bytes: number | "received" } | { readonly unit: "requests/s" };

export async function raceUnderLoad(
  contenders: readonly LoadedServer[],
  unit: LoadUnit,
  { effort }: Bench,
): Promise<Outcome> {
  for (const { wire, prepared } of contenders) await drive(wire, prepared, effort.runMs / 2);
  const rates: number[][] = contenders.map(() => []);
  const shares: (number | null)[][] = contenders.map(() => []);
  for (let run = 0; run < effort.runs; run++) {
    for (let turn = 0; turn < contenders.length; turn++) {
      const which = run % 2 === 0 ? turn : contenders.length - 1 - turn;
      const { server, wire, prepared, beforeTurn } = contenders[which] as LoadedServer;
      await beforeTurn?.();
      const cpuBefore = server.cpuSeconds();
      const driven = await drive(wire, prepared, effort.runMs);
      const cpuAfter = server.cpuSeconds();
      rates[which]?.push(rateOf(driven, unit));
      shares[which]?.push(cpuBefore === null || cpuAfter === null ? null : (cpuAfter - cpuBefore) / driven.seconds);
    }
  }
  const figures = contenders.map(
    ({ name }, index): Figure => ({ name, unit: unit.unit, ...spreadOf(rates[index] as number[]) }),
  );
  const [subject, ...peers] = figures as [Figure, ...Figure[]];
  const ratios = peers.map(
    ({ name }, index): Ratio => ({
      peer: name,
      ...spreadOf((rates[0] as number[]).map((rate, run) => rate / (rates[index + 1]?.[run] as number))),
    }),
  );
  const busy = contenders.flatMap(({ name }, index) => busyOf(name, shares[index] as (number | null)[]) ?? []);
  const notes = contenders.map((contender) => busyNote(contender, busy));
  return { subject, peers, ratios, curves: [], busy, notes, missing: [] };
}

function rateOf({ requests, receivedBytes, seconds }: Driven, unit: LoadUnit): number {
  if (unit.unit === "requests/s") return requests / seconds;
  return (unit.bytes === "received" ? receivedBytes : requests * unit.bytes) / seconds / 1e6;
}

function busyOf(name: string, shares: readonly (number | null)[]): Busy | null {
  const known = shares.filter((share) => share !== null);
  return known.length === 0 ? null : { name, share: spreadOf(known).median };
}

export function busyNote({ name, usesDisk }: Pick<LoadedServer, "name" | "usesDisk">, busy: readonly Busy[]): string {
  const share = busy.find((one) => one.name === name)?.share;
  if (share === undefined) return `${name}: how busy its server was is not known here`;
  const text = `${name}'s server used ${(share * 100).toFixed(0)}% of a core`;
  if (share >= busyShare) return text;
  return `${text}: ${usesDisk === true ? "waiting for the disk, or client-bound" : "client-bound"}`;
}
