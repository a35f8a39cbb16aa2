import assert from "node:assert/strict";
import test from "node:test";
import type { Finding } from "../../log/inspect/finding.ts";
import { type Storage, StorageError } from "../../port/storage.ts";
import { type MemoryStorage, memoryStorage } from "../../storage/memory.ts";
import { openBroker } from "../open.ts";
import { testWorld } from "../world.test.support.ts";
import { predictStart, type StartPrediction } from "./predict-start.ts";
import { verifyDataFolder } from "./verify-data-folder.ts";

async function filled(close: boolean): Promise<MemoryStorage> {
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t", { configs: { "segment.bytes": 2000, "index.interval.bytes": 100 } });
  for (let at = 0; at < 100; at += 1) {
    await broker.produce("t", [{ value: `v${at}`, timestamp: 1000 + at }, { value: "second" }]);
  }
  if (close) await broker.close();
  return storage.restart();
}

async function verify(storage: Storage): Promise<Finding[]> {
  const findings: Finding[] = [];
  for await (const finding of verifyDataFolder({ storage, kernel: testWorld(storage).kernel })) findings.push(finding);
  return findings;
}

function predict(storage: Storage): Promise<StartPrediction> {
  return predictStart(testWorld(storage));
}

async function change(storage: Storage, path: string, edit: (bytes: Uint8Array) => Uint8Array): Promise<void> {
  const file = await storage.open(path);
  const bytes = new Uint8Array(file.sizeBytes);
  await file.read(bytes, 0);
  await file.truncate(0);
  file.append(edit(bytes));
  await file.close();
}

const first = "t-0/00000000000000000000";

test("a folder that nobody damaged has no findings, and the next start does nothing to it", async () => {
  for (const close of [true, false]) {
    const storage = await filled(close);
    assert.deepEqual(await verify(storage), []);
    const start = await predict(storage);
    assert.equal(start.outcome, "opens");
    assert.equal(start.cleanShutdown, close);
    assert.deepEqual([start.truncatedBytes, start.rebuiltIndexes, start.offline, start.notes], [0, 0, [], []]);
  }
});

test("the trial start changes nothing", async () => {
  const storage = await filled(false);
  const before = await listing(storage, "");
  await predict(storage);
  assert.deepEqual(await listing(storage, ""), before);
});

async function listing(storage: Storage, folder: string): Promise<string[]> {
  const lines: string[] = [];
  for (const { name, kind } of await storage.list(folder)) {
    const path = folder === "" ? name : `${folder}/${name}`;
    if (kind === "directory") lines.push(...(await listing(storage, path)));
    else {
      const file = await storage.open(path);
      const bytes = new Uint8Array(file.sizeBytes);
      await file.read(bytes, 0);
      lines.push(`${path} ${bytes.join()}`);
    }
  }
  return lines.sort();
}

test("a flipped bit is one finding: the batch's, by its first byte", async () => {
  const storage = await filled(true);
  await change(storage, `${first}.log`, (bytes) => bytes.map((byte, at) => (at === 140 ? byte ^ 1 : byte)));
  const [finding, ...others] = await verify(storage);
  assert.deepEqual(others, []);
  assert.equal(finding?.severity, "error");
  assert.equal(finding?.kind, "checksum");
  assert.equal(finding?.file, `${first}.log`);
  assert.equal(finding?.position, 88);
  assert.equal(finding?.offset, 2);
});

test("a torn tail that a crash explains is a warning, and the trial start cuts what is torn", async () => {
  const storage = await filled(false);
  const logs = (await storage.list("t-0")).map(({ name }) => name).filter((name) => name.endsWith(".log"));
  const last = `t-0/${logs.sort().at(-1)}`;
  let left = 0;
  await change(storage, last, (bytes) => {
    left = bytes.length - 5;
    return bytes.slice(0, left);
  });
  const findings = await verify(storage);
  assert.deepEqual(
    findings.map(({ severity, kind, file }) => [severity, kind, file]),
    [["warning", "torn", last]],
  );
  assert.equal((await predict(storage)).truncatedBytes, left - (findings[0]?.position ?? 0));
});

test("what the system cannot read is a finding, and the other partitions are verified", async () => {
  const storage = memoryStorage();
  const broker = await openBroker(testWorld(storage));
  await broker.createTopic("t", { partitions: 2 });
  await broker.produce("t", [
    { value: "one", partition: 0 },
    { value: "other", partition: 1 },
  ]);
  await broker.close();
  const broken = storage.restart({
    onOperation: ({ kind, paths }) => {
      if (kind === "read" && paths[0] === "t-0/00000000000000000000.log") throw new StorageError("io", "EIO");
    },
  });
  const findings = await verify(broken);
  assert.deepEqual(
    findings.map(({ severity, kind, file }) => [severity, kind, file]),
    [["error", "unreadable", "t-0"]],
  );
});

test("checkpoints beyond the log, or of partitions that are not there, and what deletion left", async () => {
  const storage = await filled(true);
  const text = (content: string) => () => new TextEncoder().encode(content);
  await change(storage, "recovery-point-offset-checkpoint", text("0\n2\nt 0 900\ngone 3 7\n"));
  await storage.makeDirectory("t-1.0123456789abcdef-delete");
  assert.deepEqual(
    (await verify(storage)).map(({ severity, kind, file }) => [severity, kind, file]),
    [
      ["note", "deleted-folder", "t-1.0123456789abcdef-delete"],
      ["note", "checkpoint-unknown", "recovery-point-offset-checkpoint"],
      ["error", "checkpoint-range", "recovery-point-offset-checkpoint"],
    ],
  );
});

test("one partition of a topic is verified alone", async () => {
  const storage = await filled(true);
  await change(storage, `${first}.log`, (bytes) => bytes.map((byte, at) => (at === 140 ? byte ^ 1 : byte)));
  const options = { storage, kernel: testWorld(storage).kernel };
  for (const [topic, count] of [
    ["u", 0],
    ["t", 1],
  ] as const) {
    const found: Finding[] = [];
    for await (const finding of verifyDataFolder(options, { topic, partition: 0 })) found.push(finding);
    assert.equal(found.length, count, topic);
  }
});

const mebibyte = 1024 * 1024;
const tail: Readonly<Record<string, (bytes: Uint8Array) => void>> = {
  zeros: () => {},
  "the same byte": (bytes) => void bytes.fill(7),
  "what rises": (bytes) => {
    const view = new DataView(bytes.buffer);
    for (let at = 0; at + 12 <= bytes.length; at += 12) view.setInt32(at + 8, at);
  },
  garbage: (bytes) => {
    for (let at = 0, state = 1; at < bytes.length; at += 1) {
      state = (state * 48271) % 2147483647;
      bytes[at] = state >>> 8;
    }
  },
};

test("an index of mebibytes of anything is a few findings, and the start makes it anew without reading it", async () => {
  for (const [name, write] of Object.entries(tail)) {
    for (const kind of ["index", "timeindex"]) {
      let readBytes = 0;
      const written = await filled(true);
      const storage = written.restart({
        onOperation: ({ kind: operation, sizeBytes = 0 }) => void (operation === "read" && (readBytes += sizeBytes)),
      });
      const more = new Uint8Array(3 * mebibyte);
      write(more);
      await change(storage, `${first}.${kind}`, (bytes) => {
        const both = new Uint8Array(bytes.length + more.length);
        both.set(bytes);
        both.set(more, bytes.length);
        return both;
      });
      const findings = await verify(storage);
      assert.ok(findings.length > 0 && findings.length <= 301, `${findings.length} findings: ${name}`);
      const blamed = findings.reduce((sum, { count = 1 }) => sum + count, 0);
      assert.ok(blamed >= more.length / 12 - 1, `${blamed} entries are blamed: ${name}`);
      assert.ok(
        findings.every(({ file, severity }) => file === `${first}.${kind}` && severity === "warning"),
        name,
      );
      readBytes = 0;
      assert.equal((await predict(storage)).rebuiltIndexes, 1, name);
      assert.ok(readBytes < mebibyte, `the start read ${readBytes} bytes: ${name}`);
    }
  }
});

test("a signal ends the walk in the middle of an index, and what was found by then is told", async () => {
  const storage = await filled(true);
  await change(storage, `${first}.index`, () => new Uint8Array(8 * mebibyte));
  const stop = new AbortController();
  let reads = 0;
  const watched = storage.restart({
    onOperation: ({ kind, paths }) => {
      if (kind === "read" && paths[0] === `${first}.index` && ++reads === 10) stop.abort(new Error("stopped"));
    },
  });
  const findings: Finding[] = [];
  const options = { storage: watched, kernel: testWorld(watched).kernel, signal: stop.signal };
  await assert.rejects(async () => {
    for await (const finding of verifyDataFolder(options)) findings.push(finding);
  }, /^Error: stopped$/);
  assert.ok(reads <= 11, `${reads} reads of the index`);
  assert.ok(findings.every(({ file }) => file === `${first}.index`));
  assert.ok((findings.at(-1)?.count ?? 0) > 50_000);
});

test("a checkpoint that a stop in order left and that is gone is a warning, and the start says it too", async () => {
  for (const name of ["recovery-point-offset-checkpoint", "log-start-offset-checkpoint"]) {
    const storage = await filled(true);
    await storage.remove(name);
    const [finding, ...others] = await verify(storage);
    assert.deepEqual(others, []);
    assert.deepEqual([finding?.severity, finding?.kind, finding?.file], ["warning", "checkpoint-missing", name]);
    const { outcome, notes } = await predict(storage);
    assert.equal(outcome, "opens");
    assert.equal(notes.length, 1);
    const said = notes[0] ?? "";
    assert.ok(said.startsWith(`${name} is not there, though the last stop was in order: `), said);
    const world = testWorld(storage);
    const broker = await openBroker(world);
    assert.deepEqual(broker.report.notes, notes);
    assert.ok(world.said.some(({ level, message }) => level === "warn" && message === notes[0]));
    await broker.close();
    assert.deepEqual(await verify(storage.restart()), []);
  }
});

test("a recovery point that is not there after a crash is noted: no crash need explain it", async () => {
  const storage = await filled(false);
  await storage.remove("recovery-point-offset-checkpoint");
  assert.deepEqual(
    (await verify(storage)).map(({ severity, kind, file }) => [severity, kind, file]),
    [["note", "checkpoint-missing", "recovery-point-offset-checkpoint"]],
  );
  const empty = memoryStorage();
  await (await openBroker(testWorld(empty))).close();
  const kept = empty.restart();
  await kept.remove("recovery-point-offset-checkpoint");
  assert.deepEqual(await verify(kept), []);
});

test("a directory that bears the name of a file is an error, alone, and is not opened", async () => {
  for (const name of [
    "t-0/00000000000000000000.index",
    "t-0/00000000000000000000.timeindex",
    "t-0/leader-epoch-checkpoint",
    "t-0/fence-checkpoint",
    "t-0/00000000000000000777.snapshot",
    "t-0/00000000000000000999.log",
  ]) {
    const storage = await filled(true);
    if ((await storage.list("t-0")).some((entry) => `t-0/${entry.name}` === name)) await storage.remove(name);
    await storage.makeDirectory(name);
    const found = (await verify(storage)).filter(({ severity }) => severity !== "note");
    assert.deepEqual(
      found.filter(({ kind }) => kind === "not-a-file").map(({ severity, file }) => [severity, file]),
      [["error", name]],
    );
    // Without it, the epochs are as good as lost.
    if (!name.endsWith("checkpoint")) assert.equal(found.length, 1, JSON.stringify(found));
  }
});
