import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import {
  type Broker,
  createTwinKernel,
  decodeRecords,
  headerSizeBytes,
  type MemoryStorage,
  memoryStorage,
  openBroker,
  type Storage,
} from "../../engine/index.ts";
import { repositoryRoot } from "./repository.ts";

const nowMs = 1_767_000_000_000; // 2025-12-29T09:20:00Z, as docs/format.md says
const kernel = createTwinKernel();
const document = readFileSync(join(repositoryRoot(), "docs/format.md"), "utf8");

/** The blocks of the page that show what the engine writes, by kind and path. */
function blocksOf(kind: "bytes" | "records" | "compacted"): Map<string, string> {
  const pattern = new RegExp(`<!-- ${kind}: (\\S+) -->\\n\`\`\`\\n([\\s\\S]*?)\`\`\``, "g");
  return new Map([...document.matchAll(pattern)].map(([, path, text]) => [path as string, (text as string).trimEnd()]));
}

/** A broker whose time stands still and whose chance counts up, so that its bytes are the same every time. */
function open(storage: Storage): Promise<Broker> {
  let next = 0;
  return openBroker({
    storage,
    kernel,
    clock: {
      now: () => nowMs,
      monotonic: () => performance.now(),
      schedule(delayMs, run) {
        const timer = setTimeout(run, delayMs);
        return () => clearTimeout(timer);
      },
    },
    entropy: {
      fill(bytes) {
        for (let at = 0; at < bytes.length; at++) bytes[at] = next++;
      },
    },
    logger: { log: () => {} },
  });
}

/** What the page's examples show: two records of an idempotent producer, then a stop in order. */
async function writeExample(): Promise<MemoryStorage> {
  const storage = memoryStorage();
  const broker = await open(storage);
  await broker.createTopic("events", { configs: { "retention.ms": 86_400_000 } });
  const { producerId, producerEpoch } = await broker.allocateProducer();
  await broker.produce(
    "events",
    [
      { key: "user-7", value: "signed in", headers: [["trace", "x"]] },
      { key: "user-7", value: null, timestamp: nowMs + 64 },
    ],
    { partition: 0, producer: { producerId, producerEpoch, sequence: 0 } },
  );
  await broker.close();
  return storage.restart();
}

/** What the page shows of compaction: a value and its tombstone in a segment that has ended, and a pass over it. */
async function writeCompacted(): Promise<MemoryStorage> {
  const storage = memoryStorage();
  const broker = await open(storage);
  const configs = { "cleanup.policy": "compact", "segment.bytes": 170, "min.cleanable.dirty.ratio": 0 };
  await broker.createTopic("users", { configs });
  for (const value of ["signed in", null, "signed in again"]) await broker.produce("users", [{ key: "user-7", value }]);
  strictEqual((await broker.runCompaction()).recordsRemoved, 1);
  await broker.close();
  return storage.restart();
}

async function read(storage: Storage, path: string): Promise<Uint8Array> {
  const file = await storage.open(path);
  try {
    const bytes = new Uint8Array(file.sizeBytes);
    strictEqual(await file.read(bytes, 0), bytes.length);
    return bytes;
  } finally {
    await file.close();
  }
}

/** As `hexdump -C` has it, or as it is when it is text. */
function show(bytes: Uint8Array): string {
  if (bytes.every((byte) => byte === 10 || (byte >= 32 && byte < 127)))
    return new TextDecoder().decode(bytes).trimEnd();
  const lines: string[] = [];
  for (let at = 0; at < bytes.length; at += 16) {
    const row = [...bytes.subarray(at, at + 16)];
    const hex = row.map((byte, index) => byte.toString(16).padStart(2, "0") + (index === 7 ? " " : "")).join(" ");
    const text = row.map((byte) => (byte >= 32 && byte < 127 ? String.fromCharCode(byte) : ".")).join("");
    lines.push(`${at.toString(16).padStart(4, "0")}  ${hex.padEnd(48)} |${text}|`);
  }
  return lines.join("\n");
}

function showRecords(bytes: Uint8Array): string {
  const values = decodeRecords(bytes, { kernel, decompressor: undefined, fromOffset: 0, limit: 1000 }).map(
    ({ value }) => value ?? new Uint8Array(),
  );
  return values.map((value) => new TextDecoder().decode(value)).join("\n");
}

test("the examples of docs/format.md are what the engine writes", async () => {
  const storage = await writeExample();
  const shown = blocksOf("bytes");
  ok(shown.size >= 7, "the page shows fewer files than it should");
  for (const [path, text] of shown) strictEqual(text, show(await read(storage, path)), path);
  const compacted = blocksOf("compacted");
  strictEqual(compacted.size, 3);
  const pass = await writeCompacted();
  for (const [path, text] of compacted) strictEqual(text, show(await read(pass, path)), path);
  const journals = blocksOf("records");
  strictEqual(journals.size, 1);
  for (const [path, text] of journals) strictEqual(text, showRecords(await read(storage, path)), path);
});

test("docs/format.md draws every file that the engine writes, and no other", async () => {
  const storage = await writeExample();
  const tree = document.slice(
    document.indexOf("moldau-data/"),
    document.indexOf("```", document.indexOf("moldau-data/")),
  );
  const drawn = [...tree.matchAll(/── (\S+)/g)].map(([, name]) => name as string);
  const written: string[] = [];
  for (const { name, kind } of await storage.list("")) {
    written.push(kind === "directory" ? `${name}/` : name);
    if (kind === "directory") written.push(...(await storage.list(name)).map((entry) => entry.name));
  }
  const missing = written.filter(
    (name) => !drawn.includes(name.replace(/^\d{20}\.snapshot$/, "00000000000000093847.snapshot")),
  );
  deepStrictEqual(missing, []);
  // Those that a small example does not leave: a second segment, a lock, what a failure, a deletion or compaction leaves.
  const rare = /93847|lock|fence|-delete|cleaner-offset|compaction-/;
  const neverWritten = drawn.filter((name) => !written.includes(name) && !rare.test(name));
  deepStrictEqual(neverWritten, []);
});

test("the batch that docs/format.md draws has its fields where it says", async () => {
  const bytes = await read(await writeExample(), "events-0/00000000000000000000.log");
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  strictEqual(headerSizeBytes, 61);
  deepStrictEqual(
    {
      baseOffset: view.getBigInt64(0),
      batchLength: view.getInt32(8),
      magic: view.getInt8(16),
      checksum: view.getUint32(17),
      lastOffsetDelta: view.getInt32(23),
      baseTimestamp: view.getBigInt64(27),
      maxTimestamp: view.getBigInt64(35),
      producer: [view.getBigInt64(43), view.getInt16(51), view.getInt32(53)],
      records: view.getInt32(57),
    },
    {
      baseOffset: 0n,
      batchLength: bytes.length - 12,
      magic: 2,
      checksum: kernel.crc32c(bytes.subarray(21)),
      lastOffsetDelta: 1,
      baseTimestamp: BigInt(nowMs),
      maxTimestamp: BigInt(nowMs + 64),
      producer: [0n, 0, 0],
      records: 2,
    },
  );
});
