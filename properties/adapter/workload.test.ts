// The workload on the engine in this process: a healthy one holds, through lives; a broken one does not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type MemoryStorage, memoryStorage, openBroker } from "../../server/runtime/web/index.ts";
import { judge } from "../checker/index.ts";
import { draw } from "../random.ts";
import { type FaultControl, runWorkload } from "../workload/index.ts";
import { LogError, type Place, type ReadAnswer, type ReadOptions } from "./contract.ts";
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
