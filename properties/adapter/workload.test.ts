// The workload on the engine in this process: a healthy one holds, through lives; a broken one does not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type MemoryStorage, memoryStorage, openBroker } from "../../server/runtime/web/index.ts";
import { judge } from "../checker/index.ts";
import { draw } from "../random.ts";
import { type FaultControl, runWorkload } from "../workload/index.ts";
import {
  type Appended,
  type LogAdapter,
  LogError,
  type Manifest,
  type Offsets,
  type Place,
  type ReadAnswer,
  type ReadOptions,
  type RecordToAppend,
  supportsNothing,
} from "./contract.ts";
import { EngineAdapter } from "./engine.ts";

interface Subject {
  readonly adapter: EngineAdapter;
  restart(control: FaultControl): Promise<void>;
  close(): Promise<void>;
}

async function engine(): Promise<Subject> {
  let storage: MemoryStorage = memoryStorage();
  const random = draw(7, "crash");
  let broker = await openBroker({ storage });
  const adapter = new EngineAdapter(broker);
  return {
    adapter,
    close: () => broker.close(),
    async restart(control) {
      control.crashing("power", "what was not synced is lost, or torn");
      adapter.replace(null);
      storage = storage.crash(() => random.next());
      await broker.close().catch(() => {});
      control.crashed("the power is gone");
      broker = await openBroker({ storage });
      adapter.replace(broker);
      await control.restarted("opened again");
    },
  };
}

test("a healthy log holds through three lives, and what was done to it is in the history", async () => {
  const { adapter, restart, close } = await engine();
  const result = await runWorkload({
    ...{ adapter, seed: 7, operations: 12_000, healMs: 20_000, operationTimeoutMs: 1000 },
    faults: async (control) => {
      for (let life = 0; life < 2; life++) {
        await control.sleep(300);
        await restart(control);
      }
    },
  });
  await close();
  const verdict = judge(result.history);
  assert.deepEqual(verdict.violations, []);
  assert.equal(verdict.holds, true);
  assert.equal(result.history.filter(({ kind }) => kind === "crash").length, 2);
  assert.equal(result.coverage["fault: power"], 2);
  assert.equal(Math.max(...result.history.map(({ incarnation }) => incarnation)), 3);
  assert.ok(result.operations >= 12_000);
  const floors = {
    "produce (plain): ok": 100,
    "produce (idempotent): ok": 50,
    "produce (conditional): ok": 20,
    "duplicates recognised": 5,
    "read (cursor): ok": 100,
    "read (group): ok": 50,
    "read (audit): ok": 4,
    "commit: ok": 20,
    "look up": 15,
    assign: 3,
  };
  for (const [name, floor] of Object.entries(floors))
    assert.ok((result.coverage[name] ?? 0) >= floor, `${name}: ${JSON.stringify(result.coverage)}`);
  const shown = verdict.checked.map(({ invariant }) => invariant);
  for (const about of [/one owner in a generation/, /starts at the last commit/, /latest committed value/, /cursor/])
    assert.ok(
      shown.some((name) => about.test(name)),
      `${about} was shown`,
    );
});

test("events stand in the order of completion, and the history is bounded", async () => {
  const { adapter, close } = await engine();
  const { history } = await runWorkload({ adapter, seed: 1, seconds: 60, maxRecords: 2000, healMs: 20_000 });
  await close();
  history.forEach(({ invokedAt, atMs }, index) => {
    assert.ok(invokedAt <= index);
    assert.ok(index === 0 || atMs >= (history[index - 1]?.atMs ?? 0));
  });
  const records = history.reduce((sum, event) => sum + ("records" in event ? event.records.length : 0), 0);
  assert.ok(records < 10_000, `${records} records`);
});

/** From now and then on it answers a read with what lies elsewhere. */
class ForgetfulEngine extends EngineAdapter {
  #reads = 0;

  override async read(place: Place, options: ReadOptions): Promise<ReadAnswer> {
    const answer = await super.read(place, options);
    this.#reads++;
    if (this.#reads % 50 !== 0 || answer.records.length < 2) return answer;
    return { ...answer, records: answer.records.slice(1) };
  }
}

test("a log that leaves out a record is found, and the violation says where", async () => {
  const adapter = new ForgetfulEngine(await openBroker({ storage: memoryStorage() }));
  const { history } = await runWorkload({ adapter, seed: 2, operations: 3000, healMs: 20_000 });
  await adapter.close();
  const { holds, violations } = judge(history);
  assert.equal(holds, false);
  const [found] = violations.filter(({ invariant }) => /offsets are dense/.test(invariant));
  assert.ok(found !== undefined, violations.map(({ message }) => message).join("\n"));
  assert.equal(history[found.events[0] ?? -1]?.kind, "read");
});

test("a log that does not come back is stuck, and that is a violation", async () => {
  const { adapter, close } = await engine();
  const { history } = await runWorkload({
    ...{ adapter, seed: 3, seconds: 0.3, healMs: 300, operationTimeoutMs: 300 },
    faults: async (control) => {
      control.crashing("kill", "for good");
      adapter.replace(null);
      control.crashed("for good");
    },
  });
  await close();
  const { violations } = judge(history);
  assert.ok(
    violations.some(({ invariant, message }) => /whatever is under way ends/.test(invariant) && /answer/.test(message)),
  );
});

test("it says what is missing, and rejects when the log is not there", async () => {
  const { adapter, close } = await engine();
  await assert.rejects(runWorkload({ adapter, seed: 1 }), /seconds or operations is needed/);
  adapter.replace(null);
  await assert.rejects(
    runWorkload({ adapter, seed: 1, seconds: 1 }),
    (error) => error instanceof LogError && error.code === "BROKER_NOT_AVAILABLE",
  );
  await close();
});

/** Nothing of it ever waits: all its answers come before any timer. */
class AtOnce implements LogAdapter {
  readonly name: string = "an array a partition";
  readonly supports: Manifest = { ...supportsNothing, conditionalAppends: true };
  readonly #logs: Map<string, (RecordToAppend & { readonly offset: number })[]> = new Map();
  reads = 0;

  async createTopic(): Promise<void> {}

  async append(place: Place, records: readonly RecordToAppend[]): Promise<Appended> {
    const log = this.#log(place);
    return { offsets: records.map((record) => log.push({ ...record, offset: log.length }) - 1) };
  }

  async read(place: Place, { offset }: ReadOptions): Promise<ReadAnswer> {
    this.reads++;
    const records = this.#log(place).slice(offset, offset + 10);
    return { records, nextOffset: offset + records.length, ...(await this.offsets(place)) };
  }

  async offsets(place: Place): Promise<Offsets> {
    return { logStartOffset: 0, highWatermark: this.#log(place).length };
  }

  async close(): Promise<void> {}

  #log({ topic, partition }: Place): (RecordToAppend & { readonly offset: number })[] {
    const name = `${topic}-${partition}`;
    const log = this.#logs.get(name) ?? [];
    this.#logs.set(name, log);
    return log;
  }
}

test("a log that answers all at once is worked on for as long as was asked, and not asked for nothing all the time", async () => {
  const adapter = new AtOnce();
  const processes = { conditionalWriters: 0 };
  const since = performance.now();
  const { history, seconds } = await runWorkload({ adapter, seed: 7, seconds: 0.5, processes });
  assert.ok(seconds < 5, `${seconds} s`);
  assert.deepEqual(judge(history).violations, []);
  // 2 cursors pause for 8 ms after each empty read, as 3 producers do between two appends.
  assert.ok(adapter.reads < 2000, `${adapter.reads} reads in ${performance.now() - since} ms`);
});

/** And it says of every read that there is more, a little further on. */
class Endless extends AtOnce {
  override async read(_: Place, { offset }: ReadOptions): Promise<ReadAnswer> {
    if (++this.reads > 1_000_000) throw new Error("it is read for ever");
    return { records: [], nextOffset: offset + 1, logStartOffset: 0, highWatermark: offset + 1000 };
  }
}

test("a log that has no end, and answers all at once, is stuck", async () => {
  const adapter = new Endless();
  const { history, seconds } = await runWorkload({ adapter, seed: 7, seconds: 0.2, healMs: 300 });
  assert.ok(seconds < 10, `${seconds} s`);
  assert.ok(adapter.reads < 5000, `${adapter.reads} reads`);
  assert.ok(history.some((event) => event.kind === "stuck" && /before its end/.test(event.detail)));
});

/** Where only microtasks run, no timer of a test's own ends it. */
const escapeMs = 10_000;

/** Whose cursors find something every time. */
class Busy extends AtOnce {
  readonly #since: number = performance.now();

  override async read(place: Place, options: ReadOptions): Promise<ReadAnswer> {
    if (performance.now() - this.#since > escapeMs) throw new Error("it is never over");
    const { records, ...rest } = await super.read(place, options);
    return { ...rest, nextOffset: options.offset, records: records.slice(0, 1) };
  }
}

test("timers fire between the answers of a log that has more every time", async () => {
  const adapter = new Busy();
  const { seconds } = await runWorkload({ adapter, seed: 7, seconds: 0.3, healMs: 300 });
  assert.ok(seconds < 10, `${seconds} s`);
});
