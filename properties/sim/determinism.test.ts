// One plan gives one trace and one history, however often it runs, and nothing of the runtime is touched.
//
// Source: correctness.md C.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { runsFactor, seed } from "../check.ts";
import { Coverage } from "../coverage.ts";
import { calmNetwork } from "./network.ts";
import type { SimPlan } from "./plan.ts";
import { Scheduler } from "./scheduler.ts";
import { type SimResult, simulate } from "./simulation.ts";
import { simPlans } from "./themes.ts";
import { trapping } from "./trap.ts";

test("a plan run twice does the same, event by event, and the runtime's time and chance stay untouched", async () => {
  const drawn = fc.sample(simPlans({ chaosMs: 20_000 }), { seed, numRuns: Math.round(12 * Math.max(1, runsFactor)) });
  const fingerprints = new Set<string>();
  for (const plan of drawn) {
    const seen: SimResult[] = [];
    for (let again = 0; again < 2; again++) {
      seen.push(await trapping(() => simulate(plan, { keepsLines: true, judged: false })));
    }
    const [one, other] = seen as [SimResult, SimResult];
    const at = one.lines.findIndex((line, number) => line !== other.lines[number]);
    assert.equal(at, -1, `two runs of one plan part at event ${at}: ${one.lines[at]} and ${other.lines[at]}`);
    assert.equal(JSON.stringify(one.history), JSON.stringify(other.history));
    assert.equal(one.fingerprint, other.fingerprint);
    assert.ok(one.lines.length > 50);
    fingerprints.add(one.fingerprint);
  }
  assert.equal(fingerprints.size, drawn.length, "different plans have different traces");
});

test("a run is the same whatever ran before it", async () => {
  // Lives that end in the middle of a compaction: what a kernel holds for one must not outlive it.
  const compacted = { "segment.bytes": 700, "cleanup.policy": "compact", "min.cleanable.dirty.ratio": 0 };
  const drawn = Array.from({ length: 8 }, (_, at): SimPlan => {
    const produce = { do: "produce idempotently", log: 0, everyMs: 10, acks: "all", window: 5, inOrder: true } as const;
    return {
      ...{ seed: seed + at, chaosMs: 6000, topics: [{ partitions: 1, configs: compacted }], network: calmNetwork },
      disk: { syncMs: 1, otherMs: 0.2 },
      actors: [
        { ...produce, luck: 1, atMs: 0, operations: 300, wraps: false },
        { do: "administer", luck: 2, atMs: 100, operations: 400, everyMs: 20 },
      ],
      faults: [1000, 2000, 3000, 4000, 5000].map((atMs, luck) => {
        return { do: "crash", luck, atMs, afterWrites: 20 + 9 * luck, downMs: 0, again: [] } as const;
      }),
    };
  });
  const coverage = new Coverage();
  const run = async (plan: SimPlan): Promise<string> => (await simulate(plan, { judged: false, coverage })).fingerprint;
  const forwards: string[] = [];
  for (const plan of drawn) forwards.push(await run(plan));
  const backwards: string[] = [];
  for (const plan of [...drawn].reverse()) backwards.unshift(await run(plan));
  assert.deepEqual(backwards, forwards);
  assert.ok(coverage.count("records compacted away") > 100, coverage.table());
});

test("worlds that take turns in one thread do what each does alone", async () => {
  const drawn = fc.sample(simPlans({ chaosMs: 10_000 }), { seed: seed + 1, numRuns: 6 });
  const alone: string[] = [];
  for (const plan of drawn) alone.push((await simulate(plan, { judged: false })).fingerprint);
  const together = await Promise.all(drawn.map((plan) => simulate(plan, { judged: false })));
  assert.deepEqual(
    together.map(({ fingerprint }) => fingerprint),
    alone,
  );
});

const { subtle } = crypto;

test("worlds are drained by a setImmediate that nobody else has, and all is as it was afterwards", async () => {
  const before = [setImmediate, crypto.subtle.digest, crypto.getRandomValues, AbortSignal.timeout, setTimeout, Date];
  const scheduler = new Scheduler(1);
  const happened: string[] = [];
  scheduler.schedule(5, () => {
    void Promise.resolve().then(() => happened.push("a microtask of the first"));
  });
  scheduler.schedule(6, () => void happened.push("the second"));
  await trapping(() => scheduler.pass(10), { besideOthers: false });
  assert.deepEqual(happened, ["a microtask of the first", "the second"]);
  const after = [setImmediate, crypto.subtle.digest, crypto.getRandomValues, AbortSignal.timeout, setTimeout, Date];
  after.forEach((one, at) => assert.ok(one === before[at], `${at} is what it was`));
  assert.equal((await crypto.subtle.digest("SHA-256", new Uint8Array(1))).byteLength, 32);
  await new Promise<void>((resolve) => void setImmediate(resolve));
});

test("a second world beside the first is refused, and the first one's traps are gone when it ends", async () => {
  const before = [Math.random, Date];
  const [first, second] = [new Scheduler(1), new Scheduler(2)];
  const running = trapping(() => first.pass(10));
  await assert.rejects(
    trapping(() => second.pass(10)),
    /a world runs already/,
  );
  await running;
  [Math.random, Date].forEach((one, at) => assert.ok(one === before[at], `${at} is what it was`));
  await trapping(() => second.pass(10));
});

test("whatever asks the runtime for time or chance meanwhile is caught", async () => {
  const surprises: readonly (() => unknown)[] = [
    () => Date.now(),
    () => new Date(),
    () => Math.random(),
    () => performance.now(),
    () => setTimeout(() => {}, 1),
    () => crypto.getRandomValues(new Uint8Array(1)),
    () => crypto.randomUUID(),
    () => crypto.subtle.digest("SHA-256", new Uint8Array(1)),
    () => crypto.subtle.generateKey({ name: "AES-GCM", length: 256 }, true, ["encrypt"]),
    // Taken before the trap was set.
    () => subtle.digest("SHA-256", new Uint8Array(1)),
    () => setImmediate(() => {}),
    () => setInterval(() => {}, 1000),
    () => AbortSignal.timeout(1),
    () => queueMicrotask(() => {}),
    () => Date(),
    () => fetch("http://127.0.0.1:1/"),
  ];
  for (const surprise of surprises) {
    // Later, too, when nothing of a stack tells whose it is: alone, everything is caught.
    for (const besideOthers of [true, false]) {
      const scheduler = new Scheduler(1);
      const act = (): unknown =>
        besideOthers
          ? surprise()
          : Promise.resolve()
              .then(surprise)
              .catch(() => {});
      scheduler.schedule(5, () => void act());
      await assert.rejects(
        trapping(() => scheduler.pass(10), { besideOthers }),
        /was called while a world ran/,
        surprise.toString(),
      );
    }
  }
  const caught = async (): Promise<void> => {
    try {
      Math.random();
    } catch {
      // As an engine does that takes it for a failure of its disk.
    }
  };
  await assert.rejects(trapping(caught), /was called while a world ran/);
  assert.ok(new Date(0).getTime() === 0 && Date.now() > 0, "afterwards all is as it was");
});
