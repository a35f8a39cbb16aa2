import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage, openBroker } from "./index.ts";

test("a broker opens with nothing but a storage", async () => {
  const broker = await openBroker({ storage: memoryStorage() });
  try {
    await broker.createTopic("events");
    const [receipt] = await broker.produce("events", [{ key: "user-7", value: "hello", headers: [["trace", "x"]] }]);
    assert.ok(receipt !== undefined && "offset" in receipt);
    assert.equal(receipt.offset, 0);
    assert.ok(Math.abs(receipt.timestamp - Date.now()) < 60_000);
    const values: string[] = [];
    for await (const record of broker.read("events"))
      values.push(new TextDecoder().decode(record.value ?? new Uint8Array()));
    assert.deepEqual(values, ["hello"]);
  } finally {
    await broker.close();
  }
});

test("topic ids differ from broker to broker: chance is the runtime's", async () => {
  const ids = new Set<string>();
  for (let i = 0; i < 3; i++) {
    const broker = await openBroker({ storage: memoryStorage() });
    ids.add((await broker.createTopic("events")).id);
    await broker.close();
  }
  assert.equal(ids.size, 3);
});

test("given defaults are overridden", async () => {
  const lines: string[] = [];
  const broker = await openBroker({
    storage: memoryStorage(),
    clock: {
      now: () => 42,
      monotonic: () => performance.now(),
      schedule: (ms, run) => {
        const timer = setTimeout(run, ms);
        return () => clearTimeout(timer);
      },
    },
    logger: { log: (_, message) => void lines.push(message) },
  });
  await broker.createTopic("events");
  const [receipt] = await broker.produce("events", [{ value: "x" }]);
  assert.ok(receipt !== undefined && "timestamp" in receipt);
  assert.equal(receipt.timestamp, 42);
  await broker.close();
});

test("a broker without a storage is refused, and what to give is said", async () => {
  for (const options of [undefined, {}]) {
    await assert.rejects(openBroker(options as never), /openBroker needs a storage: openBroker\(\{ storage:/);
  }
});
