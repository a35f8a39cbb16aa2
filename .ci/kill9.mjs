// Kills the server in mid load, again and again: nothing acknowledged may be lost, nothing may be there twice.
//
//   node .ci/kill9.mjs [--runtime node]... [--kills 10] [--producers 8] [--partitions 3]
//
// Each producer is idempotent: it sends a batch again, with its sequence, until it is acknowledged,
// over as many restarts as that takes. At the end everything is read back and judged.
import { randomInt } from "node:crypto";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { dist, freePort, startServer, temporaryFolder } from "./moldau.mjs";
import { http1 } from "./wires.mjs";

const { values: flags } = parseArgs({
  options: {
    runtime: { type: "string", multiple: true, default: ["node", "bun", "deno"] },
    kills: { type: "string", default: "10" },
    producers: { type: "string", default: "8" },
    partitions: { type: "string", default: "3" },
  },
});
const [kills, producers, partitions] = [flags.kills, flags.producers, flags.partitions].map(Number);
const { createTwinKernel, decodeRecords } = await import(pathToFileURL(join(dist, "engine/index.js")));
const kernel = createTwinKernel();
const raw = { "content-type": "application/vnd.kafka.record-batch" };
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
/** Less than this between two kills proves nothing. */
const leastAcknowledged = 20;

for (const runtime of flags.runtime) await ordeal(runtime);

async function ordeal(runtime) {
  const folder = temporaryFolder();
  const port = await freePort();
  let server = await startServer(runtime, { folder, port });
  const wire = http1(server.url);
  const made = await wire.ask("PUT", "/v1/topics/ordeal", {
    body: { partitions, configs: { "segment.bytes": 1_048_576 } },
  });
  if (made.status !== 201) throw new Error(made.text);

  const seen = { acknowledged: 0, records: 0, retries: 0, duplicates: 0 };
  const state = { stopping: false };
  /** partition → offset → value, as acknowledged. */
  const acknowledged = Array.from({ length: partitions }, () => new Map());
  const load = Promise.all(
    Array.from({ length: producers }, (_, index) =>
      producer(wire, index, state, seen, acknowledged[index % partitions]),
    ),
  );
  load.catch(() => {});

  for (let kill = 0; kill < kills; kill++) {
    const before = seen.acknowledged;
    await sleep(randomInt(200, 800));
    for (let waited = 0; seen.acknowledged - before < leastAcknowledged; waited++) {
      if (waited > 600) throw new Error(`only ${seen.acknowledged - before} batches were acknowledged in 30 s`);
      await sleep(50);
    }
    await server.kill();
    server = await startServer(runtime, { folder, port });
  }
  await sleep(300);
  state.stopping = true;
  const last = await load;

  const problems = [];
  let read = 0;
  for (let partition = 0; partition < partitions; partition++) {
    const records = await readAll(wire, partition);
    read += records.length;
    judge(
      records,
      acknowledged[partition],
      last.filter(({ index }) => index % partitions === partition),
      partition,
      problems,
    );
  }
  wire.close();
  const end = await server.stop();
  if (end.status !== 0) problems.push(`the last server ended with ${end.signal ?? end.status}`);
  console.log(
    `${runtime}: ${kills} SIGKILLs, ${producers} producers on ${partitions} partitions: ${seen.acknowledged} batches of ${seen.records} records acknowledged, ` +
      `${seen.retries} sent again, ${seen.duplicates} of those were there already; ${read} records read back, ${problems.length} problems`,
  );
  for (const problem of problems.slice(0, 20)) console.error(`  ${problem}`);
  if (problems.length > 0) process.exit(1);
}

async function producer(wire, index, state, seen, acknowledged) {
  const path = `/v1/topics/ordeal/partitions/${index % partitions}/records`;
  const { producerId, producerEpoch } = await retry(() => wire.ask("POST", "/v1/producers"), { retries: 0 });
  let sequence = 0;
  while (!state.stopping) {
    const count = randomInt(1, 6);
    const values = Array.from({ length: count }, (_, i) => `${index}:${sequence + i}`);
    const records = values.map((value) => ({
      key: null,
      value: new TextEncoder().encode(value.padEnd(200)),
      headers: [],
      timestamp: Date.now(),
    }));
    const body = Buffer.from(kernel.encodeBatch(records, { producerId, producerEpoch, baseSequence: sequence }));
    const { baseOffset, duplicate } = await retry(() => wire.ask("POST", path, { body, headers: raw }), seen);
    values.forEach((value, i) => acknowledged.set(baseOffset + i, value));
    seen.acknowledged++;
    seen.records += count;
    if (duplicate) seen.duplicates++;
    sequence += count;
  }
  return { index, sequence };
}

/** Sends until it is acknowledged; what is no matter of the server's being gone is an error. */
async function retry(send, seen) {
  for (;;) {
    let answer;
    try {
      answer = await send();
    } catch {
      // Killed, or not there yet.
    }
    if (answer?.status === 200) return answer.json();
    if (answer !== undefined && answer.json().retriable !== true) throw new Error(answer.text);
    seen.retries++;
    await sleep(20);
  }
}

async function readAll(wire, partition) {
  const records = [];
  for (let offset = 0; ; ) {
    const path = `/v1/topics/ordeal/partitions/${partition}/records?offset=${offset}&maxBytes=1000000`;
    const answer = await wire.ask("GET", path, { headers: { accept: raw["content-type"] } });
    if (answer.status !== 200) throw new Error(answer.text);
    records.push(
      ...decodeRecords(new Uint8Array(answer.bytes), {
        kernel,
        decompressor: undefined,
        fromOffset: offset,
        limit: Number.POSITIVE_INFINITY,
      }),
    );
    const next = Number(answer.headers["moldau-next-offset"]);
    if (next === Number(answer.headers["moldau-high-watermark"])) return records;
    offset = next;
  }
}

function judge(records, acknowledged, sequences, partition, problems) {
  const at = (offset) => `partition ${partition}, offset ${offset}`;
  const values = records.map((record) => Buffer.from(record.value).toString().trim());
  records.forEach((record, i) => {
    if (record.offset !== i) problems.push(`${at(i)}: the record there says ${record.offset}`);
  });
  for (const [offset, value] of acknowledged) {
    if (values[offset] !== value) problems.push(`${at(offset)}: ${value} was acknowledged, ${values[offset]} is there`);
  }
  const next = new Map();
  values.forEach((value, offset) => {
    const [index, sequence] = value.split(":").map(Number);
    const expected = next.get(index) ?? 0;
    if (sequence !== expected)
      problems.push(
        `${at(offset)}: producer ${index} has ${sequence}, not ${expected}: ${sequence < expected ? "twice" : "lost"}`,
      );
    next.set(index, sequence + 1);
  });
  for (const { index, sequence } of sequences) {
    if ((next.get(index) ?? 0) !== sequence)
      problems.push(
        `partition ${partition}: producer ${index} has ${next.get(index)} records, ${sequence} were acknowledged`,
      );
  }
}
