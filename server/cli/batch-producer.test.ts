import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { BatchHeader, createTwinKernel, decodeRecords, type RecordToEncode } from "../../engine/index.ts";
import { BatchProducer, type BatchProducerOptions } from "./batch-producer.ts";
import { type Client, ClientError, type ClientRequest } from "./client.ts";

const kernel = createTwinKernel();
const record = (text: string, key: string | null = null): RecordToEncode => {
  const bytes = new TextEncoder();
  return { key: key === null ? null : bytes.encode(key), value: bytes.encode(text), headers: [], timestamp: 0 };
};

/** A server that keeps sequences as a broker does, and fails as `fate` says. */
class Server {
  readonly stored = new Map<string, string[]>();
  readonly batches: number[] = [];
  inFlight = 0;
  most = 0;
  readonly #next = new Map<string, number>();
  readonly #fate: () => "fine" | "lost" | "answer lost" | "busy";

  constructor(fate: () => "fine" | "lost" | "answer lost" | "busy" = () => "fine") {
    this.#fate = fate;
  }

  get client(): Client {
    const send = (path: string, request: ClientRequest): Promise<Response> => this.#send(path, request);
    return { json: async () => ({ producerId: 7, producerEpoch: 0 }), send } as unknown as Client;
  }

  async #send(path: string, { body }: ClientRequest): Promise<Response> {
    this.most = Math.max(this.most, ++this.inFlight);
    const fate = this.#fate();
    // Requests overtake each other.
    for (let turns = Math.floor(Math.random() * 5); turns > 0; turns--)
      await new Promise((resolve) => setTimeout(resolve, 0));
    this.inFlight--;
    if (fate === "lost") throw new ClientError("UNREACHABLE", "gone", true);
    if (fate === "busy") throw new ClientError("THROTTLING_QUOTA_EXCEEDED", "busy", true);
    this.#store(path, body as Uint8Array);
    if (fate === "answer lost") throw new ClientError("UNREACHABLE", "gone", true);
    return new Response("{}");
  }

  #store(path: string, bytes: Uint8Array): void {
    const header = new BatchHeader(bytes);
    const next = this.#next.get(path) ?? 0;
    if (header.baseSequence < next) return;
    if (header.baseSequence > next) throw new ClientError("OUT_OF_ORDER_SEQUENCE_NUMBER", "a gap", false);
    assert.equal(header.producerId, 7);
    this.#next.set(path, next + header.recordCount);
    this.batches.push(bytes.length);
    const values = decodeRecords(bytes, {
      kernel,
      decompressor: undefined,
      fromOffset: 0,
      limit: Number.POSITIVE_INFINITY,
    });
    const stored = this.stored.get(path) ?? [];
    this.stored.set(path, [
      ...stored,
      ...values.map(({ value }) => new TextDecoder().decode(value ?? new Uint8Array())),
    ]);
  }
}

function open(server: Server, options: Partial<BatchProducerOptions> = {}): Promise<BatchProducer> {
  return BatchProducer.open({
    client: server.client,
    kernel,
    topic: "events",
    partitions: 1,
    acks: "all",
    batchBytes: 200,
    lingerMs: 5,
    giveUpAfterMs: 10_000,
    onAcknowledged: () => {},
    ...options,
  });
}

const partition = (number: number): string => `/v1/topics/events/partitions/${number}/records`;

test("whatever is lost, late or overtaken, a partition gets each record once and in order", async () => {
  const fates = fc.array(fc.constantFrom("fine", "fine", "fine", "lost", "answer lost", "busy"), {
    minLength: 1,
    maxLength: 12,
  });
  await fc.assert(
    fc.asyncProperty(fates, fc.integer({ min: 0, max: 60 }), async (given, count) => {
      const left = [...given] as ("fine" | "lost" | "answer lost" | "busy")[];
      const server = new Server(() => left.shift() ?? "fine");
      let acknowledged = 0;
      const producer = await open(server, { onAcknowledged: (records) => (acknowledged += records) });
      const sent = Array.from({ length: count }, (_, i) => `value ${i}`);
      for (const value of sent) await producer.add(record(value));
      await producer.finish();
      assert.deepEqual(server.stored.get(partition(0)) ?? [], sent);
      assert.equal(acknowledged, count);
      assert.ok(server.most <= 4, `${server.most} at once`);
    }),
    { numRuns: 25 },
  );
});

test("batches are full but not over their size, unless one record alone is", async () => {
  const server = new Server();
  const producer = await open(server, { batchBytes: 400 });
  for (let i = 0; i < 50; i++) await producer.add(record("x".repeat(30)));
  await producer.add(record("y".repeat(900)));
  await producer.finish();
  assert.ok(server.batches.length < 20, `${server.batches.length} batches`);
  assert.equal(server.batches.filter((bytes) => bytes > 461).length, 1);
});

test("a record that nothing follows is sent after the linger", async () => {
  const server = new Server();
  let tell = (): void => {};
  const acknowledged = new Promise<void>((resolve) => {
    tell = resolve;
  });
  const producer = await open(server, { onAcknowledged: () => tell() });
  await producer.add(record("alone"));
  await acknowledged;
  assert.deepEqual(server.stored.get(partition(0)), ["alone"]);
  await producer.finish();
});

test("a key has one partition, murmur2's; what has none is spread batch by batch", async () => {
  const server = new Server();
  const producer = await open(server, { partitions: 3 });
  for (let i = 0; i < 30; i++) await producer.add(record(`keyed ${i}`, "user-7"));
  for (let i = 0; i < 60; i++) await producer.add(record(`free ${i}`));
  await producer.finish();
  const own = (kernel.murmur2(new TextEncoder().encode("user-7")) & 0x7fffffff) % 3;
  assert.equal(server.stored.get(partition(own))?.filter((value) => value.startsWith("keyed")).length, 30);
  for (const number of [0, 1, 2])
    assert.ok(
      server.stored.get(partition(number))?.some((value) => value.startsWith("free")),
      `partition ${number}`,
    );
});

test("an error that no retry can help is told, and nothing more is sent", async () => {
  const server = new Server();
  const client = {
    json: async () => ({ producerId: 7, producerEpoch: 0 }),
    send: async () => {
      throw new ClientError("MESSAGE_TOO_LARGE", "too large", false);
    },
  };
  const producer = await open(server, { client: client as unknown as Client });
  await producer.add(record("x".repeat(500)));
  await assert.rejects(producer.finish(), /too large/);
  assert.throws(() => producer.add(record("more")), /too large/);
});

test("a server that stays away is given up on", async () => {
  const producer = await open(new Server(() => "lost"), { giveUpAfterMs: 100 });
  await producer.add(record("x"));
  await assert.rejects(producer.finish(), /gone/);
});

test("a record over what there may be is refused by its size", async () => {
  const producer = await open(new Server());
  await producer.add(record("x".repeat(13_000_000)));
  await assert.rejects(producer.finish(), /over the largest/);
});
