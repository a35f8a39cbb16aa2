import assert from "node:assert/strict";
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, test } from "node:test";
import { createTwinKernel, openBroker } from "../../engine/index.ts";
import { openReadOnlyStorage } from "../runtime/node/read-only-storage.ts";
import { openFileStorage } from "../runtime/node/storage.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { webClock, webEntropy } from "../runtime/web/world.ts";
import { run } from "./program.ts";

const scratch = await mkdtemp(join(tmpdir(), "moldau-log-"));
after(() => rm(scratch, { recursive: true, force: true }));

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

async function log(...args: string[]): Promise<Ran> {
  let out = "";
  let error = "";
  const runtime = {
    name: "node",
    version: "0",
    openStorage: openFileStorage,
    openReadOnlyStorage,
    process: {
      args: ["log", ...args],
      env: {},
      stdoutIsTerminal: false,
      stderrIsTerminal: false,
      writeOut: async (bytes: Uint8Array) => void (out += new TextDecoder().decode(bytes)),
      writeError: (text: string) => void (error += text),
      onSignal: () => {},
      resolvePath: (path: string) => join(scratch, path),
    },
  };
  const status = await run(runtime as unknown as Runtime, "1.2.3");
  return { status, out, error };
}

const interval = 500;
const segments = 3;
/** Of the last segment of `events-0`, without its end. */
let last = "";

/** A data folder that a broker left in order: `events` with some segments, and `orders`. */
async function written(): Promise<void> {
  const storage = await openFileStorage(join(scratch, "data"));
  const world = { kernel: createTwinKernel(), clock: webClock, entropy: webEntropy, logger: { log: () => {} } };
  const broker = await openBroker({ storage, ...world });
  await broker.createTopic("orders", { partitions: 2 });
  await broker.createTopic("events", { configs: { "index.interval.bytes": interval, "segment.bytes": 8000 } });
  for (let at = 0; at < 130; at += 1) {
    await broker.produce("events", [{ value: `${at} ${"x".repeat(100)}`, timestamp: 1_700_000_000_000 + at }]);
  }
  await broker.close();
  const logs = (await readdir(join(scratch, "data/events-0"))).filter((name) => name.endsWith(".log")).sort();
  assert.equal(logs.length, segments);
  last = `events-0/${logs.at(-1)?.slice(0, -4)}`;
}

await written();

async function copied(name: string): Promise<string> {
  await cp(join(scratch, "data"), join(scratch, name), { recursive: true });
  return name;
}

async function flip(path: string, at: number): Promise<void> {
  const bytes = await readFile(join(scratch, path));
  bytes[at] = (bytes[at] as number) ^ 1;
  await writeFile(join(scratch, path), bytes);
}

test("an undamaged folder: every command is content", async () => {
  for (const args of [
    ["verify", "data"],
    ["verify", `data/${last}.log`],
    ["verify", "data/events-0"],
    ["index", "data/events-0"],
    ["index", "data", "--topic", "events"],
    ["index", `data/${last}.index`],
    ["dump", "data", "--topic", "events", "--indexes"],
  ]) {
    const { status, out, error } = await log(...args);
    assert.deepEqual([status, error], [0, ""], `${args.join(" ")}: ${out}`);
  }
});

test("a wrong index of the last segment is wrong: `index` exits 1, in a data folder and without one", async () => {
  for (const kind of ["index", "timeindex"]) {
    const folder = await copied(`wrong-${kind}`);
    await flip(`${folder}/${last}.${kind}`, 7);
    await cp(join(scratch, folder, "events-0"), join(scratch, `alone-${kind}`, "events-0"), { recursive: true });
    for (const path of [`${folder}/events-0`, `${folder}/${last}.${kind}`, `alone-${kind}/events-0`]) {
      const { status, out } = await log("index", path);
      assert.equal(status, 1, `${path}: ${out}`);
      assert.match(out, new RegExp(`${last}\\.${kind} at byte 0: (index-entry|index-order|timeindex-time)`), path);
    }
    const json = (await log("index", `${folder}/events-0`, "--json")).out.trim().split("\n");
    const shown = json.map((line) => JSON.parse(line));
    assert.deepEqual(
      shown.map(({ findings }) => findings.length),
      [0, 0, 1],
    );
  }
});

test("`index` says how segments' logs are damaged, and nothing of the rest of the folder", async () => {
  const folder = await copied("torn");
  await flip(`${folder}/${last}.log`, 300);
  await writeFile(join(scratch, folder, "recovery-point-offset-checkpoint"), "damaged");
  const { status, out } = await log("index", `${folder}/events-0`);
  assert.equal(status, 1);
  assert.match(out, /\.log at byte \d+, offset \d+: checksum/);
  assert.doesNotMatch(out, /checkpoint/);
});

test("time indexes of garbage are shown, whatever time they claim", async () => {
  const folder = await copied("garbage");
  await writeFile(join(scratch, folder, `${last}.timeindex`), new Uint8Array(24).fill(0x7f));
  const { status, out, error } = await log("index", `${folder}/events-0`);
  assert.deepEqual([status, error], [1, ""]);
  assert.match(out, /2 entries, \d+ ms to \d+ ms/);
});

test("a file of a data folder is verified with what the data folder knows of it", async () => {
  const folder = await copied("one-file");
  await flip(`${folder}/${last}.index`, 7);
  const whole = (await log("verify", folder, "--json", "--no-trial")).out;
  const one = (await log("verify", `${folder}/${last}.index`, "--json")).out;
  const findings = (text: string): unknown[] =>
    text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line))
      .filter(({ type }) => type === "finding");
  assert.equal(findings(one).length, 1);
  assert.deepEqual(findings(one), findings(whole));
  // The last batch torn, in a folder that was stopped in order: no crash explains it.
  const path = join(scratch, folder, `${last}.log`);
  await writeFile(path, (await readFile(path)).subarray(0, -3));
  const torn = await log("verify", `${folder}/${last}.log`);
  assert.equal(torn.status, 1);
  assert.match(torn.out, /^error .*: torn/m);
});

test("--rebuild makes the indexes that the broker had made, by the topic's index.interval.bytes", async () => {
  const folder = await copied("rebuild");
  const names = (await readdir(join(scratch, folder, "events-0"))).filter((name) => name.endsWith("index"));
  const before = await Promise.all(names.map((name) => readFile(join(scratch, folder, "events-0", name))));
  assert.ok(before.some((bytes) => bytes.length >= 80));
  for (const name of names) await writeFile(join(scratch, folder, "events-0", name), "");
  const { status, out } = await log("index", folder, "--topic", "events", "--rebuild");
  assert.equal(status, 0);
  assert.equal(out.match(/made anew/g)?.length, segments);
  const made = await Promise.all(names.map((name) => readFile(join(scratch, folder, "events-0", name))));
  assert.deepEqual(made, before);
  await log("index", `${folder}/events-0`, "--rebuild", "--interval", "1000000");
  assert.equal((await readFile(join(scratch, folder, `${last}.index`))).length, 0);
});

test("--rebuild writes nothing where a log is damaged, or nobody knows the topic's interval", async () => {
  const folder = await copied("refused");
  await flip(`${folder}/${last}.log`, 300);
  const damaged = await log("index", `${folder}/events-0`, "--rebuild");
  assert.equal(damaged.status, 1);
  assert.match(damaged.error, /nothing was written: .*checksum/);
  await flip(`${folder}/${last}.log`, 300);
  const [journal = ""] = await readdir(join(scratch, folder, "metadata"));
  await flip(`${folder}/metadata/${journal}`, 70);
  const unknown = await log("index", `${folder}/events-0`, "--rebuild");
  assert.equal(unknown.status, 1);
  assert.match(unknown.error, /nothing was written: .*journal.*with --interval/);
  assert.equal((await log("index", `${folder}/events-0`, "--rebuild", "--interval", "500")).status, 0);
});

test("a look-up by offset and by time says where it begins and where it ends", async () => {
  const found = JSON.parse((await log("index", "data/events-0", "--offset", "120", "--json")).out).found;
  assert.deepEqual([found.file, found.batch.baseOffset, found.isEntryRight], [`${last}.log`, 120, true]);
  assert.ok(found.entry !== null && found.from > 0);
  const byTime = await log("index", "data", "--topic", "events", "--timestamp", "1700000000120");
  assert.match(byTime.out, new RegExp(`^segment +${last}\\.log\nindex +by the entry at byte `));
  assert.match(byTime.out, /offsets 120 to 120, latest time 1700000000120\n$/);
  assert.match((await log("index", "data/events-0", "--offset", "1000")).out, /^not found: the log ends before it\n$/);
});

test("a topic or a partition that is not there: which there are", async () => {
  for (const command of ["index", "verify", "dump"]) {
    const topic = await log(command, "data", "--topic", "nope");
    assert.equal(topic.status, 2);
    assert.match(topic.error, /data has no topic nope; it has events, orders\n/);
    const partition = await log(command, "data", "--topic", "orders", "--partition", "7");
    assert.equal(partition.status, 2);
    assert.match(partition.error, /data has no partition 7 of topic orders; it has 0, 1\n/);
  }
});
