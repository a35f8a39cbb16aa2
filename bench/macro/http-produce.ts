// Raw batches over HTTP, against servers that read the same bodies and do nothing with them.
//
// Owns: the load, and the proof that what was acknowledged is there and that the peers read all.

import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import type { Bench, Benchmark, Outcome } from "../harness/benchmark.ts";
import { startMoldau, startPeer } from "../harness/child-server.ts";
import { OutputsDiffer } from "../harness/comparison.ts";
import { batchOfSize } from "../harness/data.ts";
import { type LoadedServer, raceUnderLoad } from "../harness/load-race.ts";
import { onStage } from "../harness/stage.ts";
import { ask, type Request } from "../load/wire.ts";
import {
  askOnce,
  createTopic,
  deleteAllRecords,
  fetchRaw,
  openingOf,
  type Protocol,
  produceRaw,
  rawBatches,
} from "./face.ts";

const batchBytes = 64 * 1024;
/** Under way at once. */
const width = { "HTTP/1.1": 8, h2c: 16 } as const;
/** Small, so that little is left where all else is deleted between two turns. */
const topicConfigs = { "segment.bytes": 64 << 20 };

export const acknowledgements = {
  leader:
    "durability sync, acks=leader: acknowledged when the bytes are with the operating system, synced within 10 ms",
  all: "durability sync, acks=all: acknowledged when the bytes are on disk",
} as const;

/** With "os" the disk is out of the way, as in Kafka's default: what is left is the work on a request. */
const kinds = [
  { acks: "leader", durability: "sync", suffix: "", guarantees: acknowledgements.leader },
  {
    acks: "leader",
    durability: "os",
    suffix: ", durability os",
    guarantees: "durability os, acks=leader: acknowledged when the bytes are with the operating system",
  },
  { acks: "all", durability: "sync", suffix: "", guarantees: acknowledgements.all },
] as const;
type Kind = (typeof kinds)[number];

export const httpProduceBenchmarks: readonly Benchmark[] = kinds.flatMap((kind) =>
  (["HTTP/1.1", "h2c"] as const).map(
    (protocol): Benchmark => ({
      group: "http produce",
      name: `produce 64 KiB batches, ${protocol}, acks=${kind.acks}${kind.suffix}`,
      runs: "server",
      timed: `POST of raw batches of 64 KiB (records of 1 KiB) to one partition over ${openingOf(protocol, width[protocol]).over}, each with one request at a time; the peers read the same bodies to their end and answer with their length`,
      guarantees: kind.guarantees,
      run: (bench) => run(bench, protocol, kind),
    }),
  ),
);

async function run(bench: Bench, protocol: Protocol, { acks, durability }: Kind): Promise<Outcome> {
  const kernel = await loadWasmKernel();
  const batch = Buffer.from(batchOfSize(kernel.encodeBatch, batchBytes, 1024));
  const { open, peerSuffix } = openingOf(protocol, width[protocol]);
  return onStage(async (stage) => {
    const server = await stage.server(startMoldau(bench, { folder: bench.folder, durability }));
    const wire = await stage.wire(open(server.port));
    const produce = produceRaw(batch, acks);
    const subject: LoadedServer = {
      ...{ name: "moldau", server, wire, prepared: [wire.prepare(produce)], usesDisk: true },
      beforeTurn: () => deleteAllRecords(server.port),
    };
    await createTopic(server.port, topicConfigs);
    await ask(wire, produce);
    await requireStored(server.port, batch);

    const drain: Request = { method: "POST", path: "/drain", headers: { "content-type": rawBatches }, body: batch };
    const peers: LoadedServer[] = [];
    for (const [name, kind] of [
      ["bare drain", "bare-drain"],
      ["Hono drain", "hono-whole"],
    ] as const) {
      const server = await stage.server(startPeer(bench, `${kind}${peerSuffix}`));
      const wire = await stage.wire(open(server.port));
      const { bytes } = JSON.parse((await ask(wire, drain)).toString()) as { bytes: number };
      if (bytes !== batchBytes) throw new OutputsDiffer("produce", "what was sent", name, `it read ${bytes} bytes`);
      peers.push({ name, server, wire, prepared: [wire.prepare(drain)] });
    }
    return raceUnderLoad([subject, ...peers], { unit: "MB/s", bytes: batchBytes }, bench);
  });
}

/** What comes back is what was sent, but for the stamps: base offset and leader epoch lie outside the checksum. */
async function requireStored(port: number, batch: Buffer): Promise<void> {
  const stored = await askOnce(port, fetchRaw(0, batchBytes));
  const magic = 16;
  if (stored.length !== batch.length || !stored.subarray(magic).equals(batch.subarray(magic)))
    throw new OutputsDiffer("produce", "what was sent", "moldau", `${stored.length} other bytes came back`);
}
