// Whatever can be made anew from the log is made anew, and says the same: indexes, leader
// epochs, producer state. What cannot is reported, and nothing is cut.
//
// Source: correctness.md A 19; KIP-101 (epochs), KAFKA-10076 (producer snapshots), Kafka's
// LogSegment.recover.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { check, runsFactor, seed } from "./check.ts";
import { Coverage } from "./coverage.ts";
import { Run } from "./lives/run.ts";
import { type Plan, plans } from "./plan.ts";
import { draw, type Random } from "./random.ts";
import { encodeBatch, overwrite, readWhole, recordsOf } from "./records.ts";
import type { Broker, Storage } from "./subject.ts";
import { MoldauError } from "./subject.ts";

type Answers = Record<string, unknown>;

/** Everything that clients can learn of the logs, as text that can be compared. */
async function ask(run: Run, timestamps: readonly number[]): Promise<Answers> {
  const answers: Answers = {};
  await settle(run, async () => {
    for (const log of run.logs) {
      const { broker } = run;
      const { earliest, latest } = broker.offsets(log.topic, log.partition);
      answers[`${log.name} bounds`] = `${earliest}..${latest}`;
      for (let offset = earliest; offset <= latest; offset++) {
        const [fetched] = await broker.fetchBatches(
          [{ topic: log.topic, partition: log.partition, offset, maxBytes: 1 }],
          { maxWaitMs: 0 },
        );
        assert.ok(fetched !== undefined && fetched.error === undefined, fetched?.error?.message);
        answers[`${log.name} from ${offset}`] =
          `${JSON.stringify(recordsOf(fetched.bytes))} ${fetched.bytes.length} bytes to ${fetched.nextOffset}`;
      }
      for (const timestamp of timestamps)
        answers[`${log.name} at ${timestamp}`] = JSON.stringify(
          await broker.offsetForTimestamp(log.topic, log.partition, timestamp),
        );
      // Retries change nothing where they are recognised, and refusals change nothing at all.
      for (const { id, epoch, sequence, count } of await stampsOf(broker, log.topic, log.partition)) {
        for (const [manner, stamp] of [
          ["retry", { id, epoch, sequence }],
          ["gap", { id, epoch, sequence: (sequence + 1000) % 2 ** 31 }],
        ] as const) {
          const records = Array.from({ length: count }, () => ({
            value: "asked.0",
            sizeBytes: 0,
            timestamp: run.world.wallMs(),
          }));
          answers[`${log.name} ${manner} ${id} ${epoch} ${sequence}`] = await answered(() =>
            broker.appendBatches(log.topic, log.partition, encodeBatch(records, stamp)),
          );
        }
      }
    }
  });
  return answers;
}

async function answered(
  call: () => Promise<{ readonly baseOffset: number; readonly lastOffset: number; readonly duplicate: boolean }>,
): Promise<string> {
  try {
    const { baseOffset, lastOffset, duplicate } = await call();
    return `${duplicate ? "duplicate" : "appended"} ${baseOffset}..${lastOffset}`;
  } catch (error) {
    if (error instanceof MoldauError) return error.code;
    throw error;
  }
}

/** The last five batches of each producer, by the log's own bytes. */
async function stampsOf(
  broker: Broker,
  topic: string,
  partition: number,
): Promise<{ id: number; epoch: number; sequence: number; count: number }[]> {
  const { earliest } = broker.offsets(topic, partition);
  const last = new Map<number, { id: number; epoch: number; sequence: number; count: number }[]>();
  for (let offset = earliest; ; ) {
    const [fetched] = await broker.fetchBatches([{ topic, partition, offset, maxBytes: 100_000 }], { maxWaitMs: 0 });
    if (fetched === undefined || fetched.bytes.length === 0) break;
    const view = new DataView(fetched.bytes.buffer, fetched.bytes.byteOffset, fetched.bytes.byteLength);
    for (let at = 0; at < fetched.bytes.length; at += view.getInt32(at + 8) + 12) {
      const id = Number(view.getBigInt64(at + 43));
      if (id < 0) continue;
      const stamp = {
        id,
        epoch: view.getInt16(at + 51),
        sequence: view.getInt32(at + 53),
        count: view.getInt32(at + 57),
      };
      const earlier = (last.get(id) ?? []).filter((other) => other.epoch === stamp.epoch);
      last.set(id, [...earlier, stamp].slice(-5));
    }
    offset = fetched.nextOffset;
  }
  return [...last.values()].flat();
}

/** Lets the world go on until a conversation with the broker is over. */
async function settle(run: Run, talk: () => Promise<void>): Promise<void> {
  let ended = false;
  let failed: { readonly error: unknown } | null = null;
  talk().then(
    () => {
      ended = true;
    },
    (error) => {
      failed = { error };
    },
  );
  const done = await run.world.time.until(() => ended || failed !== null, 600_000);
  if (failed !== null) throw (failed as { readonly error: unknown }).error;
  assert.ok(done, "no answer");
}

const rebuildable = [
  /\/\d{20}\.index$/,
  /\/\d{20}\.timeindex$/,
  /\/\d{20}\.snapshot$/,
  /\/leader-epoch-checkpoint$/,
] as const;

/** Removes, cuts or garbles some of what can be made anew. All snapshots go, or none: one alone is a claim about its offset. */
async function damage(disk: Storage, chance: Random, coverage: Coverage): Promise<void> {
  const withSnapshots = chance.chance(0.5);
  for (const folder of await disk.list("")) {
    if (folder.kind !== "directory" || !/-\d+$/.test(folder.name)) continue;
    for (const { name } of await disk.list(folder.name)) {
      const path = `${folder.name}/${name}`;
      const kind = rebuildable.findIndex((pattern) => pattern.test(path));
      if (kind < 0) continue;
      if (kind === 2 ? !withSnapshots : chance.chance(0.4)) continue;
      const bytes = await readWhole(disk, path);
      const manner = kind === 3 ? "remove" : chance.pick(["remove", "cut", "garble"]);
      if (manner === "remove") await disk.remove(path);
      else if (manner === "cut") await overwrite(disk, path, bytes.subarray(0, chance.below(bytes.length + 1)));
      else {
        for (let count = 1 + chance.below(8); count > 0; count--)
          if (bytes.length > 0) bytes[chance.below(bytes.length)] = chance.below(256);
        await overwrite(disk, path, bytes);
      }
      coverage.add(`${manner} ${["index", "time index", "snapshot", "leader epochs"][kind]}`);
    }
    await disk.syncDirectory(folder.name);
  }
}

test("indexes, leader epochs and producer state made anew say what the old ones said", async () => {
  await check(
    {
      name: "rebuilding",
      runs: 40,
      floors: {
        "remove index": 10,
        "cut index": 10,
        "garble index": 10,
        "garble time index": 10,
        "remove snapshot": 5,
        "garble snapshot": 5,
        "remove leader epochs": 15,
        "indexes rebuilt": 30,
        "duplicates compared": 40,
        "answers compared": 1500,
      },
    },
    plans({ crashes: false, faults: false, retention: false, topicChanges: false, maxRounds: 5 }),
    async (plan, coverage) => {
      const run = new Run(plan, { coverage, auditRounds: false });
      await run.begin();
      const timestamps = timestampsOf(run);
      const before = await ask(run, timestamps);
      const chance = draw(plan.seed, "damage");
      if (chance.chance(0.5)) await run.close();
      else await run.kill();
      run.world.looking = true;
      await damage(run.world.disk, chance, coverage);
      run.world.looking = false;
      await run.open([]);
      const after = await ask(run, timestamps);
      coverage.add("answers compared", Object.keys(before).length);
      coverage.add(
        "duplicates compared",
        Object.values(before).filter((answer) => String(answer).startsWith("duplicate")).length,
      );
      coverage.add("indexes rebuilt", run.world.messages.filter((message) => message.includes("rebuilt")).length);
      assert.deepEqual(after, before);
      await run.close();
      return [];
    },
  );
});

function timestampsOf(run: Run): number[] {
  const timestamps = new Set<number>();
  for (const event of run.history) {
    if (event.kind !== "produce" || event.outcome !== "ok") continue;
    for (const { timestamp } of event.records.slice(0, 1))
      if (timestamp >= 0) timestamps.add(timestamp).add(timestamp + 1);
  }
  return [...timestamps].slice(0, 40);
}

test("damage below the recovery point is reported, not cut, and the other partitions work", async () => {
  const coverage = new Coverage();
  const runs = Math.round(30 * Math.max(1, runsFactor));
  const wide: fc.Arbitrary<Plan> = plans({
    crashes: false,
    faults: false,
    retention: false,
    topicChanges: false,
    maxRounds: 6,
  });
  for (const plan of fc.sample(wide, { seed, numRuns: runs }))
    await damageLog({ ...plan, topics: plan.topics.map((topic) => ({ ...topic, partitions: 2 })) }, coverage);
  console.log(`damage below the recovery point: MOLDAU_SEED=${seed}\n${coverage.table()}`);
  coverage.demand({ "damaged logs": 15, "found when opened": 3, "other partitions that answered": 15 }, 1);
});

async function damageLog(plan: Plan, coverage: Coverage): Promise<void> {
  const run = new Run(plan, { auditRounds: false });
  await run.begin();
  // Longer than the recovery point lags behind.
  await run.world.time.pass(3000);
  await run.audit();
  const chance = draw(plan.seed, "log damage");
  const clean = chance.chance(0.4);
  if (clean) await run.close();
  else await run.kill();
  const { disk } = run.world;
  const candidates: { path: string; log: (typeof run.logs)[number] }[] = [];
  run.world.looking = true;
  for (const log of run.logs) {
    for (const { name } of await disk.list(`${log.topic}-${log.partition}`)) {
      const path = `${log.topic}-${log.partition}/${name}`;
      if (name.endsWith(".log") && (await readWhole(disk, path)).length > 0) candidates.push({ path, log });
    }
  }
  if (candidates.length === 0) return;
  const victim = chance.pick(candidates);
  const whole = await readWhole(disk, victim.path);
  const damaged = whole.slice();
  const at = chance.below(damaged.length);
  damaged[at] = (damaged[at] as number) ^ (1 << chance.below(8));
  await overwrite(disk, victim.path, damaged);
  run.world.looking = false;
  coverage.add("damaged logs");
  const before = new Map<string, string>();
  for (const event of run.history) {
    if (event.kind === "read" && event.manner === "audit")
      for (const { offset, value } of event.records) before.set(`${event.log} ${offset}`, value);
  }
  await run.reopen();
  const where = `byte ${at} of ${victim.path}, ${clean ? "after a clean stop" : "after a kill"}, seed ${plan.seed}`;
  await settle(run, async () => {
    for (const log of run.logs) {
      const { broker } = run;
      const described = broker.describeTopic(log.topic).partitions[log.partition];
      assert.ok(described !== undefined);
      const isVictim = log.name === victim.log.name;
      if (described.state === "offline") {
        assert.ok(isVictim, `${log.name} is offline, but ${where} was damaged`);
        assert.ok((described.reason ?? "").length > 0, `offline without a reason: ${where}`);
        coverage.add("found when opened");
        continue;
      }
      // Whoever reads gets what was written, or an error; never something else, and never less.
      let offset = broker.offsets(log.topic, log.partition).earliest;
      try {
        for (;;) {
          const fetched = await broker.fetchRecords(log.topic, log.partition, { offset });
          for (const record of fetched.records) {
            const expected = before.get(`${log.name} ${record.offset}`);
            const value = new TextDecoder().decode(record.value ?? new Uint8Array(0)).split("|")[0];
            assert.equal(value, expected, `${log.name} offset ${record.offset}: ${where}`);
          }
          if (fetched.nextOffset <= offset) break;
          offset = fetched.nextOffset;
        }
        for (const key of before.keys()) {
          const [name, text] = key.split(" ");
          if (name === log.name) assert.ok(Number(text) < offset, `${key} is gone without a word: ${where}`);
        }
        if (isVictim) coverage.add("damage that no reader meets");
      } catch (error) {
        if (!(error instanceof MoldauError)) throw error;
        assert.ok(isVictim, `${log.name} cannot be read (${error.message}), but ${where} was damaged`);
        coverage.add("found when read");
        continue;
      }
      if (isVictim) continue;
      const { baseOffset } = await broker.appendBatches(
        log.topic,
        log.partition,
        encodeBatch([{ value: "after.0", sizeBytes: 10, timestamp: run.world.wallMs() }]),
      );
      assert.equal(baseOffset, offset);
      coverage.add("other partitions that answered");
    }
  });
  run.world.looking = true;
  const now = await readWhole(run.world.disk, victim.path);
  run.world.looking = false;
  assert.ok(
    now.length >= damaged.length,
    `${victim.path} was cut from ${damaged.length} to ${now.length} bytes: ${where}`,
  );
}
