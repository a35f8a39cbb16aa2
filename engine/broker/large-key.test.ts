import assert from "node:assert/strict";
import test from "node:test";
import { loadWasmKernel } from "../kernel/wasm.ts";
import { scratchBytes } from "../limits.ts";
import { memoryStorage } from "../storage/memory.ts";
import { openBroker } from "./open.ts";
import { testWorld } from "./world.test.support.ts";

test("a key that no kernel holds is its record's error, whatever the partitions, and no other's", async () => {
  const broker = await openBroker({ ...testWorld(memoryStorage()), kernel: await loadWasmKernel() });
  await broker.createTopic("t", { partitions: 3 });
  const tooLarge = { key: new Uint8Array(scratchBytes + 1), value: "a" };
  const results = await broker.produce("t", [{ value: "b", partition: 1 }, tooLarge]);
  assert.ok("offset" in results[0]!);
  const [, refused] = results;
  assert.equal("error" in refused! && refused.error.code, "MESSAGE_TOO_LARGE");
  await broker.close();
});
