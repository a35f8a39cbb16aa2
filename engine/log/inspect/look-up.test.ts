import assert from "node:assert/strict";
import test from "node:test";
import { segmentFileName } from "../segment-names.ts";
import { type LookedUp, listSegments, lookUpOffset, lookUpTimestamp } from "./look-up.ts";
import { indexIntervalBytes, overwrite, startMs, write } from "./written.test.support.ts";

const folder = "t-0";
const batches = [30, 40, 1, 25];
const { storage, bases } = await write(folder, batches);
const records = batches.reduce((sum, count) => sum + count, 0) * 2;

function baseOf(offset: number): number {
  return bases.filter((base) => base <= offset).at(-1) as number;
}

test("segments are listed by base offset", async () => {
  assert.deepEqual(await listSegments(storage, folder), bases);
});

test("every offset leads to its batch, by an entry at most an interval before it", async () => {
  let byEntry = 0;
  for (let offset = 0; offset < records; offset += 1) {
    const found = (await lookUpOffset(storage, folder, offset)) as LookedUp;
    assert.equal(found.file, `${folder}/${segmentFileName(baseOf(offset), "log")}`);
    assert.deepEqual([found.batch.baseOffset, found.batch.lastOffset], [offset - (offset % 2), offset | 1]);
    assert.equal(found.isEntryRight, true);
    assert.equal(found.from, found.entry?.value ?? 0);
    assert.ok(found.batch.position - found.from <= 3 * indexIntervalBytes, `${offset}: from ${found.from}`);
    assert.equal(found.walkedBatches, 1 + (found.batch.baseOffset - firstOf(found)) / 2);
    if (found.entry !== null) byEntry += 1;
  }
  assert.ok(byEntry > records / 2, `${byEntry} look-ups by an entry`);
  assert.equal(await lookUpOffset(storage, folder, records), null);
});

/** The base offset of the batch that the walk begins with: the entry's key is the last of two. */
function firstOf({ entry, file }: LookedUp): number {
  const base = Number(file.slice(-24, -4));
  return entry === null ? base : base + entry.key - 1;
}

test("every time leads to the first batch that holds a record of it or of a later one", async () => {
  let byEntry = 0;
  for (let at = 0; at < records / 2; at += 1) {
    for (const [timestamp, batch] of [
      [startMs + at * 10, at],
      [startMs + at * 10 + 1, at],
      [startMs + at * 10 + 2, at + 1],
    ] as const) {
      const found = await lookUpTimestamp(storage, folder, timestamp);
      if (batch === records / 2) assert.equal(found, null);
      else assert.deepEqual([found?.batch.baseOffset, found?.isEntryRight], [batch * 2, true], `${timestamp}`);
      if (found !== null && found.entry !== null) byEntry += 1;
    }
  }
  assert.ok(byEntry > records / 2, `${byEntry} look-ups by an entry`);
});

test("an entry that leads elsewhere is said, and the walk begins at the first byte", async () => {
  for (const [kind, size] of [
    ["index", 8],
    ["timeindex", 12],
  ] as const) {
    const written = await write(folder, [30]);
    const path = `${folder}/${segmentFileName(0, kind)}`;
    // The last byte of every value: a position, or an offset, of another batch in either case.
    await overwrite(written.storage, path, (bytes) =>
      bytes.map((byte, at) => (at % size === size - 1 ? byte ^ 8 : byte)),
    );
    const found =
      kind === "index"
        ? await lookUpOffset(written.storage, folder, 59)
        : await lookUpTimestamp(written.storage, folder, startMs + 290);
    assert.deepEqual([found?.batch.baseOffset, found?.from, found?.walkedBatches], [58, 0, 30], kind);
    assert.equal(found?.isEntryRight, false);
    assert.ok(found?.entry !== null);
  }
});

test("an entry that leads to a batch of another offset is said too", async () => {
  const written = await write(folder, [30]);
  const path = `${folder}/${segmentFileName(0, "index")}`;
  await overwrite(written.storage, path, (bytes) => bytes.map((byte, at) => (at % 8 === 3 ? byte + 2 : byte)));
  const found = await lookUpOffset(written.storage, folder, 59);
  assert.deepEqual([found?.batch.baseOffset, found?.from, found?.isEntryRight], [58, 0, false]);
  assert.ok(found?.entry !== null);
});

test("without an index, or with an empty one, the walk begins at the first byte", async () => {
  for (const manner of ["removed", "emptied"]) {
    const written = await write(folder, [30]);
    for (const kind of ["index", "timeindex"] as const) {
      const path = `${folder}/${segmentFileName(0, kind)}`;
      if (manner === "removed") await written.storage.remove(path);
      else await overwrite(written.storage, path, () => new Uint8Array(0));
    }
    for (const found of [
      await lookUpOffset(written.storage, folder, 40),
      await lookUpTimestamp(written.storage, folder, startMs + 200),
    ]) {
      assert.deepEqual([found?.entry, found?.from, found?.walkedBatches], [null, 0, 21]);
      assert.equal(found?.batch.baseOffset, 40);
    }
  }
});
