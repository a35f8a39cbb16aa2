// Raw batches over HTTP, against servers that read the same bodies and do nothing with them.
//
// Owns: the load, and the proof that what was acknowledged is there and that the peers read all.

import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import type { Bench, Benchmark, Outcome } from "../harness/benchmark.ts";
import { type ChildServer, startMoldau, startPeer } from "../harness/child-server.ts";
import { OutputsDiffer } from "../harness/comparison.ts";
import { batchOfSize } from "../harness/data.ts";
import { type LoadedServer, raceUnderLoad } from "../harness/load-race.ts";
import { openHttp1 } from "../load/http1.ts";
import { openHttp2 } from "../load/http2.ts";
import { ask, type Prepared, type Request, type Wire } from "../load/wire.ts";

const batchBytes = 64 * 1024;
const raw = "application/vnd.kafka.record-batch";
const topicPath = "/v1/topics/bench";
const recordsPath = `${topicPath}/partitions/0/records`;
/** So that a long run does not fill the disk. */
const topicConfigs = { "segment.bytes": 256 << 20, "retention.bytes": 1 << 30 };

const wires = {
  "HTTP/1.1": { suffix: "", connections: "8 connections", open: (port: number) => openHttp1(port, 8) },
  h2c: { suffix: "-h2", connections: "2 connections of 8 streams", open: (port: number) => openHttp2(port, 2, 8) },
} as const;

const acknowledgements = {
  leader:
    "durability sync, acks=leader: acknowledged when the bytes are with the operating system, synced within 10 ms",
  all: "durability sync, acks=all: acknowledged when the bytes are on disk",
} as const;

export const httpProduceBenchmarks: readonly Benchmark[] = (["leader", "all"] as const).flatMap((acks) =>
  (["HTTP/1.1", "h2c"] as const).map(
    (protocol): Benchmark => ({
      group: "http produce",
      name: `produce 64 KiB batches, ${protocol}, acks=${acks}`,
      runs: "server",
      timed: `POST of raw batches of 64 KiB (records of 1 KiB) to one partition over ${wires[protocol].connections}, one request each at a time; the peers read the same bodies to their end and answer their length`,
      guarantees: acknowledgements[acks],
      run: (bench) => run(bench, protocol, acks),
    }),
  ),
);

async function run(bench: Bench, protocol: keyof typeof wires, acks: keyof typeof acknowledgements): Promise<Outcome> {
  const { suffix, open } = wires[protocol];
  const kernel = await loadWasmKernel();
  const batch = Buffer.from(batchOfSize(kernel.encodeBatch, batchBytes, 1024));
  const servers: ChildServer[] = [];
  const opened: Wire[] = [];
  const load = async (name: string, starting: Promise<ChildServer>, request: Request): Promise<LoadedServer> => {
    const server = await starting;
    servers.push(server);
    const wire = await open(server.port);
    opened.push(wire);
    return { name, server, wire, prepared: [wire.prepare(request)] };
  };
  try {
    const subject = await load("moldau", startMoldau(bench, { folder: bench.folder }), {
      ...{ method: "POST", path: `${recordsPath}?acks=${acks}`, headers: { "content-type": raw }, body: batch },
    });
    const drained: Request = { method: "POST", path: "/drain", headers: { "content-type": raw }, body: batch };
    const peers: LoadedServer[] = [];
    for (const [name, kind] of [
      ["bare drain", "bare-drain"],
      ["Hono drain", "hono-whole"],
    ] as const)
      peers.push(await load(name, startPeer(bench, `${kind}${suffix}`), drained));

    await requireStored(subject, batch);
    for (const peer of peers) await requireDrained(peer, drained);
    return await raceUnderLoad([subject, ...peers], { unit: "MB/s", bytes: batchBytes }, bench);
  } finally {
    for (const wire of opened) wire.close();
    for (const server of servers) await server.stop();
  }
}

/** What comes back is what was sent, but for the stamps: base offset and leader epoch lie outside the checksum. */
async function requireStored({ name, server, wire, prepared }: LoadedServer, batch: Buffer): Promise<void> {
  const setup = await openHttp1(server.port, 1);
  try {
    const body = Buffer.from(JSON.stringify({ configs: topicConfigs }));
    await ask(setup, { method: "PUT", path: topicPath, headers: { "content-type": "application/json" }, body });
    await ask(wire, (prepared[0] as Prepared).request);
    const path = `${recordsPath}?offset=0&waitMs=5000`;
    const stored = await ask(setup, { method: "GET", path, headers: { accept: raw } });
    const magic = 16;
    if (stored.length !== batch.length || !stored.subarray(magic).equals(batch.subarray(magic)))
      throw new OutputsDiffer("produce", "what was sent", name, `${stored.length} other bytes came back`);
  } finally {
    setup.close();
  }
}

async function requireDrained({ name, wire }: LoadedServer, request: Request): Promise<void> {
  const { bytes } = JSON.parse((await ask(wire, request)).toString()) as { bytes: number };
  if (bytes !== batchBytes) throw new OutputsDiffer("produce", "what was sent", name, `it read ${bytes} bytes`);
}
