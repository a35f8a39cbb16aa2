import assert from "node:assert/strict";
import test from "node:test";
import { memoryStorage } from "../storage/memory.ts";
import { CheckpointFile, readCheckpoint } from "./checkpoints.ts";

test("a checkpoint is written whenever it changed, also after a call that found nothing to write", async () => {
  const storage = memoryStorage();
  let offset = 0;
  const told: number[] = [];
  const file = new CheckpointFile(
    storage,
    "points",
    () => new Map([["t 0", offset]]),
    (entries) => {
      told.push(entries.get("t 0") as number);
    },
  );
  await file.write();
  await file.write();
  await file.write();
  offset = 7;
  await file.write();
  assert.deepEqual(await readCheckpoint(storage, "points"), new Map([["t 0", 7]]));
  assert.deepEqual(told, [0, 7]);
});

test("those who ask while a write runs share the next one, which says what is true then", async () => {
  const storage = memoryStorage();
  let offset = 0;
  let writes = 0;
  const file = new CheckpointFile(
    storage,
    "points",
    () => new Map([["t 0", offset]]),
    () => {
      writes += 1;
    },
  );
  const first = file.write();
  offset = 1;
  const later = [file.write(), file.write(), file.write()];
  offset = 2;
  await Promise.all([first, ...later]);
  assert.deepEqual(await readCheckpoint(storage, "points"), new Map([["t 0", 2]]));
  assert.equal(writes, 2);
});
