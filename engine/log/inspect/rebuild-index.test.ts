import assert from "node:assert/strict";
import test from "node:test";
import { headerSizeBytes } from "../record-batch.ts";
import { segmentFileName } from "../segment-names.ts";
import { rebuildIndex } from "./rebuild-index.ts";
import { bytesOf, encoded, indexIntervalBytes, kernel, overwrite, startMs, write } from "./written.test.support.ts";

const folder = "t-0";
const path = (kind: "log" | "index" | "timeindex"): string => `${folder}/${segmentFileName(0, kind)}`;
const options = { kernel, folder, baseOffset: 0, indexIntervalBytes };

test("an index has an entry for the first batch that lies more than an interval behind the last entry", async () => {
  const { storage } = await write(folder, [30]);
  const view = new DataView((await bytesOf(storage, path("index"))).buffer);
  const batchBytes = encoded({ records: 2, timestamp: startMs }, 0).length;
  const everyBatches = Math.floor(indexIntervalBytes / batchBytes) + 1;
  const entries = Array.from({ length: view.byteLength / 8 }, (_, at) => [
    view.getInt32(at * 8),
    view.getInt32(at * 8 + 4),
  ]);
  const log = await bytesOf(storage, path("log"));
  assert.ok(entries.length >= 5);
  for (const [at, [lastOffset = 0, position = 0]] of entries.entries()) {
    assert.equal(lastOffset, (at + 1) * everyBatches * 2 + 1);
    assert.equal(new DataView(log.buffer).getInt32(position + 4), lastOffset - 1);
  }
  // The last entry of the time index is the segment's maximum.
  const times = new DataView((await bytesOf(storage, path("timeindex"))).buffer);
  assert.equal(Number(times.getBigInt64(times.byteLength - 12)), startMs + 29 * 10 + 1);
  assert.equal(times.getInt32(times.byteLength - 4), 59);
});

test("what is made anew is the same, whatever was there before, and nothing is left beside it", async () => {
  for (const before of [null, new Uint8Array(0), new Uint8Array(100_000).fill(7)]) {
    const { storage } = await write(folder, [30]);
    const names = (await storage.list(folder)).map(({ name }) => name).sort();
    const files = await Promise.all(names.map((name) => bytesOf(storage, `${folder}/${name}`)));
    for (const kind of ["index", "timeindex"] as const) {
      if (before === null) await storage.remove(path(kind));
      else await overwrite(storage, path(kind), () => before);
    }
    assert.equal(await rebuildIndex({ storage, ...options }), null);
    assert.deepEqual((await storage.list(folder)).map(({ name }) => name).sort(), names);
    assert.deepEqual(await Promise.all(names.map((name) => bytesOf(storage, `${folder}/${name}`))), files);
  }
});

test("a log that does not end on a batch is refused with where, and its indexes stay", async () => {
  for (const cut of [1, 60, headerSizeBytes + 20]) {
    const { storage } = await write(folder, [30]);
    const batchBytes = encoded({ records: 2, timestamp: startMs }, 0).length;
    const indexes = [await bytesOf(storage, path("index")), await bytesOf(storage, path("timeindex"))];
    let size = 0;
    await overwrite(storage, path("log"), (bytes) => {
      size = bytes.length - cut;
      return bytes.slice(0, size);
    });
    const refusal = await rebuildIndex({ storage, ...options });
    assert.match(refusal ?? "", new RegExp(`^no whole batch begins at byte \\d+ of ${size} of its .log$`));
    const at = Number(/byte (\d+)/.exec(refusal ?? "")?.[1]);
    assert.ok(at < size && size - at < batchBytes + 4, `${at} of ${size}`);
    assert.deepEqual([await bytesOf(storage, path("index")), await bytesOf(storage, path("timeindex"))], indexes);
  }
});
