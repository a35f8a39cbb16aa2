// A topic that is deleted and made anew while all else goes on: a sound log holds, and one that is not is found.

import assert from "node:assert/strict";
import { test } from "node:test";
import { memoryStorage, openBroker } from "../../server/runtime/web/index.ts";
import { judge, type Violation } from "../checker/index.ts";
import type { HistoryEvent } from "../history.ts";
import { type FaultControl, runWorkload } from "../workload/index.ts";
import { LogError } from "./contract.ts";
import { EngineAdapter } from "./engine.ts";
import { RestartingEngine } from "./restarting-engine.test-support.ts";

const few = { plainProducers: 1, idempotentProducers: 0, conditionalWriters: 0, cursors: 0, members: 0 };
const processes = { ...few, keyedProducers: 0, wanderers: 0, renewers: 1 };

interface Work {
  /** Of a renewer's topic, answered or not: the work ends after so many; else when the faults have ended. */
  readonly deletions?: number;
  readonly renewalMs?: number; // 30
  readonly operationTimeoutMs?: number; // 10 s: on a machine that stalls, too, all is answered
  readonly faults?: (control: FaultControl) => Promise<void>;
}

async function work(
  adapter: EngineAdapter,
  { deletions = Number.POSITIVE_INFINITY, renewalMs = 30, operationTimeoutMs = 10_000, faults }: Work,
): Promise<readonly HistoryEvent[]> {
  const done = new AbortController();
  const deleteTopic = adapter.deleteTopic.bind(adapter);
  let called = 0;
  adapter.deleteTopic = async (topic) => {
    try {
      await deleteTopic(topic);
    } finally {
      called += 1;
      if (called >= deletions) done.abort();
    }
  };
  const { history } = await runWorkload({
    ...{ adapter, seed: 1, seconds: 50, healMs: 20_000, operationTimeoutMs, processes, renewalMs },
    signal: done.signal,
    async faults(control) {
      await faults?.(control);
      if (deletions === Number.POSITIVE_INFINITY) done.abort();
    },
  });
  return history;
}

function deletions(history: readonly HistoryEvent[], outcome: string): number {
  return history.filter((event) => event.kind === "delete topic" && event.outcome === outcome).length;
}

const engine = async (): Promise<EngineAdapter> => new EngineAdapter(await openBroker({ storage: memoryStorage() }));

test("a sound log holds: each life of the name is a topic of its own, and begins empty", async () => {
  const adapter = await engine();
  const history = await work(adapter, { deletions: 4 });
  await adapter.close();
  assert.deepEqual(judge(history).violations, []);
  assert.ok(deletions(history, "ok") >= 4, `${deletions(history, "ok")} deletions`);
  const created = history.flatMap((event) => (event.kind === "create topic" && /-t0/.test(event.topic) ? [event] : []));
  assert.equal(new Set(created.map(({ topic }) => topic)).size, 1, "one name");
  assert.equal(new Set(created.map(({ id }) => id)).size, created.length, "a life each");
  const read = history.flatMap((event) => (event.kind === "read" && /-t0-0@/.test(event.log) ? [event] : []));
  assert.ok(new Set(read.map(({ log }) => log)).size >= 3, "a log each");
  assert.ok(read.some(({ records }) => records.length > 0));
});

test("a sound log holds through losses of power, whatever becomes of what is not answered", async () => {
  const adapter = await RestartingEngine.open();
  const faults = async (control: FaultControl): Promise<void> => {
    for (let life = 0; life < 4; life++) {
      await control.sleep(150);
      control.crashing("power", "what was not synced is lost");
      await adapter.restart("crash");
      control.crashed("the power is gone");
      await control.restarted("opened again");
    }
  };
  const history = await work(adapter, { deletions: 8, operationTimeoutMs: 500, faults });
  await adapter.close();
  assert.deepEqual(judge(history).violations, []);
  assert.ok(deletions(history, "ok") >= 1);
});

test("an append without an answer is followed by another name: it may still come", async () => {
  /** Its first append to the renewer's topic comes when a later life is there, or when it would be. */
  class Slow extends EngineAdapter {
    #late: (() => Promise<unknown>) | null | undefined;

    override async append(...given: Parameters<EngineAdapter["append"]>): ReturnType<EngineAdapter["append"]> {
      const [{ topic }] = given;
      if (!/-t0/.test(topic)) return super.append(...given);
      if (this.#late === undefined) {
        this.#late = () => super.append(...given);
        throw new LogError("ECONNRESET", "unknown");
      }
      const late = this.#late;
      this.#late = null;
      await late?.().catch(() => {});
      return super.append(...given);
    }
  }
  const adapter = new Slow(await openBroker({ storage: memoryStorage() }));
  const history = await work(adapter, { deletions: 3 });
  await adapter.close();
  assert.deepEqual(judge(history).violations, []);
  const names = history.flatMap((event) =>
    event.kind === "create topic" && /-t0/.test(event.topic) ? [event.topic] : [],
  );
  assert.equal(new Set(names).size, 2, `${names}: another name once`);
});

test("a deletion or a creation without an answer is followed by another name", async () => {
  class Silent extends EngineAdapter {
    #calls = 0;

    override async deleteTopic(topic: string): Promise<void> {
      this.#calls += 1;
      if (this.#calls % 2 === 0) await super.deleteTopic(topic);
      throw new LogError("ECONNRESET", "unknown");
    }
  }
  const adapter = new Silent(await openBroker({ storage: memoryStorage() }));
  const history = await work(adapter, { deletions: 3 });
  await adapter.close();
  assert.deepEqual(judge(history).violations, []);
  assert.ok(deletions(history, "info") >= 3);
});

function found(history: readonly HistoryEvent[], about: RegExp): Violation[] {
  return judge(history).violations.filter(({ invariant }) => about.test(invariant));
}

test("records of the life before that are there again are found", async () => {
  /** Its deletions leave the records: who makes the topic anew has them. */
  class Haunted extends EngineAdapter {
    readonly #left: Map<string, number> = new Map();

    override async deleteTopic(topic: string): Promise<void> {
      this.#left.set(topic, (await this.offsets({ topic, partition: 0 })).highWatermark);
      await super.deleteTopic(topic);
    }

    override async createTopic(...given: Parameters<EngineAdapter["createTopic"]>): Promise<void> {
      await super.createTopic(...given);
      const records = Array.from({ length: this.#left.get(given[0]) ?? 0 }, (_, at) => ({
        ...{ value: `t0.${at}|`, timestamp: 1 },
      }));
      const place = { topic: given[0], partition: 0 };
      if (records.length > 0) await super.append(place, records, { acks: "all" });
    }
  }
  const adapter = new Haunted(await openBroker({ storage: memoryStorage() }));
  const history = await work(adapter, { deletions: 3 });
  await adapter.close();
  const [first] = found(history, /what is read was sent to this partition/);
  assert.match(first?.message ?? "", /'t0\.\d+' at 0 was never sent to moldau-check-1-\w+-t0-0@2/);
});

test("a topic that was made and is lost by a restart is found", async () => {
  const adapter = await RestartingEngine.open();
  const faults = async (control: FaultControl): Promise<void> => {
    const written = async (): Promise<string | undefined> => {
      const name = (await adapter.listTopics()).map(({ topic }) => topic).find((topic) => topic.endsWith("-t0"));
      if (name === undefined) return undefined;
      return (await adapter.offsets({ topic: name, partition: 0 })).highWatermark > 0 ? name : undefined;
    };
    let lost = await written();
    for (; lost === undefined; lost = await written()) await control.sleep(20);
    control.crashing("power", "and a topic with it");
    await adapter.restart("crash");
    await adapter.deleteTopic(lost);
    control.crashed("the power is gone");
    await control.restarted("opened again");
  };
  // Nobody deletes it meanwhile.
  const history = await work(adapter, { renewalMs: 20_000, faults });
  await adapter.close();
  const [first] = found(history, /creation was acknowledged/);
  assert.match(first?.message ?? "", /-t0 was created .* and is not listed/);
});

test("a deleted topic that is listed again is found", async () => {
  /** Lists what was deleted, from the second deletion on. */
  class Undead extends EngineAdapter {
    readonly #gone: { topic: string; id: string }[] = [];

    override async deleteTopic(topic: string): Promise<void> {
      const listed = (await super.listTopics()).find((one) => one.topic === topic);
      await super.deleteTopic(topic);
      if (listed?.id !== undefined) this.#gone.push({ topic, id: listed.id });
    }

    override async listTopics(): ReturnType<EngineAdapter["listTopics"]> {
      const there = await super.listTopics();
      return this.#gone.length > 1 ? [...there, ...this.#gone] : there;
    }
  }
  const adapter = new Undead(await openBroker({ storage: memoryStorage() }));
  const history = await work(adapter, { deletions: 3 });
  await adapter.close();
  const [first] = found(history, /creation was acknowledged/);
  assert.match(first?.message ?? "", /was deleted .* and is listed again/);
});
