// The log against the disk it stands on: what Moldau adds to writing the same bytes to a file.
//
// Owns: the work, in a folder of its own that it removes. Never: timing (measure.ts).

import { closeSync, fdatasyncSync, mkdtempSync, openSync, rmSync, writeSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import {
  type Broker,
  type BrokerOptions,
  type Kernel,
  memoryStorage,
  openBroker,
  type Storage,
} from "../engine/index.ts";
import { openFileStorage } from "../server/runtime/node/storage.ts";
import { webClock, webEntropy } from "../server/runtime/web/world.ts";
import { recordsOf, repeat } from "./kernel.ts";
import type { Work } from "./measure.ts";

const batchRecords = 100;
const batchesPerRequest = 16;

export interface LogWork {
  readonly works: readonly Work[];
  readonly close: () => Promise<void>;
}

/** Each pair of works moves the same bytes, so that their ratio is the price of the log. */
export async function logWork(kernel: Kernel): Promise<LogWork> {
  const folder = mkdtempSync(join(tmpdir(), "moldau-bench-"));
  const request = repeat(kernel.encodeBatch(recordsOf(batchRecords)).slice(), batchesPerRequest);
  const records = batchRecords * batchesPerRequest;
  const raw = openSync(join(folder, "raw"), "a");
  const memory = await openLog(memoryStorage(), kernel, "sync");
  const relaxed = await openLog(await openFileStorage(join(folder, "os")), kernel, "os");
  const durable = await openLog(await openFileStorage(join(folder, "sync")), kernel, "sync");
  const size = { bytes: request.length, records };
  const append = (broker: Broker): Promise<unknown> => broker.appendBatches("bench", 0, request);
  const rawWrite = (): void => {
    for (let at = 0; at < request.length; ) at += writeSync(raw, request, at, request.length - at);
  };
  return {
    works: [
      { name: "append, memory", ...size, run: () => append(memory) },
      { name: "raw write", ...size, run: rawWrite },
      { name: "append, file, durability os", ...size, run: () => append(relaxed) },
      {
        name: "raw write and fdatasync",
        ...size,
        run: () => {
          rawWrite();
          fdatasyncSync(raw);
        },
      },
      { name: "append, file, acks all", ...size, run: () => append(durable) },
      { name: "fetch 1 MiB, file", bytes: 1 << 20, run: () => fetchFrom(durable) },
    ],
    async close() {
      closeSync(raw);
      for (const broker of [memory, relaxed, durable]) await broker.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

/** Retention keeps a long run within its disk and its memory. */
async function openLog(storage: Storage, kernel: Kernel, durability: "sync" | "os"): Promise<Broker> {
  const options: BrokerOptions = {
    storage,
    kernel,
    durability,
    clock: webClock,
    entropy: webEntropy,
    logger: { log: () => {} },
    retentionCheckIntervalMs: 200,
  };
  const broker = await openBroker(options);
  await broker.createTopic("bench", { configs: { "retention.bytes": 64 << 20, "segment.bytes": 16 << 20 } });
  return broker;
}

async function fetchFrom(broker: Broker): Promise<void> {
  const offset = broker.offsets("bench", 0).earliest;
  const [fetched] = await broker.fetchBatches([{ topic: "bench", partition: 0, offset, maxBytes: 1 << 20 }]);
  if (fetched === undefined || fetched.error !== undefined || fetched.bytes.length === 0)
    throw new Error("nothing fetched");
}
