// The server's memory while three producers and three consumers of Kafka's protocol run at full speed.
//
//   node .ci/kafka-memory.mjs [--runtime node]... [--seconds 60] [--limit-mib 300]
//
// Prints the course of its resident memory, and fails when that ever was over the limit, when it still grows in the
// second half, or when a consumer misses a record. The clients are bare frames, so that the server is what is slow.
// Needs `npm run build`, /proc, and disk for a minute of it: what was read is deleted as it goes, but nobody waits for
// readers.
import assert from "node:assert/strict";
import { readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { dist, startServer } from "./moldau.mjs";

const { values: flags } = parseArgs({
  options: {
    runtime: { type: "string", multiple: true, default: ["node", "bun", "deno"] },
    seconds: { type: "string", default: "60" },
    "limit-mib": { type: "string", default: "300" },
  },
});
const [seconds, limitMib] = [flags.seconds, flags["limit-mib"]].map(Number);
const load = (path) => import(pathToFileURL(join(dist, path)));
const [{ openFrames }, { batchOfSize }, { createTwinKernel }, { readResponse, writeRequest }, { fetch }, { produce }] =
  await Promise.all(
    [
      ...["bench/load/frames.js", "bench/harness/data.js", "engine/index.js", "server/kafka/schema/codec.js"],
      ...["server/kafka/schema/fetch.js", "server/kafka/schema/produce.js"],
    ].map(load),
  );
const kernel = createTwinKernel();
const mib = 1024 * 1024;
const topic = "load";
const fetchVersion = 11;
const produceVersion = 9;
const sampleMs = 1000;
/** Of each consumer: hundreds of times fewer than on a slow machine. */
const leastFetches = 20;
/** Of each partition, behind its reader: twice the tail that the server keeps in memory. Of a kibibyte each. */
const keptRecords = 64 * 1024;
/** Each by itself has a partition of its own: large, usual and small batches. */
const producers = [
  { batchBytes: mib, acks: 1, width: 5 },
  { batchBytes: 64 * 1024, acks: -1, width: 5 },
  { batchBytes: 4096, acks: -1, width: 16 },
];
/** The consumer of this partition goes back whenever it comes to the end, so that it reads files; the others follow. */
const rereads = 1;

let failed = false;
for (const runtime of flags.runtime) await measure(runtime);
process.exit(failed ? 1 : 0);

async function measure(runtime) {
  const server = await startServer(runtime, { kafka: true });
  const configs = { "segment.bytes": 32 * mib, "max.message.bytes": 2 * mib, "file.delete.delay.ms": 0 };
  await http(server, "PUT", `/v1/topics/${topic}`, { partitions: producers.length, configs });
  const state = {
    stopping: false,
    producedBytes: 0,
    fetchedBytes: 0,
    answers: 0,
    ends: producers.map(() => 0),
    reads: [],
  };
  const began = performance.now();
  const working = [
    ...producers.map((one, partition) => producing(server, partition, one, state)),
    ...producers.map((_, partition) => consuming(server, partition, state)),
    deleting(server, state),
  ];
  // A failure of any is this one's, at once.
  const failure = Promise.all(working);
  failure.catch(() => {});
  const course = [];
  while (performance.now() - began < seconds * 1000) {
    await Promise.race([sleep(sampleMs), failure]);
    course.push(residentMib(server));
  }
  state.stopping = true;
  await failure;
  const lasted = (performance.now() - began) / 1000;
  const peakMib = server.peakMemory();
  const half = course.slice(course.length >> 1);
  const [early, late] = [half.slice(0, half.length >> 1), half.slice(half.length >> 1)].map(median);
  const isSteady = late <= early * 1.1 + 5;
  const per = (bytes) => `${(bytes / mib / lasted).toFixed(0)} MiB/s`;
  const shown = course.filter((_, at) => at % Math.ceil(course.length / 20) === 0).map((one) => one.toFixed(0));
  console.log(
    [
      `${runtime}: ${lasted.toFixed(0)} s, ${per(state.producedBytes)} in (${(state.answers / lasted).toFixed(0)} requests/s), ` +
        `${per(state.fetchedBytes)} out`,
      `  resident memory, MiB: ${shown.join(" ")}`,
      `  at most ${peakMib.toFixed(0)} MiB of ${limitMib}; third quarter ${early.toFixed(0)}, last ${late.toFixed(0)}`,
    ].join("\n"),
  );
  const end = await server.stop();
  rmSync(server.folder, { recursive: true, force: true });
  const faults = [
    ...(end.status === 0 ? [] : [`the server ended with ${end.status ?? end.signal}`]),
    ...(peakMib > limitMib ? ["over the limit"] : []),
    ...(isSteady ? [] : ["it still grows"]),
    ...(state.reads.every(({ fetches }) => fetches >= leastFetches) ? [] : ["a consumer did not come to its turn"]),
  ];
  for (const fault of faults) console.log(`✖ ${runtime}: ${fault}`);
  failed ||= faults.length > 0;
}

/** Always so many requests under way. */
async function producing(server, partition, { batchBytes, acks, width }, state) {
  const batch = Buffer.from(batchOfSize(kernel.encodeBatch, batchBytes, Math.min(1024, batchBytes >> 2)));
  const records = batch.readInt32BE(57);
  const topicData = [{ name: topic, partitionData: [{ index: partition, records: batch }] }];
  const header = { correlationId: 1, clientId: "load" };
  const body = { acks, timeoutMs: 30_000, topicData };
  const wire = await openFrames(server.kafkaPort, width);
  const prepared = wire.prepare({ body: Buffer.concat(writeRequest(produce, produceVersion, header, body)) });
  await Promise.all(
    wire.channels.map(async (channel) => {
      while (!state.stopping) {
        const { response } = readResponse(produce, produceVersion, await asked(channel, prepared));
        const [{ errorCode, baseOffset }] = response.responses[0].partitionResponses;
        assert.equal(errorCode, 0, "of a produce");
        state.ends[partition] = Math.max(state.ends[partition], Number(baseOffset) + records);
        state.producedBytes += batch.length;
        state.answers += 1;
      }
    }),
  );
  wire.close();
}

/** Reads its partition, batch by batch, and none is missing. */
async function consuming(server, partition, state) {
  const wire = await openFrames(server.kafkaPort, 1);
  const [channel] = wire.channels;
  const read = (state.reads[partition] = { next: 0, fetches: 0 });
  while (!state.stopping) {
    const partitions = [{ partition, fetchOffset: read.next, partitionMaxBytes: mib }];
    const request = { maxWaitMs: 500, minBytes: 1, maxBytes: 4 * mib, topics: [{ topic, partitions }] };
    const header = { correlationId: 1, clientId: "load" };
    const prepared = wire.prepare({ body: Buffer.concat(writeRequest(fetch, fetchVersion, header, request)) });
    const { response } = readResponse(fetch, fetchVersion, await asked(channel, prepared));
    const [{ errorCode, records }] = response.responses[0].partitions;
    assert.equal(errorCode, 0, "of a fetch");
    read.fetches += 1;
    const bytes = records instanceof Uint8Array ? records : Buffer.concat(records ?? []);
    state.fetchedBytes += bytes.length;
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    for (let at = 0; at + 61 <= bytes.length; at += 12 + view.getInt32(at + 8)) {
      const base = Number(view.getBigInt64(at));
      const last = base + view.getInt32(at + 23);
      assert.ok(
        base <= read.next && last >= read.next - 1,
        `partition ${partition}: ${base} to ${last} at ${read.next}`,
      );
      read.next = last + 1;
    }
    if (partition === rereads && read.next >= state.ends[partition]) {
      read.next = Math.max(0, state.ends[partition] - (keptRecords >> 1));
    }
  }
  wire.close();
}

/** What has been read goes, but for the last of it. */
async function deleting(server, state) {
  while (!state.stopping) {
    await sleep(500);
    for (const [partition, { next }] of state.reads.entries()) {
      const before = Math.min(next, state.ends[partition]) - keptRecords;
      if (before > 0)
        await http(server, "DELETE", `/v1/topics/${topic}/partitions/${partition}/records?before=${before}`);
    }
  }
}

function asked(channel, prepared) {
  return new Promise((resolve, reject) => {
    channel.send(prepared, true, (error, { body }) => (error === null ? resolve(body) : reject(error)));
  });
}

async function http(server, method, path, body) {
  const sent =
    body === undefined ? {} : { headers: { "content-type": "application/json" }, body: JSON.stringify(body) };
  const answer = await globalThis.fetch(`${server.url}${path}`, { method, ...sent });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.text()}`);
}

function residentMib({ child }) {
  const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

function median(values) {
  return [...values].sort((one, other) => one - other)[values.length >> 1];
}
