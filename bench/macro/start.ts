// How soon a server is ready, and what an idle one costs.
//
// Owns: the start on an empty folder until the first 200 of /readyz, and the memory a while after.

import { mkdtempSync } from "node:fs";
import { join } from "node:path";
import { performance } from "node:perf_hooks";
import { type Bench, type Benchmark, type Outcome, spreadOf } from "../harness/benchmark.ts";
import { type ChildServer, startMoldau, startPeer } from "../harness/child-server.ts";
import { askOnce } from "./face.ts";

/** By effort, milliseconds. */
const settleMs = { full: 3000, quick: 1000, tiny: 1 } as const;

export const startBenchmarks: readonly Benchmark[] = [
  {
    group: "start",
    name: "start to ready",
    runs: "server",
    timed:
      "from starting the process on an empty folder until GET /readyz is answered with 200; beside it a bare server of the same runtime until it listens",
    run: startToReady,
  },
  {
    group: "start",
    name: "idle memory",
    runs: "server",
    timed: "resident memory of a server that was asked once and then left alone for 3 s (1 s when quick)",
    run: idleMemory,
  },
];

async function startToReady(bench: Bench): Promise<Outcome> {
  const ours: number[] = [];
  const bare: number[] = [];
  // The first start warms the disk's cache and is not counted.
  for (let run = 0; run <= bench.effort.runs * 2; run++) {
    const begun = performance.now();
    const server = await startMoldau(bench, { folder: newFolder(bench) });
    const ready = await untilReady(server, begun);
    await server.stop();
    const peer = await startPeer(bench, "bare-drain");
    await peer.stop();
    if (run === 0) continue;
    ours.push(ready);
    bare.push(peer.readyMs);
  }
  return {
    subject: { name: "moldau", unit: "ms", ...spreadOf(ours) },
    peers: [{ name: "bare server", unit: "ms", ...spreadOf(bare) }],
    ratios: [],
    curves: [],
    notes: [],
    missing: [],
  };
}

async function untilReady({ port }: ChildServer, begun: number): Promise<number> {
  await askOnce(port, { method: "GET", path: "/readyz" });
  return performance.now() - begun;
}

async function idleMemory(bench: Bench): Promise<Outcome> {
  const ours: number[] = [];
  const bare: number[] = [];
  for (let run = 0; run < Math.min(3, bench.effort.runs); run++) {
    const servers = [await startMoldau(bench, { folder: newFolder(bench) }), await startPeer(bench, "bare-drain")];
    await askOnce((servers[0] as ChildServer).port, { method: "GET", path: "/readyz" });
    await new Promise((resolve) => setTimeout(resolve, settleMs[bench.effort.name]));
    const [mine, other] = servers.map((server) => server.residentMiB());
    for (const server of servers) await server.stop();
    if (typeof mine !== "number" || typeof other !== "number")
      throw new Error("resident memory is read from /proc, which this system does not have");
    ours.push(mine);
    bare.push(other);
  }
  return {
    subject: { name: "moldau", unit: "MiB", ...spreadOf(ours) },
    peers: [{ name: "bare server", unit: "MiB", ...spreadOf(bare) }],
    ratios: [],
    curves: [],
    notes: [],
    missing: [],
  };
}

function newFolder(bench: Bench): string {
  return mkdtempSync(join(bench.folder, "data-"));
}
