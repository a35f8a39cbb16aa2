// Kafka's protocol on one connection, against servers that do with the same bytes what the disk asks for
// and nothing else.
//
// Owns: the load, and the proof that what was acknowledged is there and that both sides carry the same bytes.

import { closeSync, openSync, readdirSync, readFileSync, readSync } from "node:fs";
import { join } from "node:path";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import { readResponse, writeRequest } from "../../server/kafka/schema/codec.ts";
import { fetch } from "../../server/kafka/schema/fetch.ts";
import { produce } from "../../server/kafka/schema/produce.ts";
import type { Bench, Benchmark, Outcome } from "../harness/benchmark.ts";
import { startMoldau, startTcpPeer } from "../harness/child-server.ts";
import { OutputsDiffer } from "../harness/comparison.ts";
import { batchOfSize, repeat } from "../harness/data.ts";
import { type LoadedServer, raceUnderLoad } from "../harness/load-race.ts";
import { onStage } from "../harness/stage.ts";
import { openFrames } from "../load/frames.ts";
import { ask, type Request } from "../load/wire.ts";
import { askOnce, createTopic, deleteAllRecords, produceRaw } from "./face.ts";

const requestBytes = 1 << 20;
const valueBytes = 1024;
/** Of a fetched log. Bytes. */
const batchBytes = 64 * 1024;
/** Requests under way: a producer's usual five; for a reader one that is read while another is asked for. */
const width = { produce: 5, fetch: 2 } as const;
/** Beyond the tail that is kept in memory by far, so that fetches read the file. By effort, bytes. */
const logBytes = { full: 512 << 20, quick: 256 << 20, tiny: 4 << 20 } as const;
const produceVersion = 9;
const fetchVersion = 11;
/** Of a batch, what lies behind the leader epoch: base offset and that are the broker's to say. */
const magicPosition = 16;

const durabilities = {
  os: "durability os, acks=1: acknowledged when the bytes are with the operating system, as the peer's are",
  sync: "durability sync, acks=1: acknowledged when the bytes are with the operating system, synced within 10 ms; the peer never syncs",
} as const;

export const kafkaBenchmarks: readonly Benchmark[] = [
  ...(["os", "sync"] as const).map(
    (durability): Benchmark => ({
      group: "kafka produce",
      name: `produce 1 MiB, Kafka, acks=1, durability ${durability}`,
      runs: "server",
      timed: `Produce requests of one batch of 1 MiB (records of 1 KiB) to one partition, ${width.produce} under way on one connection; the peer appends the same bytes to a file and answers four`,
      guarantees: durabilities[durability],
      run: (bench) => runProduce(bench, durability),
    }),
  ),
  {
    group: "kafka fetch",
    name: "fetch 1 MiB, Kafka",
    runs: "server",
    timed: `Fetch requests of 1 MiB each, all over a log that is larger than the tail kept in memory, ${width.fetch} under way on one connection; the peer answers the same bytes, read from the log's own file in one piece`,
    guarantees: "durability sync: what is read is on disk",
    run: runFetch,
  },
];

async function runProduce(bench: Bench, durability: keyof typeof durabilities): Promise<Outcome> {
  const kernel = await loadWasmKernel();
  const batch = Buffer.from(batchOfSize(kernel.encodeBatch, requestBytes, valueBytes));
  return onStage(async (stage) => {
    const folder = join(bench.folder, "moldau");
    const server = await stage.server(startMoldau(bench, { folder, durability, kafka: true }));
    await createTopic(server.port, { "segment.bytes": 256 << 20, "max.message.bytes": 2 << 20 });
    const wire = await stage.wire(openFrames(server.kafkaPort, width.produce));
    const request = requestOf(produceFrame(batch));
    const first = readResponse(produce, produceVersion, (await ask(wire, request)).subarray(0));
    const [answer] = first.response.responses[0]?.partitionResponses ?? [];
    if (answer?.errorCode !== 0) throw new Error(`the produce was answered with ${JSON.stringify(answer)}`);
    const subject: LoadedServer = {
      ...{ name: "moldau", server, wire, prepared: [wire.prepare(request)] },
      beforeTurn: () => deleteAllRecords(server.port),
    };

    const file = join(bench.folder, "sink");
    const peer = await stage.server(startTcpPeer(bench, "sink", file));
    const peerWire = await stage.wire(openFrames(peer.port, width.produce));
    const sunk = requestOf(frameOf([batch]));
    await ask(peerWire, sunk);
    const bare: LoadedServer = {
      ...{ name: "bare TCP sink to a file", server: peer, wire: peerWire },
      prepared: [peerWire.prepare(sunk)],
      beforeTurn: async () => void (await ask(peerWire, requestOf(frameOf([])))),
    };
    const outcome = await raceUnderLoad([subject, bare], { unit: "MB/s", bytes: requestBytes }, bench);
    requireSame(batch, beginningOf(file, batch.length), "the sink's file", 0);
    const segments = readdirSync(join(folder, "bench-0")).filter((name) => name.endsWith(".log"));
    const last = readFileSync(join(folder, "bench-0", segments.sort().at(-1) ?? ""));
    // All of it: whatever was acknowledged under load is there, and nothing else.
    for (let at = 0; at < last.length; at += batch.length) {
      requireSame(batch, last.subarray(at, at + batch.length), `the log at ${at}`, magicPosition);
    }
    return outcome;
  });
}

async function runFetch(bench: Bench): Promise<Outcome> {
  return onStage(async (stage) => {
    const server = await stage.server(startMoldau(bench, { folder: bench.folder, kafka: true }));
    await createTopic(server.port, { "segment.bytes": 1 << 30 });
    const sizeBytes = logBytes[bench.effort.name];
    const recordsPerFetch = await fill(server.port, sizeBytes);
    const positions = Array.from({ length: sizeBytes / requestBytes }, (_, index) => index);
    const wire = await stage.wire(openFrames(server.kafkaPort, width.fetch));
    const fetches = positions.map((index) => requestOf(fetchFrame(index * recordsPerFetch)));
    const subject: LoadedServer = { name: "moldau", server, wire, prepared: fetches.map((one) => wire.prepare(one)) };

    const file = join(bench.folder, "bench-0", `${"0".repeat(20)}.log`);
    const peer = await stage.server(startTcpPeer(bench, "source", file));
    const peerWire = await stage.wire(openFrames(peer.port, width.fetch));
    const reads = positions.map((index) => requestOf(readFrame(index * requestBytes)));
    const bare: LoadedServer = {
      ...{ name: "bare TCP server of the file", server: peer, wire: peerWire },
      prepared: reads.map((one) => peerWire.prepare(one)),
    };
    for (const index of [0, positions.length >> 1, positions.length - 1]) {
      const { response } = readResponse(fetch, fetchVersion, await ask(wire, fetches[index] as Request));
      const records = response.responses[0]?.partitions[0]?.records ?? [];
      const fetched = Buffer.concat(records instanceof Uint8Array ? [records] : [...records]);
      const read = await ask(peerWire, reads[index] as Request);
      if (fetched.length !== requestBytes || !fetched.equals(read))
        throw new OutputsDiffer("fetch", "moldau", "the file", `${fetched.length} bytes against ${read.length}`);
    }
    return raceUnderLoad([subject, bare], { unit: "MB/s", bytes: "received" }, bench);
  });
}

/** Records that a fetch of requestBytes comes to. */
async function fill(port: number, sizeBytes: number): Promise<number> {
  const kernel = await loadWasmKernel();
  const batch = batchOfSize(kernel.encodeBatch, batchBytes, valueBytes);
  const recordsPerBatch = new DataView(batch.buffer, batch.byteOffset).getInt32(57);
  const batchesPerFetch = requestBytes / batchBytes;
  const run = repeat(batch, batchesPerFetch * Math.min(4, sizeBytes / requestBytes));
  for (let sent = 0; sent < sizeBytes; sent += run.length) await askOnce(port, produceRaw(run, "all"));
  return recordsPerBatch * batchesPerFetch;
}

/** A file of a long turn is larger than can be read in one piece. */
function beginningOf(path: string, sizeBytes: number): Buffer {
  const file = openSync(path, "r");
  const bytes = Buffer.alloc(sizeBytes);
  const read = readSync(file, bytes, 0, sizeBytes, 0);
  closeSync(file);
  return bytes.subarray(0, read);
}

function requestOf(body: Buffer): Request {
  return { method: "frame", path: "", body };
}

function produceFrame(batch: Uint8Array): Buffer {
  const topicData = [{ name: "bench", partitionData: [{ index: 0, records: batch }] }];
  const header = { correlationId: 1, clientId: "bench" };
  return Buffer.concat(writeRequest(produce, produceVersion, header, { acks: 1, timeoutMs: 30_000, topicData }));
}

function fetchFrame(fetchOffset: number): Buffer {
  const partitions = [{ partition: 0, fetchOffset, partitionMaxBytes: requestBytes }];
  const limits = { maxWaitMs: 5000, minBytes: 1, maxBytes: requestBytes };
  const request = { ...limits, topics: [{ topic: "bench", topicId: "0".repeat(32), partitions }] };
  return Buffer.concat(writeRequest(fetch, fetchVersion, { correlationId: 1, clientId: "bench" }, request));
}

function readFrame(position: number): Buffer {
  const body = Buffer.alloc(12);
  body.writeBigUInt64BE(BigInt(position), 0);
  body.writeInt32BE(requestBytes, 8);
  return frameOf([body]);
}

function frameOf(chunks: readonly Uint8Array[]): Buffer {
  const body = Buffer.concat(chunks);
  const prefix = Buffer.alloc(4);
  prefix.writeInt32BE(body.length, 0);
  return Buffer.concat([prefix, body]);
}

function requireSame(sent: Buffer, stored: Buffer, where: string, from: number): void {
  if (stored.length === sent.length && stored.subarray(from).equals(sent.subarray(from))) return;
  throw new OutputsDiffer("produce", "what was sent", where, `${stored.length} other bytes are there`);
}
