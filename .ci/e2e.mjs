// The end-to-end tests: `serve` started for real under each runtime, asked over each wire, stopped.
//
//   node .ci/e2e.mjs [--runtime node]... [--matrix FILE]
//
// Every runtime runs the very same tests; /healthz has to name it. `--matrix` writes what passed
// where as JSON, from which `node .ci/matrix.mjs` makes README's table.
import assert from "node:assert/strict";
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import net from "node:net";
import { join } from "node:path";
import { after, before, describe } from "node:test";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { Decoder, Encoder } from "cbor-x";
import { matrixRows } from "./matrix-rows.mjs";
import { command, dist, freePort, killAll, startServer, temporaryFolder } from "./moldau.mjs";
import { http1, http2Wire } from "./wires.mjs";

const { values: flags } = parseArgs({
  options: {
    runtime: { type: "string", multiple: true, default: ["node", "bun", "deno"] },
    matrix: { type: "string" },
  },
});
const { createTwinKernel } = await import(pathToFileURL(join(dist, "engine/index.js")));
const kernel = createTwinKernel();
const cbor = {
  encode: new Encoder({ useRecords: false, tagUint8Array: false }),
  decode: new Decoder({ mapsAsObjects: true }),
};
const raw = "application/vnd.kafka.record-batch";
const bytesOf = (text) => new TextEncoder().encode(text);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

const { feature, versions } = matrixRows({ file: flags.matrix, runtimes: flags.runtime });

function batch(values, options = {}) {
  const records = values.map((value, i) => ({
    key: null,
    value: bytesOf(value),
    headers: [],
    timestamp: 1_767_000_000_000 + i,
  }));
  return Buffer.from(kernel.encodeBatch(records, options));
}

let topics = 0;
async function newTopic(wire, body = {}) {
  const topic = `topic-${++topics}`;
  const made = await wire.ask("PUT", `/v1/topics/${topic}`, { body });
  assert.equal(made.status, 201, made.text);
  return {
    topic,
    records: `/v1/topics/${topic}/records`,
    first: `/v1/topics/${topic}/partitions/0/records`,
    offsets: `/v1/topics/${topic}/partitions/0/offsets`,
  };
}

async function produce(wire, path, ...values) {
  const answer = await wire.ask("POST", path, { body: { records: values.map((value) => ({ value })) } });
  assert.equal(answer.status, 200, answer.text);
  return answer.json().results;
}

function problem(answer, status, code) {
  assert.equal(answer.status, status, answer.text);
  assert.match(answer.headers["content-type"], /^application\/problem\+json/);
  const body = answer.json();
  assert.equal(body.code, code, answer.text);
  assert.equal(typeof body.retriable, "boolean");
  assert.equal(body.effect, "none");
  assert.ok(body.detail.length > 5);
  return body;
}

/** What an event stream says, until `enough` of its text has come. */
async function events(wire, path, enough, { headers = {}, meanwhile = async () => {} } = {}) {
  const { status, stream, cancel } = await wire.begin("GET", path, {
    headers: { accept: "text/event-stream", ...headers },
  });
  assert.equal(status, 200);
  stream.on("error", () => {});
  let text = "";
  const seen = new Promise((resolve, reject) => {
    stream.on("data", (chunk) => {
      text += chunk;
      if (enough(text)) resolve();
    });
    stream.on("end", () => reject(new Error(`ended after: ${text}`)));
    setTimeout(() => reject(new Error(`in 20 s only: ${text}`)), 20_000).unref();
  });
  await meanwhile();
  await seen;
  cancel();
  return text;
}

/** The same for every wire. */
function everyWire(runtime, label, wire) {
  feature(`${label}: topics are made, listed, described, altered and deleted`, runtime, async () => {
    const { ask } = wire();
    const { topic } = await newTopic(wire(), { partitions: 2, configs: { "retention.ms": 3_600_000 } });
    const path = `/v1/topics/${topic}`;
    assert.equal(
      (await ask("PUT", path, { body: { partitions: 2, configs: { "retention.ms": 3_600_000 } } })).status,
      200,
    );
    problem(await ask("PUT", path, { body: { partitions: 3 } }), 409, "TOPIC_ALREADY_EXISTS");
    assert.ok((await ask("GET", "/v1/topics")).json().topics.some(({ name }) => name === topic));
    const described = (await ask("GET", path)).json();
    assert.equal(described.partitions.length, 2);
    assert.deepEqual(described.configs["retention.ms"], { value: "3600000", source: "topic" });
    assert.equal(
      (await ask("PATCH", path, { body: { partitions: 4, configs: { "retention.ms": null } } })).status,
      200,
    );
    const altered = (await ask("GET", path)).json();
    assert.equal(altered.partitions.length, 4);
    assert.equal(altered.configs["retention.ms"].source, "default");
    assert.ok((await ask("DELETE", path)).status < 300);
    problem(await ask("GET", path), 404, "UNKNOWN_TOPIC_OR_PARTITION");
  });

  feature(`${label}: produce and fetch, JSON`, runtime, async () => {
    const { ask } = wire();
    const { records, first } = await newTopic(wire());
    const sent = [
      {
        key: "user-7",
        value: { json: { a: 1 } },
        headers: [
          ["trace", "x"],
          ["none", null],
        ],
      },
      { key: null, value: { base64: "AP8K" } },
      { key: "grüße", value: null },
    ];
    const made = await ask("POST", records, { body: { records: sent } });
    assert.equal(made.status, 200, made.text);
    assert.deepEqual(
      made.json().results.map(({ partition, offset }) => [partition, offset]),
      [
        [0, 0],
        [0, 1],
        [0, 2],
      ],
    );
    const fetched = (await ask("GET", `${first}?offset=0`)).json();
    assert.deepEqual(
      fetched.records.map(({ key, value }) => [key, value]),
      [
        ["user-7", '{"a":1}'],
        [null, { base64: "AP8K" }],
        ["grüße", null],
      ],
    );
    assert.deepEqual(fetched.records[0].headers, [
      ["trace", "x"],
      ["none", null],
    ]);
    assert.deepEqual([fetched.logStartOffset, fetched.highWatermark, fetched.nextOffset], [0, 3, 3]);
    // What was read can be posted back.
    assert.equal((await ask("POST", records, { body: fetched })).status, 200);
    const again = (await ask("GET", `${first}?offset=3`)).json().records;
    assert.deepEqual(
      again.map(({ key, value, headers }) => [key, value, headers]),
      fetched.records.map(({ key, value, headers }) => [key, value, headers]),
    );
  });

  feature(`${label}: produce and fetch, CBOR`, runtime, async () => {
    const { ask } = wire();
    const { records, first } = await newTopic(wire());
    const value = Uint8Array.of(0, 255, 10);
    const body = cbor.encode.encode({ records: [{ key: bytesOf("k"), value, headers: [["h", bytesOf("v")]] }] });
    const made = await ask("POST", records, {
      body,
      headers: { "content-type": "application/cbor", accept: "application/cbor" },
    });
    assert.equal(made.status, 200, made.text);
    assert.equal(cbor.decode.decode(made.bytes).results[0].offset, 0);
    const fetched = cbor.decode.decode((await ask("GET", first, { headers: { accept: "application/cbor" } })).bytes);
    assert.deepEqual([...fetched.records[0].value], [...value]);
    assert.equal(fetched.highWatermark, 1);
  });

  feature(`${label}: produce and fetch, raw record batches`, runtime, async () => {
    const { ask } = wire();
    const { first } = await newTopic(wire());
    const run = Buffer.concat([batch(["a", "b"]), batch(["c"])]);
    const made = await ask("POST", first, { body: run, headers: { "content-type": raw } });
    assert.equal(made.status, 200, made.text);
    assert.deepEqual([made.json().baseOffset, made.json().lastOffset], [0, 2]);
    const fetched = await ask("GET", `${first}?offset=0`, { headers: { accept: raw } });
    assert.equal(fetched.headers["moldau-next-offset"], "3");
    assert.equal(fetched.headers["moldau-high-watermark"], "3");
    assert.equal(fetched.bytes.length, run.length);
    // All but what the broker stamps (base offset, leader epoch) comes back to the byte.
    assert.ok(fetched.bytes.subarray(17, 61).equals(run.subarray(17, 61)));
    assert.ok(fetched.bytes.subarray(-20).equals(run.subarray(-20)));
    // The large one: as much as a request may hold.
    const large = Buffer.concat(Array.from({ length: 11 }, () => batch(["x".repeat(1_000_000)])));
    assert.equal((await ask("POST", first, { body: large, headers: { "content-type": raw } })).status, 200);
    const back = [];
    // An answer carries 8 MiB at most.
    for (let next = 3; next < 14; ) {
      const part = await ask("GET", `${first}?offset=${next}&maxBytes=16000000`, { headers: { accept: raw } });
      assert.ok(part.bytes.length > 0 && part.bytes.length <= 8 * 1024 * 1024);
      next = Number(part.headers["moldau-next-offset"]);
      back.push(part.bytes);
    }
    assert.equal(Buffer.concat(back).length, large.length);
  });

  feature(`${label}: records are found by offset and by time`, runtime, async () => {
    const { ask } = wire();
    const { records, first, offsets } = await newTopic(wire());
    const at = (i) => 1_767_000_000_000 + i * 1000;
    await ask("POST", records, {
      body: { records: Array.from({ length: 100 }, (_, i) => ({ value: `v${i}`, timestamp: at(i) })) },
    });
    assert.deepEqual((await ask("GET", offsets)).json(), { earliest: 0, latest: 100 });
    assert.deepEqual((await ask("GET", `${offsets}?timestamp=${at(41) + 1}`)).json(), {
      offset: 42,
      timestamp: at(42),
    });
    assert.equal((await ask("GET", `${offsets}?timestamp=${at(100)}`)).json().offset, null);
    const values = async (query) => (await ask("GET", `${first}?${query}`)).json().records.map(({ value }) => value);
    assert.deepEqual(await values("offset=97"), ["v97", "v98", "v99"]);
    assert.deepEqual(await values(`timestamp=${at(98)}`), ["v98", "v99"]);
    assert.deepEqual(await values("offset=earliest&limit=2"), ["v0", "v1"]);
    assert.deepEqual(await values("offset=latest"), []);
    problem(await ask("GET", `${first}?offset=101`), 416, "OFFSET_OUT_OF_RANGE");
  });

  feature(`${label}: a fetch waits, and wakes when there is a record`, runtime, async () => {
    const { ask } = wire();
    const { records, first } = await newTopic(wire());
    const began = performance.now();
    const waiting = ask("GET", `${first}?offset=0&waitMs=20000`);
    await sleep(200);
    await produce(wire(), records, "here");
    const woken = (await waiting).json();
    assert.equal(woken.records[0].value, "here");
    assert.ok(performance.now() - began < 15_000, "it was the record that ended the wait");
    const empty = (await ask("GET", `${first}?offset=1&waitMs=50`)).json();
    assert.deepEqual([empty.records.length, empty.nextOffset], [0, 1]);
  });

  feature(`${label}: server-sent events follow, and resume by Last-Event-ID`, runtime, async () => {
    const { records, first } = await newTopic(wire());
    await produce(wire(), records, "one", "two");
    const text = await events(wire(), `${first}?offset=0`, (seen) => seen.includes("three"), {
      meanwhile: () => produce(wire(), records, "three"),
    });
    assert.deepEqual(
      [...text.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)),
      [0, 1, 2],
    );
    const resumed = await events(wire(), first, (seen) => seen.includes("three"), {
      headers: { "last-event-id": "1" },
    });
    assert.deepEqual(
      [...resumed.matchAll(/^id: (\d+)$/gm)].map(([, id]) => Number(id)),
      [2],
    );
  });

  feature(`${label}: an idempotent produce is stored once`, runtime, async () => {
    const { ask } = wire();
    const { first } = await newTopic(wire());
    const { producerId, producerEpoch } = (await ask("POST", "/v1/producers")).json();
    const send = (sequence, values) =>
      ask("POST", first, {
        body: { records: values.map((value) => ({ value })) },
        headers: {
          "producer-id": String(producerId),
          "producer-epoch": String(producerEpoch),
          "producer-seq": String(sequence),
        },
      });
    assert.equal((await send(0, ["a", "b"])).json().results[0].offset, 0);
    const again = (await send(0, ["a", "b"])).json().results[0];
    assert.deepEqual([again.offset, again.duplicate], [0, true]);
    assert.equal((await send(2, ["c"])).json().results[0].offset, 2);
    problem(await send(7, ["gap"]), 409, "OUT_OF_ORDER_SEQUENCE_NUMBER");
    // The same by a raw batch, which carries its sequence.
    const next = batch(["d"], { producerId, producerEpoch, baseSequence: 3 });
    const sendRaw = async () => (await ask("POST", first, { body: next, headers: { "content-type": raw } })).json();
    assert.deepEqual([(await sendRaw()).baseOffset, (await sendRaw()).baseOffset], [3, 3]);
    assert.equal((await ask("GET", first)).json().records.length, 4);
  });

  feature(`${label}: a conditional append`, runtime, async () => {
    const { ask } = wire();
    const { first } = await newTopic(wire());
    const append = (end) =>
      ask("POST", first, { body: { records: [{ value: "x" }] }, headers: { "if-match": `"${end}"` } });
    assert.equal((await append(0)).status, 200);
    problem(await append(0), 412, "OFFSET_MISMATCH");
    assert.equal((await append(1)).status, 200);
    const racing = await Promise.all(Array.from({ length: 8 }, () => append(2)));
    assert.deepEqual(racing.map(({ status }) => status).sort(), [200, 412, 412, 412, 412, 412, 412, 412]);
  });

  feature(`${label}: NDJSON is appended as it arrives and answered line by line`, runtime, async () => {
    const { ask, converse } = wire();
    const { first } = await newTopic(wire());
    const { request, answered } = converse("POST", first, {
      "content-type": "application/x-ndjson",
      accept: "application/x-ndjson",
    });
    request.write('{"value":"one"}\n{"value":"tw');
    // While the request's body is still open, the first record is there.
    const woken = (await ask("GET", `${first}?offset=0&waitMs=15000`)).json();
    assert.equal(woken.records[0]?.value, "one");
    request.end('o"}\nnonsense\n{"value":"three"}');
    const { status, stream } = await answered;
    assert.equal(status, 200);
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    const lines = String(Buffer.concat(chunks))
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line));
    assert.deepEqual(
      lines.map((line) => line.offset ?? line.error.code),
      [0, 1, "INVALID_REQUEST", 2],
    );
  });

  feature(`${label}: groups: members share, offsets resume`, runtime, async () => {
    const { ask } = wire();
    const { topic, records } = await newTopic(wire(), { partitions: 2 });
    const group = `/v1/groups/${topic}`;
    const poll = async (path) => {
      const answer = await ask("GET", path);
      assert.equal(answer.status, 200, answer.text);
      assert.equal(answer.headers["cache-control"], "no-store");
      return answer.json();
    };
    const held = ({ assignment }) => assignment.flatMap(({ partitions }) => partitions).length;
    const values = (answers) => answers.flatMap((answer) => answer.records.map(({ value }) => value)).sort();
    const both = (one, other) => [
      { partition: 0, value: one },
      { partition: 1, value: other },
    ];
    await ask("POST", records, { body: { records: both("a", "b") } });
    let answer = await poll(`${group}/records?topics=${topic}`);
    assert.deepEqual(values([answer]), ["a", "b"]);
    // A stream comes and shares; what it reads the poll does not.
    const seen = [];
    let assigned = "";
    const text = await events(wire(), `${group}/records?topics=${topic}`, (all) => all.includes("shared"), {
      async meanwhile() {
        for (let turn = 0; held(answer) !== 1 || assigned !== "Stable"; turn += 1) {
          assert.ok(turn < 200, "they never share");
          await sleep(20);
          answer = await poll(answer.next);
          assigned = (await ask("GET", group)).json().state;
        }
        await ask("POST", records, { body: { records: both("shared-0", "shared-1") } });
        answer = await poll(`${answer.next}&waitMs=5000`);
        seen.push(...values([answer]));
      },
    });
    assert.equal(seen.length, 1);
    const other = seen[0] === "shared-0" ? "shared-1" : "shared-0";
    assert.ok(text.includes(other) && !text.includes(seen[0]), text);
    // The stream has gone without a commit: the poll gets its partition, and the record again.
    const rest = [];
    for (let turn = 0; values(rest).length === 0; turn += 1) {
      assert.ok(turn < 200, "the stream's member stays");
      await sleep(20);
      answer = await poll(answer.next);
      rest.push(answer);
    }
    assert.deepEqual(values(rest), [other]);
    const { memberId } = answer;
    const partition = Number(other.at(-1));
    const commit = { memberId, offsets: [{ topic, partition, offset: 2 }] };
    assert.equal((await ask("POST", `${group}/offsets`, { body: commit })).status, 200);
    assert.equal((await ask("DELETE", `${group}/members/${memberId}`)).status, 204);
    problem(await ask("POST", `${group}/offsets`, { body: commit }), 404, "UNKNOWN_MEMBER_ID");
    const { offsets } = (await ask("GET", `${group}/offsets`)).json();
    assert.deepEqual(
      offsets.map(({ offset, lag }) => [offset, lag]),
      [
        [2, 0],
        [2, 0],
      ],
    );
    const again = await poll(`${group}/records?topics=${topic}`);
    assert.deepEqual(again.records, [], "it goes on where the group was");
    assert.equal((await ask("DELETE", `${group}/members/${again.memberId}`)).status, 204);
    assert.equal((await ask("DELETE", group)).status, 204);
  });

  feature(`${label}: bad input gets its error, and the connection goes on`, runtime, async () => {
    const { ask } = wire();
    const { topic, records, first, offsets } = await newTopic(wire());
    const json = { "content-type": "application/json" };
    const rawHeaders = { "content-type": raw };
    const post = (body, headers, path = first) => ask("POST", path, { body, headers });
    const good = batch(["a", "b"]);
    const changed = (at, byte) => {
      const bytes = Buffer.from(good);
      bytes[at] = byte;
      return bytes;
    };
    // Its CRC is right again, so that what is wrong is the only thing wrong.
    const sealed = (change) => {
      const bytes = Buffer.from(good);
      change(bytes);
      bytes.writeUInt32BE(kernel.crc32c(bytes.subarray(21)), 17);
      return bytes;
    };
    problem(await post("x", { "content-type": "text/plain" }), 415, "UNSUPPORTED_MEDIA_TYPE");
    problem(await post('{"records":[{"value":"x"}', json), 400, "INVALID_REQUEST");
    problem(await post('{"records":[]}', json), 400, "INVALID_REQUEST");
    problem(await post('{"records":[{"value":1}]}', json), 400, "INVALID_REQUEST");
    problem(await post("\xff\xff", { "content-type": "application/cbor" }), 400, "INVALID_REQUEST");
    problem(await post(Buffer.alloc(20_000_000), rawHeaders), 413, "MESSAGE_TOO_LARGE");
    problem(await post(batch(["x".repeat(2_000_000)]), rawHeaders), 413, "MESSAGE_TOO_LARGE");
    problem(await post(good.subarray(0, 70), rawHeaders), 400, "CORRUPT_MESSAGE");
    problem(await post(good.subarray(0, 5), rawHeaders), 400, "CORRUPT_MESSAGE");
    problem(await post(changed(70, 99), rawHeaders), 400, "CORRUPT_MESSAGE");
    for (const [what, change] of [
      ["a negative count", (bytes) => bytes.writeInt32BE(-1, 57)],
      ["a count that does not match", (bytes) => bytes.writeInt32BE(3, 57)],
      ["a varint that overruns", (bytes) => bytes.fill(0xff, 61, 66)],
    ]) {
      const answer = await post(sealed(change), rawHeaders);
      assert.equal(answer.status, 400, what);
      assert.match(answer.json().code, /^(CORRUPT_MESSAGE|INVALID_RECORD)$/, what);
    }
    problem(
      await ask("POST", "/v1/topics/nobody/records", { body: { records: [{ value: "x" }] } }),
      404,
      "UNKNOWN_TOPIC_OR_PARTITION",
    );
    problem(
      await ask("POST", `/v1/topics/${topic}/partitions/9/records`, { body: { records: [{ value: "x" }] } }),
      404,
      "UNKNOWN_TOPIC_OR_PARTITION",
    );
    problem(await ask("GET", `${first}?offset=9007199254740992`), 400, "INVALID_REQUEST");
    problem(await ask("GET", `${first}?offset=-1`), 400, "INVALID_REQUEST");
    problem(await ask("GET", `${first}?limit=-1`), 400, "INVALID_REQUEST");
    // By the URL standard this names /v1/: for the HTTP/1.1 client already, else for the server.
    // Deno hands on the segment as it was sent.
    const dots = await ask("PUT", "/v1/topics/%2E%2E", { body: {} });
    if (runtime === "deno" && label !== "HTTP/1.1") problem(dots, 400, "INVALID_TOPIC_EXCEPTION");
    else problem(dots, 404, "NOT_FOUND");
    problem(await ask("PUT", "/v1/topics/no%2Fslash", { body: {} }), 400, "INVALID_TOPIC_EXCEPTION");
    problem(await ask("PUT", `/v1/topics/${"x".repeat(250)}`, { body: {} }), 400, "INVALID_TOPIC_EXCEPTION");
    problem(await ask("PUT", "/v1/topics/configured", { body: { configs: { "no.such": 1 } } }), 400, "INVALID_CONFIG");
    problem(await ask("PUT", "/v1/topics/partitioned", { body: { partitions: -3 } }), 400, "INVALID_PARTITIONS");
    assert.deepEqual((await ask("GET", offsets)).json(), { earliest: 0, latest: 0 }, "nothing was appended");
    assert.equal((await produce(wire(), records, "good"))[0].offset, 0);
  });
}

after(killAll);

for (const runtime of flags.runtime) {
  describe(runtime, () => {
    let plain;
    let secure;
    const wires = {};
    before(async () => {
      [plain, secure] = await Promise.all([startServer(runtime), startServer(runtime, { secure: true })]);
      wires.h1 = http1(plain.url);
      wires.h2c = http2Wire(plain.url);
      wires.h2 = http2Wire(secure.url);
      wires.https = http1(secure.url);
    });
    after(async () => {
      for (const wire of Object.values(wires)) wire.close();
      await Promise.all([plain?.kill(), secure?.kill()]);
    });

    feature("serves, and says what it runs on", runtime, async () => {
      for (const wire of Object.values(wires)) {
        const { status, runtime: said, version } = (await wire.ask("GET", "/healthz")).json();
        assert.equal(status, "ok");
        assert.equal(said.name, runtime.replace(/\d+$/, ""));
        assert.match(version, /^\d+\.\d+\.\d+/);
        versions[runtime] = said.version;
        assert.equal((await wire.ask("GET", "/readyz")).status, 200);
      }
      assert.equal(wires.h2.session.alpnProtocol, "h2");
      for (const words of [plain.url, plain.folder, "durability  sync", "curl -s"]) await plain.prints(words);
    });

    everyWire(runtime, "HTTP/1.1", () => wires.h1);
    everyWire(runtime, "HTTP/2 (h2c)", () => wires.h2c);
    everyWire(runtime, "HTTP/2 (TLS)", () => wires.h2);

    feature("HTTP/1.1 under TLS", runtime, async () => {
      const { records } = await newTopic(wires.https);
      assert.equal((await produce(wires.https, records, "x"))[0].offset, 0);
    });

    feature("metrics, OpenAPI and its page", runtime, async () => {
      const metrics = await wires.h1.ask("GET", "/metrics");
      assert.equal(metrics.status, 200);
      assert.match(metrics.text, /^# TYPE moldau_\w+ counter$/m);
      const document = (await wires.h1.ask("GET", "/openapi.json")).json();
      assert.match(document.openapi, /^3\.1/);
      assert.ok(document.paths["/v1/topics/{topic}/partitions/{partition}/records"].get);
      const page = await wires.h1.ask("GET", "/docs");
      assert.equal(page.status, 200);
      assert.match(page.headers["content-type"], /^text\/html/);
    });

    feature("what is no HTTP is refused, and the server lives", runtime, async () => {
      for (const bytes of [
        "\u0016\u0003\u0001nonsense\r\n\r\n",
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frame, no frame at all",
        "POST / HTTP/1.1\r\ncontent-length: -5\r\n\r\n",
      ]) {
        const socket = net.connect(plain.port, "127.0.0.1", () => socket.end(bytes, "latin1"));
        socket.on("error", () => {});
        socket.resume();
        await new Promise((resolve) => socket.once("close", resolve));
      }
      // A body that stops in its middle.
      const { topic, offsets } = await newTopic(wires.h1);
      const cut = net.connect(plain.port, "127.0.0.1");
      cut.on("error", () => {});
      cut.write(
        `POST /v1/topics/${topic}/records HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\ncontent-length: 500\r\n\r\n{"records":[{"value":"x"}]}`,
      );
      await sleep(100);
      cut.destroy();
      await sleep(100);
      assert.deepEqual((await wires.h1.ask("GET", offsets)).json(), { earliest: 0, latest: 0 });
    });

    feature("CORS: off, unless --cors-origin", runtime, async () => {
      const headers = { origin: "https://app.example" };
      assert.equal(
        (await wires.h1.ask("GET", "/v1/topics", { headers })).headers["access-control-allow-origin"],
        undefined,
      );
      const open = await startServer(runtime, {
        flags: ["--cors-origin", "https://app.example", "--memory"],
        folder: undefined,
      });
      const wire = http1(open.url);
      assert.equal(
        (await wire.ask("GET", "/v1/topics", { headers })).headers["access-control-allow-origin"],
        "https://app.example",
      );
      wire.close();
      assert.deepEqual(await open.stop(), { status: 0, signal: null });
    });

    feature("commands: topics, produce, consume", runtime, async () => {
      const env = { MOLDAU_URL: plain.url };
      const run = async (args, options = {}) => {
        const result = await command(runtime, args, { env, ...options });
        assert.equal(result.status, 0, `${args.join(" ")}: ${result.stderr}`);
        return result.text;
      };
      const topic = `cli-${runtime}`;
      assert.match(await run(["topics", "create", topic, "-p", "1", "-c", "retention.ms=60000"]), /^created/);
      assert.match(await run(["topics", "list"]), new RegExp(`^${topic} `, "m"));
      const text = 'eins\nzwei\r\n\n{"drei":3}\nohne Ende';
      await run(["produce", topic, "-k", "key", "-H", "a=b"], { input: text });
      assert.equal(await run(["consume", topic]), `${text}\n`);
      assert.equal(
        await run(["consume", topic, "--from", "-2", "--format", "%o %k %h %s\\n"]),
        '3 key a=b {"drei":3}\n4 key a=b ohne Ende\n',
      );
      assert.equal(
        JSON.parse(await run(["consume", topic, "--from", "1", "-n", "1", "--format", "json"])).value,
        "zwei\r",
      );
      assert.equal(await run(["consume", topic, "--from", "@2100-01-01T00:00:00Z"]), "");
      assert.equal(
        JSON.parse(await run(["topics", "describe", topic, "--json"])).configs["retention.ms"].value,
        "60000",
      );
      await run(["topics", "create", `${topic}-keys`, "-p", "3"]);
      await run(["produce", `${topic}-keys`, "-K", ":"], {
        input: Array.from({ length: 300 }, (_, i) => `k${i % 7}:v${i}`).join("\n"),
      });
      const rows = (await run(["consume", `${topic}-keys`, "--format", "%p %k %s\\n"]))
        .trim()
        .split("\n")
        .map((row) => row.split(" "));
      assert.equal(rows.length, 300);
      for (let key = 0; key < 7; key++) {
        const own = rows.filter(([, name]) => name === `k${key}`);
        assert.equal(new Set(own.map(([partition]) => partition)).size, 1, "a key has one partition");
        assert.deepEqual(
          own.map(([, , value]) => value),
          own.map((_, i) => `v${i * 7 + key}`),
          "and its order",
        );
      }
      await run(["topics", "alter", topic, "-c", "retention.ms=", "-p", "2"]);
      await run(["topics", "delete", topic]);
      const gone = await command(runtime, ["consume", topic], { env });
      assert.equal(gone.status, 1);
      assert.match(gone.stderr, new RegExp(`moldau topics create ${topic}`));
      const usage = await command(runtime, ["produce", "x", "--acks", "some"], { env });
      assert.equal(usage.status, 2);
      assert.match(usage.stderr, /all, leader, none/);
      const mistyped = await command(runtime, ["topcis", "list"], { env });
      assert.equal(mistyped.status, 2);
      assert.match(mistyped.stderr, /no command 'topcis'/);
      for (const named of [[], ["serve"], ["topics", "create"], ["produce"], ["consume"], ["log", "verify"]]) {
        assert.match(await run([...named, "--help"]), /Examples:/);
      }
      assert.match(await run(["--version"]), /^\d+\.\d+\.\d+\n$/);
      const nobody = await command(runtime, ["topics", "list", "--url", `http://127.0.0.1:${await freePort()}`]);
      assert.equal(nobody.status, 1);
      assert.match(nobody.stderr, /is the server running/);
    });

    feature("commands: groups, consume --group", runtime, async () => {
      const env = { MOLDAU_URL: plain.url };
      const run = async (...args) => {
        const result = await command(runtime, args, { env });
        assert.equal(result.status, 0, `${args.join(" ")}: ${result.stderr}`);
        return result.text;
      };
      const topic = `cli-group-${runtime}`;
      await run("topics", "create", topic, "-p", "2");
      const lines = Array.from({ length: 1500 }, (_, i) => `line ${i}`);
      await command(runtime, ["produce", topic], { env, input: lines.join("\n") });
      const shares = await Promise.all([0, 1].map(() => run("consume", topic, "--group", topic)));
      assert.deepEqual(shares.join("").trim().split("\n").sort(), [...lines].sort());
      assert.equal(await run("consume", topic, "--group", topic), "", "it goes on where the group is");
      assert.match(await run("groups", "list"), new RegExp(`^${topic} +consumer +Empty$`, "m"));
      await run("groups", "reset-offsets", topic, "--to", "earliest");
      assert.equal((await run("consume", topic, "--group", topic, "-n", "2")).trim().split("\n").length, 2);
      const { offsets } = JSON.parse(await run("groups", "describe", topic, "--format", "json"));
      assert.equal(
        offsets.reduce((sum, { offset }) => sum + offset, 0),
        2,
      );
      assert.equal(await run("groups", "delete", topic), `deleted ${topic}\n`);
    });

    feature("consume ends quietly on a closed pipe and on Ctrl-C", runtime, async () => {
      const env = { MOLDAU_URL: plain.url };
      const topic = `pipe-${runtime}`;
      await command(runtime, ["topics", "create", topic], { env });
      await command(runtime, ["produce", topic], {
        env,
        input: "a line that is long enough to fill a pipe\n".repeat(50_000),
      });
      const closed = await command(runtime, ["consume", topic], {
        env,
        watch: (child) => child.stdout.once("data", () => child.stdout.destroy()),
      });
      assert.deepEqual([closed.status, closed.stderr], [0, ""]);
      let followed = 0;
      const stopped = await command(runtime, ["consume", topic, "--from", "-1", "--follow"], {
        env,
        watch: (child) =>
          child.stdout.on("data", () => {
            // The second comes after the end that --follow waits at.
            if (++followed === 1) command(runtime, ["produce", topic], { env, input: "more" });
            else child.kill("SIGINT");
          }),
      });
      assert.deepEqual([stopped.status, stopped.stderr], [0, ""]);
      assert.match(stopped.text, /\nmore\n$/);
    });

    feature("log dump, verify, index", runtime, async () => {
      const folder = temporaryFolder();
      const server = await startServer(runtime, { folder });
      const env = { MOLDAU_URL: server.url, MOLDAU_DATA_DIR: folder };
      const run = async (...args) => {
        const result = await command(runtime, args, { env });
        assert.deepEqual([result.status, result.stderr], [0, ""], args.join(" "));
        return result.text;
      };
      await run("topics", "create", "looked-into", "-c", "segment.bytes=700000");
      const lines = Array.from({ length: 40_000 }, (_, i) => `line ${i} of what is looked into`);
      for (let from = 0; from < lines.length; from += 8000)
        await command(runtime, ["produce", "looked-into"], { env, input: lines.slice(from, from + 8000).join("\n") });
      const inUse = await command(runtime, ["log", "verify"], { env });
      assert.equal(inUse.status, 2);
      assert.match(inUse.stderr, /in use by process \d+.*Stop the broker first/);
      assert.deepEqual(await server.stop(), { status: 0, signal: null });

      assert.match(await run("log", "verify"), /40 000 records.*\n0 errors, 0 warnings, 0 notes\n.*cut nothing\n$/);
      const dumped = (await run("log", "dump", "-t", "looked-into", "--records", "--from", "39998", "--json"))
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      assert.deepEqual(
        dumped.flatMap(({ type, value }) => (type === "record" ? [value] : [])),
        lines.slice(-2),
      );
      const partition = join(folder, "looked-into-0");
      const [log, second] = readdirSync(partition)
        .filter((name) => name.endsWith(".log"))
        .sort();
      assert.ok(second !== undefined, "there are two segments");
      assert.match(await run("log", "dump", join(partition, log)), /^baseOffset: 0 lastOffset: \d+ .* isvalid: true$/m);
      assert.match(
        await run("log", "dump", join(partition, log.replace("log", "index"))),
        /^offset: \d+ position: \d+$/m,
      );
      const found = JSON.parse(await run("log", "index", partition, "--offset", "30000", "--json")).found;
      assert.ok(found.batch.baseOffset <= 30_000 && found.batch.lastOffset >= 30_000 && found.isEntryRight);
      const { maxTimestamp } = found.batch;
      const byTime = await run("log", "index", "-t", "looked-into", "--timestamp", String(maxTimestamp), "--json");
      const { batch } = JSON.parse(byTime).found;
      assert.ok(batch.maxTimestamp >= maxTimestamp && batch.baseOffset <= found.batch.baseOffset, byTime);
      assert.match(await run("log", "index", partition, "--timestamp", String(Date.now() + 60_000)), /^not found/);

      const index = join(partition, log.replace("log", "index"));
      const right = readFileSync(index);
      const wrong = Buffer.from(right);
      wrong[6] ^= 1;
      writeFileSync(index, wrong);
      const astray = await command(runtime, ["log", "index", partition, "--json"], { env });
      assert.equal(astray.status, 1);
      assert.deepEqual(
        astray.text
          .trim()
          .split("\n")
          .flatMap((line) => JSON.parse(line).findings.map(({ file, position }) => [file, position])),
        [[`looked-into-0/${log.replace("log", "index")}`, 0]],
      );
      assert.match(await run("log", "index", index, "--rebuild"), /made anew\n$/);
      assert.deepEqual(readFileSync(index), right);

      const bytes = readFileSync(join(partition, second));
      bytes[bytes.length - 3] ^= 4;
      writeFileSync(join(partition, second), bytes);
      const damaged = await command(runtime, ["log", "verify", "--json"], { env });
      assert.equal(damaged.status, 1);
      const [finding, summary] = damaged.text
        .trim()
        .split("\n")
        .map((line) => JSON.parse(line));
      assert.deepEqual([finding.kind, finding.file], ["checksum", `looked-into-0/${second}`]);
      assert.deepEqual([summary.errors, summary.complete, summary.start.outcome], [1, true, "opens"]);

      const nothing = await command(runtime, ["log", "dump", join(folder, "nothing")], { env });
      assert.equal(nothing.status, 2);
      const closed = await command(runtime, ["log", "dump", "--records"], {
        env,
        watch: (child) => child.stdout.once("data", () => child.stdout.destroy()),
      });
      assert.deepEqual([closed.status, closed.stderr], [0, ""]);
      const stopped = await command(runtime, ["log", "dump", "--records"], {
        env,
        watch: (child) =>
          child.stdout.once("data", () => {
            // The pipe is full meanwhile: it cannot be done before the signal comes.
            child.stdout.pause();
            child.kill("SIGINT");
            setTimeout(() => child.stdout.resume(), 1000);
          }),
      });
      assert.deepEqual([stopped.status, stopped.stderr], [130, ""]);
    });

    feature("a start that cannot be says why and exits 1", runtime, async () => {
      const start = (...flags) => command(runtime, ["--kafka-port", "off", ...flags]);
      const taken = await start("--http-port", String(plain.port), "--data-dir", temporaryFolder());
      assert.equal(taken.status, 1);
      assert.match(taken.stderr, /in use.*--http-port/);
      const locked = await start("--http-port", String(await freePort()), "--data-dir", plain.folder);
      assert.equal(locked.status, 1, locked.stderr);
      assert.match(locked.stderr, /in use/);
      assert.doesNotMatch(locked.stderr, /\n\s+at /, "no stack");
      const alsoTaken = await command(runtime, [
        ...["--http-port", String(await freePort()), "--kafka-port", String(plain.port)],
        ...["--data-dir", temporaryFolder()],
      ]);
      assert.equal(alsoTaken.status, 1, alsoTaken.stderr);
      assert.match(alsoTaken.stderr, /in use.*--kafka-port/);
      const foreign = temporaryFolder();
      writeFileSync(join(foreign, "thesis.doc"), "mine");
      const other = await start("--http-port", String(await freePort()), "--data-dir", foreign);
      assert.equal(other.status, 1, other.stderr);
      assert.match(other.stderr, /thesis\.doc/);
      const noCertificate = await command(runtime, [
        "--tls-cert",
        "/nowhere.pem",
        "--tls-key",
        "/nowhere.pem",
        "--memory",
      ]);
      assert.equal(noCertificate.status, 1);
      assert.match(noCertificate.stderr, /--tls-cert.*nowhere\.pem/);
      assert.equal((await command(runtime, ["--http-port", "65536"])).status, 2);
    });

    feature("SIGKILL loses nothing that was acknowledged", runtime, async () => {
      let server = await startServer(runtime);
      let wire = http1(server.url);
      const { records, first } = await newTopic(wire);
      const acknowledged = [];
      const writers = Array.from({ length: 4 }, async (_, writer) => {
        for (let i = 0; ; i++) {
          try {
            const answer = await wire.ask("POST", records, { body: { records: [{ value: `${writer}-${i}` }] } });
            if (answer.status !== 200) return;
            acknowledged.push([answer.json().results[0].offset, `${writer}-${i}`]);
          } catch {
            return;
          }
        }
      });
      await sleep(700);
      await server.kill();
      await Promise.all(writers);
      wire.close();
      assert.ok(acknowledged.length > 20, `${acknowledged.length} were acknowledged`);
      server = await startServer(runtime, { folder: server.folder, port: server.port });
      wire = http1(server.url);
      const there = new Map();
      for (let offset = 0; ; ) {
        const fetched = (await wire.ask("GET", `${first}?offset=${offset}&limit=10000`)).json();
        for (const record of fetched.records) there.set(record.offset, record.value);
        if (fetched.nextOffset === fetched.highWatermark) break;
        offset = fetched.nextOffset;
      }
      for (const [offset, value] of acknowledged) assert.equal(there.get(offset), value);
      // And after a clean stop the folder says so.
      wire.close();
      assert.deepEqual(await server.stop(), { status: 0, signal: null });
      const again = await startServer(runtime, { folder: server.folder, port: server.port });
      await again.prints("recovery    a clean shutdown");
      await again.stop();
    });

    feature("SIGTERM ends waits and streams and exits 0", runtime, async () => {
      const server = await startServer(runtime);
      const [one, two] = [http1(server.url), http2Wire(server.url)];
      const { records, first } = await newTopic(one);
      await produce(one, records, "x");
      const waiting = [one, two].map((wire) =>
        wire.ask("GET", `${first}?offset=1&waitMs=60000`).catch((error) => error),
      );
      const following = [one, two].map(async (wire) => {
        const { stream } = await wire.begin("GET", `${first}?offset=0`, { headers: { accept: "text/event-stream" } });
        stream.on("error", () => {});
        stream.resume();
        await new Promise((resolve) => stream.once("close", resolve));
      });
      await sleep(300);
      const began = performance.now();
      assert.deepEqual(await server.stop(), { status: 0, signal: null });
      assert.ok(performance.now() - began < 5000, `it took ${Math.round(performance.now() - began)} ms`);
      await Promise.all([...waiting, ...following]);
      one.close();
      two.close();
    });
  });
}
