// The three adapters keep their contract: the engine in this process, and Moldau's two faces over sockets.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import { after, test } from "node:test";
import { type LogAdapter, LogError } from "./contract.ts";
import { type ContractOptions, contractCases } from "./contract-cases.ts";
import { openHttpAdapter } from "./http.ts";
import { toLogError } from "./kafka-client.ts";
import { MoldauProcess } from "./moldau-process.test-support.ts";
import { openKafkaAdapter } from "./open-kafka.ts";
import { RestartingEngine } from "./restarting-engine.test-support.ts";

const supportsAll = {
  acks: ["all", "leader", "none"],
  idempotence: true,
  conditionalAppends: true,
  deleteRecords: true,
  lookUpByTime: true,
  compaction: true,
  groups: "consumer",
  listTopics: true,
  logEnd: true,
} as const;

/** Two adapters are of one log. */
let waiting = 0;

let started: Promise<MoldauProcess> | null = null;
const moldau = (): Promise<MoldauProcess> => {
  started ??= MoldauProcess.start();
  return started;
};
after(async () => (await started)?.end());

const adapters: Readonly<Record<string, ContractOptions>> = {
  engine: { supports: supportsAll, restarts: true, open: () => RestartingEngine.open() },
  "Moldau over HTTP": {
    supports: supportsAll,
    open: async () => openHttpAdapter({ url: (await moldau()).url }),
  },
  "Moldau over Kafka's protocol": {
    supports: { ...supportsAll, conditionalAppends: false, groups: "classic", logEnd: false },
    open: async () => openKafkaAdapter({ brokers: [(await moldau()).bootstrap] }),
  },
};

for (const [name, options] of Object.entries(adapters)) {
  for (const { name: demanded, run } of contractCases(options)) test(`${name}: ${demanded}`, run);

  // The contract lets a log answer with nothing before the time is up; these don't.
  test(`${name}: a read that waits is answered with what comes`, async () => {
    const adapter: LogAdapter = await options.open();
    try {
      const place = { topic: `waiting-${waiting++}`, partition: 0 };
      await adapter.createTopic(place.topic, { partitions: 1 });
      const reading = adapter.read(place, { offset: 0, maxWaitMs: 5000 });
      await adapter.append(place, [{ value: "late", timestamp: 5 }], { acks: "all" });
      assert.deepEqual((await reading).records, [{ offset: 0, timestamp: 5, value: "late" }]);
    } finally {
      await adapter.close();
    }
  });
}

test("nobody listens there: effect none, and it is said before anything is asked for", async () => {
  const refused = (error: unknown): boolean =>
    error instanceof LogError &&
    error.effect === "none" &&
    /ECONNREFUSED|Unable to connect|refused/.test(`${error.code} ${error.message}`);
  await assert.rejects(openHttpAdapter({ url: "http://127.0.0.1:2" }), refused);
  await assert.rejects(openKafkaAdapter({ brokers: ["127.0.0.1:2"] }), refused);
});

test("a request whose connection broke may have had an effect, whatever refuses the runtime's second attempt", async () => {
  let asked = 0;
  const server = createServer((socket) => {
    socket.on("error", () => {});
    socket.on("data", (bytes) => {
      if (bytes.toString("latin1").startsWith("GET")) {
        const body = '{"status":"ready"}';
        socket.write(
          `HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: ${body.length}\r\n\r\n${body}`,
        );
        return;
      }
      // It takes the records, and is killed.
      asked += 1;
      server.close();
      socket.destroy();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as { port: number };
  const adapter = await openHttpAdapter({ url: `http://127.0.0.1:${port}` });
  const sent = adapter.append({ topic: "t", partition: 0 }, [{ value: "v", timestamp: 1 }], { acks: "all" });
  await assert.rejects(sent, (error) => error instanceof LogError && error.effect === "unknown");
  assert.ok(asked >= 1);
});

test("what kafkajs throws says whether it may have had an effect", () => {
  const protocol = (type: string): Error => Object.assign(new Error(type), { type, name: "KafkaJSProtocolError" });
  assert.equal(toLogError(protocol("NOT_LEADER_FOR_PARTITION"), true).effect, "unknown"); // KAFKA-13574
  assert.equal(toLogError(protocol("NOT_CONTROLLER"), true).effect, "unknown");
  assert.equal(toLogError(protocol("MESSAGE_TOO_LARGE"), true).effect, "none");
  assert.equal(toLogError(protocol("REQUEST_TIMED_OUT"), true).effect, "unknown");
  const closed = Object.assign(new Error("Closed connection"), { name: "KafkaJSConnectionClosedError" });
  assert.equal(toLogError(closed, true).effect, "unknown");
  assert.equal(toLogError(closed, false).effect, "none");
  const wrapped = { name: "KafkaJSNumberOfRetriesExceeded", message: "..", cause: protocol("UNKNOWN_MEMBER_ID") };
  assert.equal(toLogError(wrapped, true).code, "UNKNOWN_MEMBER_ID");
});
