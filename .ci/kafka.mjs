// Kafka's clients against `serve`, started for real under each runtime.
//
//   node .ci/kafka.mjs [--runtime node]... [--matrix FILE]
//
// The clients are kcat (librdkafka), kafkajs and @platformatic/kafka. Without kcat its tests are said
// to be missing, loudly, and under CI=true that is a failure. `--matrix` is as of e2e.mjs.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import net from "node:net";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { Decoder, Encoder } from "cbor-x";
import kafkajs from "kafkajs";
import { startLossyProxy } from "./lossy-proxy.mjs";
import { matrixRows } from "./matrix-rows.mjs";
import { dist, freePort, killAll, startServer } from "./moldau.mjs";
import { runtime as runtimeOf } from "./runtimes.mjs";
import { http1 } from "./wires.mjs";

const { values: flags } = parseArgs({
  options: {
    runtime: { type: "string", multiple: true, default: ["node", "bun", "deno"] },
    matrix: { type: "string" },
  },
});
const { feature } = matrixRows({ file: flags.matrix, runtimes: flags.runtime, section: "Kafka's clients" });
const { createTwinKernel } = await import(pathToFileURL(join(dist, "engine/index.js")));
const kernel = createTwinKernel();
const cbor = {
  encode: new Encoder({ useRecords: false, tagUint8Array: false }),
  decode: new Decoder({ mapsAsObjects: true }),
};
const raw = "application/vnd.kafka.record-batch";
const codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
const timeoutMs = 120_000;
const bytesOf = (text) => new TextEncoder().encode(text);

const hasKcat = spawnSync("kcat", ["-V"]).error === undefined;
if (!hasKcat) {
  const lines = [
    "kcat is not installed: librdkafka, which most clients are made of, is NOT TESTED.",
    "apt-get install kcat",
  ];
  console.error(`\n${"!".repeat(80)}\n!! ${lines.join("\n!! ")}\n${"!".repeat(80)}\n`);
  if (process.env.CI === "true") process.exit(1);
}

const withKcat = { skip: !hasKcat };

/** Runs a client to its end; resolves to what it printed. */
function ran(command, args, input) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { stdio: [input === undefined ? "ignore" : "pipe", "pipe", "pipe"] });
    const out = [];
    let error = "";
    child.stdout.on("data", (chunk) => out.push(chunk));
    child.stderr.on("data", (chunk) => (error += chunk));
    child.stdin?.on("error", () => {});
    child.stdin?.end(input);
    const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
    child.once("close", (status, signal) => {
      clearTimeout(timer);
      const text = Buffer.concat(out).toString();
      if (status === 0) resolve(text);
      else reject(new Error(`${command} ${args.join(" ")}: ${signal ?? status}\n${error}${text.slice(0, 2000)}`));
    });
  });
}

const kcat = (server, args, input) =>
  ran("kcat", ["-b", server.kafka, "-X", "broker.address.family=v4", ...args], input);
const kcatProduce = (server, topic, input, ...args) =>
  kcat(server, ["-P", "-t", topic, "-X", "message.timeout.ms=20000", ...args], input);
/** From the beginning to the end, or from an offset: a line a record. */
const kcatConsume = async (server, topic, format, ...args) =>
  (await kcat(server, ["-C", "-t", topic, "-p", "0", "-o", "beginning", "-e", "-q", "-f", `${format}\\n`, ...args]))
    .split("\n")
    .slice(0, -1);

let topics = 0;
async function newTopic(wire, body = {}) {
  const topic = `kafka-${++topics}`;
  const made = await wire.ask("PUT", `/v1/topics/${topic}`, { body });
  assert.equal(made.status, 201, made.text);
  return topic;
}

function everyClient(name, given) {
  feature("what kcat writes with every codec, kcat and HTTP read", name, withKcat, async () => {
    const { server, wire } = given();
    for (const codec of codecs) {
      const topic = await newTopic(wire);
      const lines = Array.from({ length: 500 }, (_, at) => `key-${at}\tvalue ${codec} ${at} ${"x".repeat(at % 100)}`);
      await kcatProduce(
        server,
        topic,
        `${lines.join("\n")}\n`,
        "-z",
        codec,
        "-K",
        "\\t",
        "-H",
        "h=v",
        "-X",
        "linger.ms=300",
      );
      const wanted = lines.map((line, at) => `${at}\t${line}\th=v`);
      assert.deepEqual(await kcatConsume(server, topic, "%o\\t%k\\t%s\\t%h"), wanted, codec);
      const fetched = (await wire.ask("GET", `/v1/topics/${topic}/partitions/0/records?offset=0`)).json();
      const read = fetched.records.map(({ offset, key, value, headers }) => [offset, key, value, headers]);
      const expected = lines.map((line, at) => [at, ...line.split("\t"), [["h", "v"]]]);
      assert.deepEqual(read, expected, `${codec}, over HTTP`);
      const batches = await wire.ask("GET", `/v1/topics/${topic}/partitions/0/records?offset=0`, {
        headers: { accept: raw },
      });
      assert.equal(batches.bytes[22] & 7, codecs.indexOf(codec), `stored with ${codec}`);
    }
  });

  feature("nulls, empty values and a mebibyte, by kcat", name, withKcat, async () => {
    const { server, wire } = given();
    const topic = await newTopic(wire, { configs: { "max.message.bytes": 3_000_000 } });
    await kcatProduce(server, topic, ":\nk:\n:v\nk:v\n", "-K", ":", "-Z");
    assert.deepEqual(await kcatConsume(server, topic, "%K %S"), ["-1 -1", "1 -1", "-1 1", "1 1"]);
    const large = "m".repeat(1024 * 1024);
    for (const codec of codecs) {
      await kcatProduce(server, topic, large, "-z", codec, "-D", "\\0", "-X", "message.max.bytes=2000000");
    }
    assert.deepEqual(
      await kcatConsume(server, topic, "%s", "-o", "4"),
      codecs.map(() => large),
    );
    const small = await newTopic(wire);
    await assert.rejects(kcatProduce(server, small, large, "-X", "message.max.bytes=2000000"), /too large/i);
  });

  feature("100 000 records in their order, by kcat", name, withKcat, async () => {
    const { server, wire } = given();
    const topic = await newTopic(wire);
    const lines = Array.from({ length: 100_000 }, (_, at) => `record ${at} ${"y".repeat(at % 60)}`);
    await kcatProduce(server, topic, `${lines.join("\n")}\n`, "-X", "enable.idempotence=true", "-z", "lz4");
    const read = await kcatConsume(server, topic, "%o %s");
    assert.equal(read.length, lines.length);
    assert.ok(read.every((line, at) => line === `${at} ${lines[at]}`));
  });

  feature("a topic that a client asks for is there", name, withKcat, async () => {
    const { server, wire } = given();
    await kcatProduce(server, "made-by-asking", "1\n");
    const described = (await wire.ask("GET", "/v1/topics/made-by-asking")).json();
    assert.equal(described.partitions.length, 3, "--num-partitions");
    const listed = JSON.parse(await kcat(server, ["-L", "-J", "-t", "made-by-asking"]));
    assert.deepEqual(
      listed.topics[0].partitions.map(({ partition, leader }) => [partition, leader]),
      [
        [0, 0],
        [1, 0],
        [2, 0],
      ],
    );
    assert.equal(listed.brokers[0].name, server.kafka);
    await assert.rejects(kcatProduce(server, "not a name", "1\n"), /topic/i);
  });

  feature("offsets by time, by kcat and kafkajs", name, withKcat, async () => {
    const { server, wire } = given();
    const topic = await newTopic(wire);
    const records = [10, 20, 30].map((ms) => ({ value: "x", timestamp: 1_767_000_000_000 + ms }));
    await wire.ask("POST", `/v1/topics/${topic}/records`, { body: { records } });
    for (const [time, offset] of [
      ["-1", 3],
      ["-2", 0],
      ["1767000000000", 0],
      ["1767000000011", 1],
      ["1767000000030", 2],
    ]) {
      assert.equal(await kcat(server, ["-Q", "-t", `${topic}:0:${time}`]), `${topic} [0] offset ${offset}\n`, time);
    }
    await withKafkajs(server, async (client) => {
      const admin = client.admin();
      await admin.connect();
      const [ends] = await admin.fetchTopicOffsets(topic);
      assert.deepEqual([ends.low, ends.high], ["0", "3"]);
      const [found] = await admin.fetchTopicOffsetsByTimestamp(topic, 1_767_000_000_011);
      assert.equal(found.offset, "1");
      const described = await admin.describeCluster();
      assert.match(described.clusterId, /^[\w-]{22}$/);
      assert.deepEqual(described.brokers, [{ nodeId: 0, host: "127.0.0.1", port: server.kafkaPort }]);
      assert.ok((await admin.listTopics()).includes(topic));
      await admin.disconnect();
    });
  });

  feature("kafkajs produces, idempotently and not, with keys, headers and nulls", name, async () => {
    const { server, wire } = given();
    const topic = await newTopic(wire);
    const sent = [];
    await withKafkajs(server, async (client) => {
      for (const idempotent of [false, true]) {
        const producer = client.producer({ idempotent, createPartitioner: kafkajs.Partitioners.DefaultPartitioner });
        await producer.connect();
        for (const compression of [kafkajs.CompressionTypes.None, kafkajs.CompressionTypes.GZIP]) {
          for (let send = 0; send < 5; send++) {
            const messages = Array.from({ length: 10 }, (_, at) => ({
              key: at % 3 === 0 ? null : `k${at}`,
              value: at % 4 === 3 ? null : `${compression} ${idempotent} ${send} ${at}`,
              headers: { h: `v${at}` },
              timestamp: String(1_767_000_000_000 + at),
            }));
            const [answer] = await producer.send({ topic, compression, messages, acks: -1 });
            assert.equal(Number(answer.baseOffset), sent.length);
            sent.push(...messages);
          }
        }
        await producer.disconnect();
      }
    });
    const fetched = (await wire.ask("GET", `/v1/topics/${topic}/partitions/0/records?offset=0`)).json();
    assert.deepEqual(
      fetched.records.map(({ key, value, headers, timestamp }) => ({ key, value, headers, timestamp })),
      sent.map(({ key, value, headers, timestamp }) => ({
        ...{ key, value, timestamp: Number(timestamp) },
        headers: Object.entries(headers),
      })),
    );
  });

  feature("@platformatic/kafka produces and fetches with every codec", name, async () => {
    const { server, wire } = given();
    const topic = await newTopic(wire);
    const program = fileURLToPath(new URL("kafka-platformatic.mjs", import.meta.url));
    const said = JSON.parse(await ran(runtimeOf("node24").command, [program, server.kafka, topic]));
    assert.deepEqual({ ...said, fetches: 0 }, { sent: 200, equal: true, fetches: 0, latest: 200, byTime: 30 });
    assert.ok(said.fetches >= 3, `${said.fetches} fetches`);
  });

  feature("administration, by kafkajs and @platformatic/kafka", name, async () => {
    const program = fileURLToPath(new URL("kafka-admin.mjs", import.meta.url));
    assert.match(await ran(runtimeOf("node24").command, [program, given().server.kafka]), /\d/);
  });

  feature("one topic, written and read through every face at the same offsets", name, withKcat, async () => {
    const { server, wire } = given();
    const topic = await newTopic(wire);
    const path = `/v1/topics/${topic}/records`;
    const first = `/v1/topics/${topic}/partitions/0/records`;
    const written = [];
    for (let round = 0; round < 4; round++) {
      await kcatProduce(server, topic, `kafka-key:kafka ${round}\n`, "-K", ":", "-z", codecs[round + 1]);
      const json = { records: [{ key: "json-key", value: `json ${round}` }] };
      await wire.ask("POST", path, { body: json });
      const packed = cbor.encode.encode({
        records: [{ key: bytesOf("cbor-key"), value: bytesOf(`cbor ${round}`) }],
      });
      await wire.ask("POST", path, { body: packed, headers: { "content-type": "application/cbor" } });
      const record = { key: bytesOf("raw-key"), value: bytesOf(`raw ${round}`), headers: [], timestamp: Date.now() };
      await wire.ask("POST", first, {
        body: Buffer.from(kernel.encodeBatch([record], {})),
        headers: { "content-type": raw },
      });
      for (const face of ["kafka", "json", "cbor", "raw"])
        written.push(`${written.length} ${face}-key ${face} ${round}`);
    }
    const line = ({ offset, key, value }) => `${offset} ${Buffer.from(key)} ${Buffer.from(value)}`;
    const fetched = async (accept) => wire.ask("GET", `${first}?offset=0`, { headers: { accept } });
    const byCbor = cbor.decode.decode((await fetched("application/cbor")).bytes).records.map(line);
    const byJson = (await fetched("application/json")).json().records.map(line);
    assert.deepEqual(await kcatConsume(server, topic, "%o %k %s"), written, "kcat");
    assert.deepEqual(byJson, written, "JSON");
    assert.deepEqual(byCbor, written, "CBOR");
    const batches = (await fetched(raw)).bytes;
    const copy = await newTopic(wire);
    const copied = await wire.ask("POST", `/v1/topics/${copy}/partitions/0/records`, {
      body: batches,
      headers: { "content-type": raw },
    });
    assert.equal(copied.status, 200, copied.text);
    assert.deepEqual(await kcatConsume(server, copy, "%o %k %s"), written, "raw batches, sent on");
  });

  feature(
    "a compacted topic refuses records without a key, with every codec, and takes the others",
    name,
    withKcat,
    async () => {
      const { server, wire } = given();
      const topic = await newTopic(wire, { configs: { "cleanup.policy": "compact" } });
      for (const codec of codecs) {
        const filler = "z".repeat(200);
        await assert.rejects(
          kcatProduce(server, topic, `${filler}\n`, "-z", codec),
          /Broker failed to validate record/,
          codec,
        );
        await kcatProduce(server, topic, `key:${codec} ${filler}\n`, "-z", codec, "-K", ":");
      }
      assert.deepEqual(
        await kcatConsume(server, topic, "%o %s"),
        codecs.map((codec, at) => `${at} ${codec} ${"z".repeat(200)}`),
      );
    },
  );

  feature("what is no Kafka is closed with a line in the log, and the server lives", name, async () => {
    const { server, wire } = given();
    const cases = [
      ["GET / HTTP/1.1\r\nhost: x\r\n\r\n", "an HTTP request"],
      [Buffer.from([0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3]), "a TLS hello"],
      [Buffer.from([0xff, 0xff, 0xff, 0xff, 1, 2, 3]), "a frame of -1 bytes"],
      [Buffer.from([0x0f, 0xff, 0xff, 0xff, 1, 2, 3]), "a frame of 268435455 bytes"],
      [Buffer.from([0, 0, 0, 4, 0, 99, 0, 0]), "a Kafka connection ends"],
      [Buffer.from([0, 0, 0, 10, 0, 99, 0, 0, 0, 0, 0, 1, 0xff, 0xff]), "API 99, which is not served"],
    ];
    for (const [bytes, said] of cases) {
      const before = server.output.length;
      await new Promise((resolve, reject) => {
        const socket = net.connect(server.kafkaPort, "127.0.0.1", () => socket.write(bytes));
        socket.setTimeout(10_000, () => reject(new Error(`${said}: it was not closed`)));
        socket.on("error", () => {});
        socket.on("close", resolve);
        socket.resume();
      });
      await server.prints(said);
      assert.ok(server.output.length > before, said);
    }
    assert.equal((await wire.ask("GET", "/readyz")).status, 200);
    await withKafkajs(server, async (client) => {
      const admin = client.admin();
      await admin.connect();
      assert.ok(Array.isArray(await admin.listTopics()));
      await admin.disconnect();
    });
  });
}

async function withKafkajs(server, use) {
  const client = new kafkajs.Kafka({
    brokers: [server.kafka],
    clientId: "kafkajs",
    logLevel: kafkajs.logLevel.NOTHING,
    retry: { retries: 2 },
  });
  await use(client);
}

for (const runtime of flags.runtime) {
  describe(`Kafka's clients, the server on ${runtime}`, () => {
    let server;
    let wire;
    before(async () => {
      server = await startServer(runtime, { kafka: true, flags: ["--num-partitions", "3"] });
      wire = http1(server.url);
    });
    after(async () => {
      wire?.close();
      await server?.stop();
      killAll();
    });
    everyClient(runtime, () => ({ server, wire }));

    feature(
      "a produce whose answer is lost is sent again, and stored once, by all three",
      runtime,
      withKcat,
      async () => {
        const port = await freePort();
        const proxy = await startLossyProxy(port, (number) => number % 3 === 1);
        const lossy = { kafka: `127.0.0.1:${proxy.port}` };
        const one = await startServer(runtime, { kafka: port, flags: ["--advertised-kafka", lossy.kafka] });
        const values = Array.from({ length: 10 }, (_, at) => `value-${at}`);
        const byKafkajs = (topic) =>
          withKafkajs(lossy, async (client) => {
            const producer = client.producer({ idempotent: true, retry: { retries: 10, initialRetryTime: 50 } });
            await producer.connect();
            for (const value of values) await producer.send({ topic, acks: -1, messages: [{ partition: 0, value }] });
            await producer.disconnect();
          });
        const byPlatformatic = (topic) => {
          const program = fileURLToPath(new URL("kafka-platformatic-retry.mjs", import.meta.url));
          return ran(runtimeOf("node24").command, [program, lossy.kafka, topic, ...values]);
        };
        // kcat gives up when it is connected to nobody, so that it has another way to the same server.
        const byKcat = (topic) =>
          kcatProduce({ kafka: `${lossy.kafka},${one.kafka}` }, topic, `${values.join("\n")}\n`, ...kcatSettings);
        const kcatSettings = [
          ...[
            "enable.idempotence=true",
            "batch.num.messages=1",
            "retry.backoff.ms=50",
            "reconnect.backoff.max.ms=200",
            "enable.sparse.connections=false",
          ],
        ].flatMap((setting) => ["-X", setting]);
        try {
          let duplicates = 0;
          for (const [client, produce] of Object.entries({ byKcat, byKafkajs, byPlatformatic })) {
            await produce(client);
            const stored = await kcatConsume(one, client, "%o %s");
            assert.deepEqual(
              stored,
              values.map((value, at) => `${at} ${value}`),
              client,
            );
            const metrics = await (await fetch(`${one.url}/metrics`)).text();
            const now = Number(/^moldau_duplicate_batches_total (\d+)$/m.exec(metrics)?.[1]);
            assert.ok(
              now > duplicates,
              `${client} sent nothing twice: ${proxy.lost} answers of ${proxy.produces} were lost`,
            );
            duplicates = now;
          }
        } finally {
          await proxy.close();
          await one.stop();
        }
      },
    );

    feature("a restart keeps the cluster's id and what was written; a stop ends waits", runtime, withKcat, async () => {
      const clusterOf = async (one) => {
        let id;
        await withKafkajs(one, async (client) => {
          const admin = client.admin();
          await admin.connect();
          ({ clusterId: id } = await admin.describeCluster());
          await admin.disconnect();
        });
        return id;
      };
      let one = await startServer(runtime, { kafka: true });
      await kcatProduce(one, "kept", "a\nb\n");
      const id = await clusterOf(one);
      // kcat gives up when its only broker goes: how it ends is its own matter.
      const longPoll = ["-X", "fetch.wait.max.ms=60000", "-X", "socket.timeout.ms=70000"];
      const waiting = kcat(one, ["-C", "-t", "kept", "-o", "end", "-q", ...longPoll]).catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, 1500));
      const began = performance.now();
      assert.deepEqual(await one.stop(), { status: 0, signal: null });
      assert.ok(performance.now() - began < 15_000, `it took ${Math.round(performance.now() - began)} ms`);
      one = await startServer(runtime, { folder: one.folder, port: one.port, kafka: one.kafkaPort });
      assert.equal(await clusterOf(one), id);
      assert.deepEqual(await kcatConsume(one, "kept", "%o %s"), ["0 a", "1 b"]);
      await kcatProduce(one, "kept", "c\n");
      assert.deepEqual(await kcatConsume(one, "kept", "%o %s", "-o", "2"), ["2 c"]);
      await waiting;
      assert.deepEqual(await one.stop(), { status: 0, signal: null });
    });
  });
}
