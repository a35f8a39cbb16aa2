// A damaged folder: the verifier names the damage, the broker neither crashes nor lies.
//
// Source: docs/format.md; correctness.md A 19.

import { test } from "node:test";
import fc from "fast-check";
import { check } from "./check.ts";
import type { Violation } from "./checker/index.ts";
import type { Coverage } from "./coverage.ts";
import { type Damage, damage, damageKinds, damagePlans } from "./damage.ts";
import { type Expectation, expectation, partitionOf } from "./damage-oracle.ts";
import {
  clockOf,
  type Folder,
  fill,
  folderPlans,
  type Image,
  imageOf,
  type Opened,
  openOn,
  readPartition,
  settled,
  toyCodec,
  writeFolder,
} from "./folder.ts";
import { draw } from "./random.ts";
import {
  type Finding,
  type FindingKind,
  findingKinds,
  kernel,
  MoldauError,
  memoryStorage,
  predictStart,
  type StartPrediction,
  type StorageOperation,
  verifyDataFolder,
} from "./subject.ts";
import { VirtualTime } from "./world.ts";

const source = "docs/format.md";
const rareKinds: readonly FindingKind[] = [
  "meta-properties",
  "unread",
  "log-start",
  "snapshot-stale",
  "torn",
  "orphan",
];
/** Kinds of findings that these runs hardly meet; verify-data-folder.test.ts makes them. */
const madeElsewhere: readonly FindingKind[] = [
  "unreadable",
  "deleted-folder",
  "checkpoint-range",
  "checkpoint-unknown",
  "not-a-file",
];
const floors: Readonly<Record<string, number>> = {
  ...Object.fromEntries(damageKinds.map((kind) => [`damage: ${kind}`, kind === "swap logs" ? 4 : 8])),
  ...Object.fromEntries(
    (Object.keys(findingKinds) as FindingKind[])
      .filter((kind) => !madeElsewhere.includes(kind))
      .map((kind) => [`finding: ${kind}`, rareKinds.includes(kind) ? 1 : 5]),
  ),
  "damage that must be found": 350,
  "offset indexes made anew": 8,
  "promise: epoch-checkpoint": 15,
  "promise: index-missing": 5,
  "promise: index-sparse": 5,
  "promise: snapshot": 5,
  "promise: temporary-file": 5,
  "partition offline": 80,
  "reading ended with CORRUPT_MESSAGE": 40,
  "records served": 20_000,
  "start cut bytes": 20,
  "start rebuilt an index": 40,
  "start refused": 25,
};
const plans = fc.record({ folder: folderPlans, damages: fc.array(damagePlans, { minLength: 1, maxLength: 12 }) });

test("whatever happens to the files, verify names it and the broker serves nothing else than what was written", async () => {
  await check(
    { name: "damage", runs: 120, floors, limitMs: 60_000 },
    plans,
    async ({ folder: folderPlan, damages }, coverage) => {
      const folder = await writeFolder(folderPlan);
      const violations = await checkDamaged(folder, { image: folder.image, files: [], position: 0 }, null, coverage);
      for (const plan of damages) {
        const damaged = damage(folder.image, plan);
        if (damaged === null) continue;
        coverage.add(`damage: ${plan.kind}`);
        const found = await checkDamaged(folder, damaged, expectation(folder, plan.kind, damaged), coverage);
        violations.push(
          ...found.map((one) => ({
            ...one,
            message: `${plan.kind} of ${damaged.files.join(" and ")} at ${damaged.position}: ${one.message}`,
          })),
        );
        if (violations.length > 0) break;
      }
      return violations;
    },
  );
});

async function checkDamaged(
  folder: Folder,
  damaged: Damage,
  expected: Expectation | null,
  coverage: Coverage,
): Promise<Violation[]> {
  const violations: Violation[] = [];
  const fault = (invariant: string, message: string): void =>
    void violations.push({ invariant, source, message, events: [] });
  const findings = await verified(damaged.image, fault);
  for (const { kind } of findings) coverage.add(`finding: ${kind}`);
  checkFindings(findings, damaged, expected, fault, coverage);
  await checkStart(folder, damaged, findings, fault, coverage);
  return violations.map((one) => ({
    ...one,
    message: `${one.message}\n    findings: ${findings.map(show).join("\n              ")}`,
  }));
}

type Fault = (invariant: string, message: string) => void;

/** Runs the verifier with its reads counted. */
async function verified(image: Image, fault: Fault): Promise<Finding[]> {
  const total = [...image.values()].reduce((sum, bytes) => sum + bytes.length, 0);
  let reads = 0;
  let readBytes = 0;
  const storage = memoryStorage({
    onOperation: ({ kind, sizeBytes = 0 }: StorageOperation) => {
      if (kind !== "read") return;
      reads++;
      readBytes += sizeBytes;
    },
  });
  await fill(storage, image);
  reads = readBytes = 0;
  const findings: Finding[] = [];
  for await (const finding of verifyDataFolder({ storage, kernel, decompressor: toyCodec })) findings.push(finding);
  if (readBytes > 2 * total + 65_536) fault("verify reads each byte about once", `${readBytes} bytes of ${total}`);
  if (reads > 4 * image.size + 8) fault("verify reads in large pieces", `${reads} reads of ${image.size} files`);
  checkNumber(findings, total, fault);
  return findings;
}

/** An index has at most so many findings of a kind, whatever its bytes are; there are five kinds that an entry can have. */
const mostOfOneIndex = 5 * 100;

function checkNumber(findings: readonly Finding[], total: number, fault: Fault): void {
  const ofIndexes = new Map<string, number>();
  for (const { file } of findings) if (file.endsWith("index")) ofIndexes.set(file, (ofIndexes.get(file) ?? 0) + 1);
  for (const [file, number] of ofIndexes) {
    if (number > mostOfOneIndex) fault("findings of an index are bounded", `${number} findings of ${file}`);
  }
  if (findings.length > 64 + total / 8) fault("findings are bounded by the bytes", `${findings.length} findings`);
}

function checkFindings(
  findings: readonly Finding[],
  damaged: Damage,
  expected: Expectation | null,
  fault: Fault,
  coverage: Coverage,
): void {
  if (expected === null) {
    // Segments that wait to be deleted are noted, and a folder too young for its checkpoint; nothing else.
    const noted: readonly FindingKind[] = ["log-start", "checkpoint-missing"];
    const wrong = findings.filter(({ kind, severity }) => !noted.includes(kind) || severity !== "note");
    if (wrong.length > 0) fault("an undamaged folder has no findings", wrong.map(show).join("; "));
    return;
  }
  const [path = ""] = damaged.files;
  const right = findings.filter(
    ({ file, position = -1, kind, severity }) =>
      expected.files(file) &&
      (expected.kinds?.includes(kind) ?? true) &&
      (!expected.isExact ||
        (file === path && severity !== "note" && position >= expected.earliest && position <= expected.latest)),
  );
  if (expected.mustFind && right.length === 0)
    fault("every damage that can be known is found, in its file and at its place", "nothing was found there");
  coverage.add(expected.mustFind ? "damage that must be found" : "damage that nobody can know of");
  const early = findings.find(
    ({ file, position, severity }) =>
      file === path && severity !== "note" && position !== undefined && position < expected.earliest,
  );
  if (early !== undefined) fault("no finding lies before the damage", show(early));
  const hit = ["", ...damaged.files.map(partitionOf)];
  if (hit.includes("metadata") || partitionOf(path) === "") return;
  const elsewhere = findings.find(({ file, severity }) => severity !== "note" && !hit.includes(partitionOf(file)));
  if (elsewhere !== undefined) fault("what is whole is not blamed", show(elsewhere));
}

const seed = 7;

async function checkStart(
  folder: Folder,
  damaged: Damage,
  findings: readonly Finding[],
  fault: Fault,
  coverage: Coverage,
): Promise<void> {
  const { image } = damaged;
  const predicted = await predictedStart(folder, image);
  const storage = memoryStorage();
  await fill(storage, image);
  const time = new VirtualTime(seed);
  time.nowMs = folder.nowMs;
  let opened: Opened;
  try {
    opened = await openOn(storage, seed, time);
  } catch (error) {
    if (!(error instanceof MoldauError) || error.code !== "DATA_FOLDER_UNUSABLE") throw error;
    coverage.add("start refused");
    if (predicted.outcome !== "refused" || predicted.reason !== error.message)
      fault("verify says what the start does", `it was refused (${error.message}), but ${JSON.stringify(predicted)}`);
    return;
  }
  const { broker } = opened;
  const { cleanShutdown, truncatedBytes, rebuiltIndexes, notes } = broker.report;
  const offline: { topic: string; partition: number; reason: string }[] = [];
  for (const { name, partitions } of broker.listTopics()) {
    for (let partition = 0; partition < partitions; partition++) {
      const described = broker.describeTopic(name).partitions[partition];
      if (described?.state === "offline") {
        coverage.add("partition offline");
        offline.push({ topic: name, partition, reason: described.reason ?? "" });
      } else await checkServed(folder, opened, name, partition, fault, coverage);
    }
  }
  const did: StartPrediction = { outcome: "opens", cleanShutdown, truncatedBytes, rebuiltIndexes, offline, notes };
  if (truncatedBytes > 0) coverage.add("start cut bytes");
  if (rebuiltIndexes > 0) coverage.add("start rebuilt an index");
  if (JSON.stringify(did) !== JSON.stringify(predicted))
    fault("verify says what the start does", `it did ${JSON.stringify(did)}, but ${JSON.stringify(predicted)}`);
  const refused = findings.find(({ message }) => message.includes("the broker refuses to start"));
  if (refused !== undefined) fault("what verify says of the next start comes true", `it opened: ${show(refused)}`);
  await settled(time, broker.close());
  const after = await imageOf(storage.restart({}));
  const isOffline = ({ file }: Finding): boolean =>
    offline.some(({ topic, partition }) => partitionOf(file) === `${topic}-${partition}`);
  const promises = findings.filter((one) => one.message.includes("the next start") && !isOffline(one));
  await checkPromises(folder, damaged, after, promises, fault, coverage);
}

/** What verify says that the next start does is done when the broker has stopped again. */
async function checkPromises(
  folder: Folder,
  damaged: Damage,
  after: Image,
  promises: readonly Finding[],
  fault: Fault,
  coverage: Coverage,
): Promise<void> {
  if (promises.length === 0) return;
  const left = await verified(after, fault);
  for (const promise of promises) {
    coverage.add(`promise: ${promise.kind}`);
    const same = left.find(({ kind, file }) => kind === promise.kind && file === promise.file);
    if (same !== undefined)
      fault("what verify says of the next start comes true", `${show(promise)}; after it ${show(same)}`);
    if (!promise.message.includes("makes it anew") || !promise.file.endsWith(".index")) continue;
    const [made, was] = [after.get(promise.file), folder.image.get(promise.file)];
    if (damaged.files.every((file) => file.endsWith("index")) && String(made) !== String(was))
      fault(
        "an index made anew is the one that was lost",
        `${promise.file} has ${made?.length} of ${was?.length} bytes`,
      );
    coverage.add("offset indexes made anew");
  }
}

async function predictedStart(folder: Folder, image: Image): Promise<StartPrediction> {
  const storage = memoryStorage();
  await fill(storage, image);
  const time = new VirtualTime(seed);
  time.nowMs = folder.nowMs;
  const random = draw(seed, "entropy");
  const entropy = { fill: (bytes: Uint8Array): void => random.fill(bytes) };
  return settled(time, predictStart({ storage, kernel, clock: clockOf(time), entropy }));
}

async function checkServed(
  folder: Folder,
  opened: Opened,
  topic: string,
  partition: number,
  fault: Fault,
  coverage: Coverage,
): Promise<void> {
  const name = `${topic}-${partition}`;
  const written = folder.records.get(name);
  let expectedNext = opened.broker.offsets(topic, partition).earliest;
  const { records, error } = await readPartition(opened, topic, partition);
  if (error !== null) {
    if (!(error instanceof MoldauError)) throw error;
    coverage.add(`reading ended with ${error.code}`);
  }
  for (const [offset, { value, timestamp }] of records) {
    const was = written?.get(offset);
    if (was?.value !== value || was.timestamp !== timestamp) {
      fault(
        "what is served is what was written",
        `${name} offset ${offset} is ${JSON.stringify(value)} at ${timestamp}, was ${JSON.stringify(was)}`,
      );
      return;
    }
    if (offset !== expectedNext) {
      fault("nothing is left out without an error", `${name}: ${offset} came, ${expectedNext} was next`);
      return;
    }
    expectedNext = offset + 1;
  }
  coverage.add("records served", records.size);
}

function show({ severity, kind, file, position, offset, message }: Finding): string {
  return `${severity} ${kind} ${file} byte ${position ?? "-"} offset ${offset ?? "-"}: ${message}`;
}
