// The simulated coordination store keeps its promises, also beyond a network that loses, delays and cuts.
//
// Source: etcd's API guarantees; Jepsen on etcd 3.4.3 (a lease is not a lock); the cluster's design.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { runsFactor, seed } from "../check.ts";
import { Stream } from "../random.ts";
import {
  type Change,
  type Coordination,
  CoordinationError,
  CoordinationStore,
  type Pair,
  RemoteCoordination,
} from "./coordination.ts";
import { calmNetwork, Network, type NetworkMix } from "./network.ts";
import { Scheduler } from "./scheduler.ts";

interface Stage {
  readonly scheduler: Scheduler;
  readonly network: Network;
  readonly store: CoordinationStore;
  client(name: string): Coordination;
}

function stage(worldSeed: number, mix: NetworkMix): Stage {
  const scheduler = new Scheduler(worldSeed);
  const network = new Network(scheduler, mix);
  const store = new CoordinationStore(scheduler, "store");
  return { scheduler, network, store, client: (name) => new RemoteCoordination(name, store, network) };
}

const put = (key: string, value: string, lease?: number) =>
  ({ do: "put", key, value, ...(lease === undefined ? {} : { lease }) }) as const;

test("revisions, comparisons, lists at a revision and compaction are etcd's", () => {
  const { store } = stage(1, calmNetwork);
  assert.deepEqual(store.transact([{ key: "a", of: "modRevision", is: 0 }], [put("a", "1"), put("b", "1")]), {
    succeeded: true,
    revision: 1,
  });
  assert.equal(store.transact([{ key: "a", of: "modRevision", is: 0 }], [put("a", "2")]).succeeded, false);
  assert.equal(store.transact([{ key: "a", of: "modRevision", is: 1 }], [put("a", "2")]).revision, 2);
  store.transact([], [{ do: "delete", key: "a" }]);
  store.transact([], [put("a", "3")]);
  assert.equal(store.transact([], [{ do: "delete", key: "none" }]).revision, 4, "nothing changed: no revision");
  const values = (revision?: number): string[] =>
    store.list("", revision).pairs.map(({ key, value, createRevision }) => `${key}=${value}@${createRevision}`);
  assert.deepEqual([values(1), values(2), values(3)], [["a=1@1", "b=1@1"], ["a=2@1", "b=1@1"], ["b=1@1"]]);
  assert.deepEqual(values(), ["a=3@4", "b=1@1"]);
  assert.equal(store.transact([{ key: "a", of: "createRevision", is: 1 }], [put("a", "old")]).succeeded, false);
  store.compact(3);
  assert.throws(
    () => store.list("", 1),
    (error) => error instanceof CoordinationError && error.kind === "compacted",
  );
  assert.deepEqual([values(2), values(3), values()], [["a=2@1", "b=1@1"], ["b=1@1"], ["a=3@4", "b=1@1"]]);
});

test("a lease takes its keys along at one revision, and its holder cannot commit afterwards", async () => {
  const { scheduler, store, client } = stage(2, calmNetwork);
  const [one, other] = [client("one"), client("other")];
  let created = 0;
  const elect = async (who: Coordination, name: string): Promise<boolean> => {
    const lease = await who.grant(1000);
    const { succeeded, revision } = await who.transact(
      [{ key: "/controller", of: "modRevision", is: 0 }],
      [put("/controller", name, lease)],
    );
    if (succeeded) created = revision;
    return succeeded;
  };
  const outcomes: boolean[] = [];
  const work = async (): Promise<void> => {
    outcomes.push(await elect(one, "one"));
    outcomes.push(await elect(other, "other"));
  };
  void work();
  await scheduler.pass(100);
  assert.deepEqual(outcomes, [true, false]);
  const epoch = created;
  await scheduler.pass(2000);
  assert.deepEqual(store.list("/controller").pairs, [], "nobody kept it alive");
  void elect(other, "other").then((won) => outcomes.push(won));
  await scheduler.pass(100);
  assert.deepEqual(outcomes, [true, false, true]);
  // The first one was held up, and believes that it still rules.
  let late: boolean | null = null;
  void one
    .transact([{ key: "/controller", of: "createRevision", is: epoch }], [put("/partitions/0", "by one")])
    .then(({ succeeded }) => (late = succeeded));
  await scheduler.pass(100);
  assert.equal(late, false);
});

/** Follows a prefix as a broker will: lists, watches from there, goes on behind what it heard. */
class Follower {
  readonly image: Map<string, Pair> = new Map();
  readonly seen: number[] = [];
  revision = 0;
  lists = 0;
  cuts = 0;
  readonly #client: Coordination;
  readonly #prefix: string;

  constructor(client: Coordination, prefix: string) {
    this.#client = client;
    this.#prefix = prefix;
  }

  async list(): Promise<void> {
    for (;;) {
      try {
        const { pairs, revision } = await this.#client.list(this.#prefix);
        this.lists += 1;
        this.image.clear();
        for (const pair of pairs) this.image.set(pair.key, pair);
        this.revision = revision;
        return this.watch();
      } catch (error) {
        if (!(error instanceof CoordinationError)) throw error;
      }
    }
  }

  watch(): void {
    this.#client.watch(this.#prefix, this.revision + 1, {
      changed: (changes) => this.#changed(changes),
      ended: (why) => {
        this.cuts += 1;
        if (why === "cut") this.watch();
        else void this.list();
      },
    });
  }

  #changed(changes: readonly Change[]): void {
    const [{ revision }] = changes as [Change];
    assert.ok(revision > this.revision, `revision ${revision} came again, or after ${this.revision}`);
    this.revision = revision;
    this.seen.push(revision);
    for (const { key, pair } of changes) {
      if (pair === null) this.image.delete(key);
      else this.image.set(key, pair);
    }
  }
}

const met = { runs: 0, indefinite: 0, conflicts: 0, cuts: 0, relists: 0, applied: 0 };

test("increments by compare-and-set are lost by nobody, and followers see every change once and in order", async () => {
  const mix = fc.record({
    lossPercent: fc.constantFrom(0, 5, 20),
    duplicatePercent: fc.constantFrom(0, 20),
    delayMs: fc.constantFrom(1, 30, 100),
    latePercent: fc.constantFrom(0, 5),
  });
  await fc.assert(
    fc.asyncProperty(fc.noShrink(fc.nat()), mix, fc.nat(3), async (worldSeed, networkMix, compactions) => {
      const { scheduler, network, store, client } = stage(worldSeed, networkMix);
      const follower = new Follower(client("follower"), "/counter");
      void follower.list();
      const tally = { acknowledged: 0, unknown: 0 };
      const writer = async (name: string): Promise<void> => {
        const own = client(name);
        for (let turn = 0; turn < 15; turn++) {
          try {
            const { pairs } = await own.list("/counter/");
            const now = pairs[0];
            const { succeeded } = await own.transact(
              [{ key: "/counter/x", of: "modRevision", is: now?.modRevision ?? 0 }],
              [put("/counter/x", String(Number(now?.value ?? 0) + 1)), put(`/other/${name}`, String(turn))],
            );
            if (succeeded) tally.acknowledged += 1;
            else met.conflicts += 1;
          } catch (error) {
            if (!(error instanceof CoordinationError)) throw error;
            if (error.effect === "unknown") tally.unknown += 1;
          }
        }
      };
      let left = 3;
      for (const name of ["w0", "w1", "w2"]) void writer(name).then(() => (left -= 1));
      const chance = new Stream(worldSeed, "faults");
      for (let at = 0; at < compactions; at++) {
        await scheduler.pass(300 + 2000 * chance.next().next());
        store.compact(Math.max(1, store.revision - 1));
        store.cutWatches();
        store.pause(chance.next().below(2000));
        network.cut("store", "follower", chance.next().below(4000));
      }
      assert.ok(await scheduler.until(() => left === 0, 1_000_000), "the writers come to an end");
      network.heal();
      const value = (): number => Number(store.list("/counter/x").pairs[0]?.value ?? 0);
      await scheduler.pass(20_000);
      const stored = value();
      assert.ok(stored >= tally.acknowledged, `${tally.acknowledged} were acknowledged, ${stored} are stored`);
      assert.ok(stored <= tally.acknowledged + tally.unknown, "what was refused had no effect");
      assert.deepEqual([...follower.image.values()], store.list("/counter").pairs);
      if (follower.lists === 1) {
        // Never listed anew: it has heard of each.
        const changes = store.list("/counter/x").pairs[0]?.modRevision ?? 0;
        assert.ok(follower.revision === changes || stored === 0);
      }
      met.runs += 1;
      met.indefinite += tally.unknown;
      met.cuts += follower.cuts;
      met.relists += follower.lists - 1;
      met.applied += stored;
    }),
    { seed, numRuns: Math.round(60 * Math.max(1, runsFactor)) },
  );
  console.log(`coordination: ${JSON.stringify(met)}`);
  assert.ok(met.indefinite >= 20 && met.conflicts >= 100 && met.cuts >= 30 && met.relists >= 3, JSON.stringify(met));
});
