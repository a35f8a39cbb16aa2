import assert from "node:assert/strict";
import test from "node:test";
import type { Storage } from "../../port/storage.ts";
import { segmentFileName } from "../segment-names.ts";
import type { Finding } from "./finding.ts";
import { type PartitionSeen, type PartitionToVerify, verifyPartition } from "./verify-partition.ts";
import { verifyContext } from "./verify-segment.ts";
import { indexIntervalBytes, kernel, write } from "./written.test.support.ts";

const folder = "t-0";
const batches = [10, 20, 10];

async function verify(
  storage: Storage,
  recorded: PartitionToVerify["recorded"],
  only?: (base: number) => boolean,
): Promise<{ readonly findings: Finding[]; readonly seen: PartitionSeen }> {
  const findings: Finding[] = [];
  const partition = { folder, recorded, indexIntervalBytes, ...(only === undefined ? {} : { only }) };
  const walk = verifyPartition(verifyContext({ storage, kernel }), partition);
  for (;;) {
    const { done, value } = await walk.next();
    if (done === true) return { findings, seen: value };
    // There is no checkpoint of epochs beside these logs.
    if (value.kind !== "epoch-checkpoint") findings.push(value);
  }
}

async function remove(storage: Storage, base: number): Promise<void> {
  for (const kind of ["log", "index", "timeindex"] as const) {
    await storage.remove(`${folder}/${segmentFileName(base, kind)}`);
  }
}

const short = ({ severity, kind, file, offset }: Finding): unknown[] => [severity, kind, file, offset];

test("segments one behind the other have no findings, whatever is known of them", async () => {
  const { storage } = await write(folder, batches);
  for (const recorded of [
    null,
    { recoveryPoint: 80, logStartOffset: 0, clean: true },
    { recoveryPoint: 30, logStartOffset: 0, clean: false },
  ]) {
    const { findings, seen } = await verify(storage, recorded);
    assert.deepEqual(findings, []);
    assert.deepEqual(seen, { segments: 3, logEndOffset: 80, isEndKnown: true });
  }
});

test("of a time index that lacks its end it is said what that costs, and who mends it", async () => {
  for (const [left, expected] of [
    [12, /^it ends with time \d+, but the segment's latest is .*may pass over it until log index --rebuild/],
    [0, /^it has no entry, but .*; the next start makes it anew from the log$/],
  ] as const) {
    const { storage } = await write(folder, batches);
    const file = await storage.open(`${folder}/${segmentFileName(0, "timeindex")}`);
    assert.ok(file.sizeBytes > 12);
    await file.truncate(left);
    const { findings } = await verify(storage, { recoveryPoint: 80, logStartOffset: 0, clean: true });
    assert.deepEqual(
      findings.map(({ severity, kind }) => [severity, kind]),
      [["warning", "timeindex-short"]],
    );
    assert.match(findings[0]?.message ?? "", expected);
  }
});

test("a segment that is lost is an error, unless a crash may have taken it", async () => {
  for (const [recoveryPoint, clean, severity] of [
    [80, true, "error"],
    [0, true, "error"],
    [80, false, "error"],
    [21, false, "error"],
    [20, false, "warning"],
    [0, false, "warning"],
    [null, false, "error"],
  ] as const) {
    const { storage, bases } = await write(folder, batches);
    await remove(storage, bases[1] as number);
    const recorded = recoveryPoint === null ? null : { recoveryPoint, logStartOffset: 0, clean };
    const { findings } = await verify(storage, recorded);
    const first = `${folder}/${segmentFileName(0, "log")}`;
    assert.deepEqual(findings.map(short), [[severity, "segment-gap", first, 20]], `${recoveryPoint} ${clean}`);
  }
});

test("a segment that begins below the end of the one before it is an error", async () => {
  const { storage } = await write(folder, batches);
  const from = `${folder}/${segmentFileName(60, "log")}`;
  const to = `${folder}/${segmentFileName(50, "log")}`;
  await storage.rename(from, to);
  const { findings } = await verify(storage, { recoveryPoint: 80, logStartOffset: 0, clean: true });
  assert.ok(findings.some((one) => String(short(one)) === String(["error", "segment-overlap", to, 50])));
});

test("a log that ends below its recovery point is short, by so much", async () => {
  const { storage, bases } = await write(folder, batches);
  await remove(storage, bases[2] as number);
  const { findings } = await verify(storage, { recoveryPoint: 80, logStartOffset: 0, clean: false });
  const path = `${folder}/${segmentFileName(20, "log")}`;
  assert.deepEqual(findings.map(short), [["error", "log-short", path, 60]]);
});

test("some segments alone: what lies between them and the others is not judged", async () => {
  const { storage, bases } = await write(folder, batches);
  await remove(storage, bases[1] as number);
  const recorded = { recoveryPoint: 80, logStartOffset: 0, clean: true };
  assert.deepEqual((await verify(storage, recorded, (base) => base === 60)).findings, []);
});
