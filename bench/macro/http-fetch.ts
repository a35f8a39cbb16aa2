// Raw batches read over HTTP, against servers that send the same bytes of the same file.
//
// Owns: the log that is read, and the proof that both send the same.

import { join } from "node:path";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import type { Bench, Benchmark, Outcome } from "../harness/benchmark.ts";
import { startMoldau, startPeer } from "../harness/child-server.ts";
import { OutputsDiffer } from "../harness/comparison.ts";
import { batchOfSize, repeat } from "../harness/data.ts";
import { type LoadedServer, raceUnderLoad } from "../harness/load-race.ts";
import { onStage } from "../harness/stage.ts";
import { ask, type Prepared, type Request, type Wire } from "../load/wire.ts";
import { askOnce, createTopic, fetchRaw, openingOf, type Protocol, produceRaw } from "./face.ts";

const batchBytes = 64 * 1024;
const valueBytes = 1024;
const fetchBytes = 1 << 20;
const batchesPerFetch = fetchBytes / batchBytes;
/** Beyond the tail that is kept in memory by far, so that fetches read the file. By effort, bytes. */
const logBytes = { full: 512 << 20, quick: 256 << 20, tiny: 4 << 20 } as const;
const width = { "HTTP/1.1": 8, h2c: 16 } as const;

export const httpFetchBenchmarks: readonly Benchmark[] = (["HTTP/1.1", "h2c"] as const).map((protocol) => ({
  group: "http fetch",
  name: `fetch 1 MiB, ${protocol}`,
  runs: "server",
  timed: `GET of raw batches, 1 MiB each, all over a log that is larger than the tail kept in memory, over ${openingOf(protocol, width[protocol]).over}, each with one request at a time; the peer answers the same bytes, read from the log's own file in one piece`,
  guarantees: "durability sync: what is read is on disk",
  run: (bench) => run(bench, protocol),
}));

async function run(bench: Bench, protocol: Protocol): Promise<Outcome> {
  const { open, peerSuffix } = openingOf(protocol, width[protocol]);
  return onStage(async (stage) => {
    const server = await stage.server(startMoldau(bench, { folder: bench.folder }));
    await createTopic(server.port, { "segment.bytes": 1 << 30 });
    const sizeBytes = logBytes[bench.effort.name];
    const recordsPerFetch = await fill(server.port, sizeBytes);
    const wire = await stage.wire(open(server.port));
    const positions = Array.from({ length: sizeBytes / fetchBytes }, (_, index) => index);
    const fetches = positions.map((index) => fetchRaw(index * recordsPerFetch, fetchBytes));
    const subject: LoadedServer = {
      ...{ name: "moldau", server, wire, usesDisk: true },
      prepared: fetches.map((one) => wire.prepare(one)),
    };

    const file = join(bench.folder, "bench-0", `${"0".repeat(20)}.log`);
    const peer = await stage.server(startPeer(bench, `bare-file${peerSuffix}`, file));
    const peerWire = await stage.wire(open(peer.port));
    const reads = positions.map(
      (index): Request => ({
        method: "GET",
        path: `/?position=${index * fetchBytes}&bytes=${fetchBytes}`,
      }),
    );
    const bare: LoadedServer = {
      ...{ name: "bare server of the file", server: peer, wire: peerWire, usesDisk: true },
      prepared: reads.map((one) => peerWire.prepare(one)),
    };
    await requireSameBytes(wire, subject.prepared, peerWire, bare.prepared);
    return raceUnderLoad([subject, bare], { unit: "MB/s", bytes: "received" }, bench);
  });
}

/** Records a fetch of fetchBytes comes to. */
async function fill(port: number, sizeBytes: number): Promise<number> {
  const kernel = await loadWasmKernel();
  const batch = batchOfSize(kernel.encodeBatch, batchBytes, valueBytes);
  const recordsPerBatch = new DataView(batch.buffer, batch.byteOffset).getInt32(57);
  const run = repeat(batch, batchesPerFetch * Math.min(4, sizeBytes / fetchBytes));
  for (let sent = 0; sent < sizeBytes; sent += run.length) await askOnce(port, produceRaw(run, "all"));
  return recordsPerBatch * batchesPerFetch;
}

/** The first, the last and one between. */
async function requireSameBytes(
  wire: Wire,
  fetches: readonly Prepared[],
  peer: Wire,
  reads: readonly Prepared[],
): Promise<void> {
  for (const index of [0, fetches.length >> 1, fetches.length - 1]) {
    const fetched = await ask(wire, (fetches[index] as Prepared).request);
    const read = await ask(peer, (reads[index] as Prepared).request);
    if (fetched.length !== fetchBytes || !fetched.equals(read))
      throw new OutputsDiffer("fetch", "moldau", "the file", `${fetched.length} bytes against ${read.length}`);
  }
}
