import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MoldauError } from "../errors.ts";
import { createTwinKernel } from "../kernel/twin.ts";
import { producerIdBlock } from "../limits.ts";
import { type Storage, StorageError } from "../port/storage.ts";
import type { StorageOperation } from "../port/storage-operation.ts";
import type { Clock, Logger } from "../port/world.ts";
import { type MemoryStorage, memoryStorage } from "../storage/memory.ts";
import { readFile } from "../storage/read-file.ts";
import { replaceFile } from "../storage/replace-file.ts";
import { type MetadataChange, MetadataStore } from "./metadata.ts";
import { encodeBatch } from "./metadata-journal.ts";

const kernel = createTwinKernel();
const clock: Clock = { now: () => 1_767_000_000_000, monotonic: () => 0, schedule: () => () => {} };
const id = "0123456789abcdef0123456789abcdef";

class Lines implements Logger {
  readonly lines: { readonly level: string; readonly message: string; readonly truncatedBytes: number }[] = [];
  log(level: string, message: string, fields: Readonly<Record<string, unknown>> = {}): void {
    this.lines.push({ level, message, truncatedBytes: Number(fields["truncatedBytes"] ?? 0) });
  }
}

const open = (storage: Storage, logger: Logger = new Lines(), compactBytes?: number): Promise<MetadataStore> =>
  MetadataStore.open(storage, kernel, clock, logger, compactBytes === undefined ? {} : { compactBytes });

const create = (name: string, partitions = 1, configs: [string, string][] = []): MetadataChange => ({
  kind: "createTopic",
  topic: { name, id, partitions, configs: new Map(configs) },
});

const isError =
  (code: string, more: (error: MoldauError) => boolean = () => true) =>
  (error: unknown): boolean =>
    error instanceof MoldauError && error.code === code && more(error);

async function journalPath(storage: Storage): Promise<string> {
  const entries = await storage.list("metadata");
  assert.equal(entries.length, 1);
  return `metadata/${entries[0]!.name}`;
}

async function rewrite(storage: Storage, change: (bytes: Uint8Array) => Uint8Array): Promise<string> {
  const path = await journalPath(storage);
  const bytes = await readFile(storage, path, 2 ** 24);
  await replaceFile(storage, path, change(bytes!));
  return path;
}

test("topics, the leader epoch and producer ids come back", async () => {
  const storage = memoryStorage();
  const first = await open(storage);
  assert.equal(first.leaderEpoch, -1);
  await first.apply(create("__proto__", 3, [["retention.ms", "9223372036854775807"]]));
  await first.apply(create("gone"));
  await first.apply({ kind: "deleteTopic", name: "gone" });
  await first.apply({ kind: "alterTopic", name: "__proto__", partitions: 5 });
  await first.apply({ kind: "leaderEpoch", leaderEpoch: 4 });
  assert.equal(await first.allocateProducerId(), 0);
  assert.equal(await first.allocateProducerId(), 1);
  await first.close();
  await assert.rejects(first.apply(create("late")), isError("BROKER_CLOSED"));

  const second = await open(storage.restart());
  const expected = {
    name: "__proto__",
    id,
    partitions: 5,
    configs: new Map([["retention.ms", "9223372036854775807"]]),
  };
  assert.deepEqual([...second.topics.values()], [expected]);
  assert.equal(second.leaderEpoch, 4);
  assert.equal(await second.allocateProducerId(), producerIdBlock);
  await second.apply({ kind: "alterTopic", name: "__proto__", configs: new Map([["segment.ms", "5"]]) });
  assert.deepEqual(second.topics.get("__proto__"), { ...expected, configs: new Map([["segment.ms", "5"]]) });
});

test("an illegal change is refused, and its neighbours are not", async () => {
  const store = await open(memoryStorage());
  const outcomes = await Promise.allSettled([
    store.apply(create("a", 2)),
    store.apply(create("a")),
    store.apply({ kind: "deleteTopic", name: "b" }),
    store.apply({ kind: "alterTopic", name: "a", partitions: 1 }),
    store.apply({ kind: "leaderEpoch", leaderEpoch: 3 }),
    store.apply({ kind: "leaderEpoch", leaderEpoch: 3 }),
    store.apply({ kind: "producerIdBlock", first: 1, nextFree: 1001 }),
    store.apply(create("b")),
  ]);
  const codes = outcomes.map((outcome) =>
    outcome.status === "fulfilled" ? "ok" : (outcome.reason as MoldauError).code,
  );
  assert.deepEqual(codes, [
    "ok",
    "TOPIC_ALREADY_EXISTS",
    "UNKNOWN_TOPIC_OR_PARTITION",
    "INVALID_PARTITIONS",
    "ok",
    "INVALID_REQUEST",
    "INVALID_REQUEST",
    "ok",
  ]);
  assert.deepEqual([...store.topics.keys()], ["a", "b"]);
});

test("what waits during a sync shares the next one, and producer ids share a block", async () => {
  let syncs = 0;
  const storage = memoryStorage({ trace: ({ kind }) => void (syncs += kind === "sync" ? 1 : 0) });
  const store = await open(storage);
  syncs = 0;
  await Promise.all(Array.from({ length: 100 }, (_, index) => store.apply(create(`t${index}`))));
  assert.equal(syncs, 2);
  const ids = await Promise.all(Array.from({ length: producerIdBlock + 5 }, () => store.allocateProducerId()));
  assert.equal(new Set(ids).size, ids.length);
  assert.equal(syncs, 4);
});

test("nothing is visible before it is synced", async () => {
  let store: MetadataStore | null = null;
  let watched = 0;
  const storage = memoryStorage({
    onOperation: ({ kind }) => {
      if (store === null || kind !== "sync") return;
      watched += 1;
      assert.equal(store.topics.size, 0);
    },
  });
  store = await open(storage);
  await store.apply(create("a"));
  assert.equal(watched, 1);
  assert.equal(store.topics.size, 1);
});

test("a full disk refuses changes until there is room", async () => {
  const storage = memoryStorage();
  const store = await open(storage);
  await store.apply(create("a"));
  storage.setCapacity(storage.usedBytes());
  await assert.rejects(
    store.apply(create("b")),
    isError("KAFKA_STORAGE_ERROR", ({ retriable, effect }) => retriable && effect === "none"),
  );
  await assert.rejects(store.allocateProducerId(), isError("KAFKA_STORAGE_ERROR"));
  assert.equal(store.fenceReason, null);
  // A start without room for a copy goes on with what there is.
  await store.close();
  const full = storage.restart();
  const again = await open(full);
  assert.deepEqual([...again.topics.keys()], ["a"]);
  await assert.rejects(again.apply(create("b")), isError("KAFKA_STORAGE_ERROR"));
  full.setCapacity(2 ** 20);
  await again.apply(create("b"));
  assert.equal(await again.allocateProducerId(), 0);
  const last = await open(full.crash(() => 0.99));
  assert.deepEqual([...last.topics.keys()], ["a", "b"]);
});

test("a failed sync fences, and what the cache kept of it is made durable or dropped by the next start", async () => {
  let isBroken = false;
  const cases = [0, 0.99].flatMap((survives) => [true, false].map((hasRoom) => ({ survives, hasRoom })));
  for (const { survives, hasRoom } of cases) {
    isBroken = false;
    const storage = memoryStorage({
      onOperation: ({ kind }) => {
        if (isBroken && kind === "sync") throw new StorageError("io", "EIO");
      },
    });
    const store = await open(storage);
    await store.apply(create("a"));
    // Both together would share a batch, and its fate.
    await new Promise((resolve) => setImmediate(resolve));
    isBroken = true;
    const failing = store.apply(create("b"));
    const queued = store.apply(create("c"));
    await assert.rejects(
      failing,
      isError("KAFKA_STORAGE_ERROR", ({ effect }) => effect === "unknown"),
    );
    await assert.rejects(
      queued,
      isError("KAFKA_STORAGE_ERROR", ({ effect }) => effect === "none"),
    );
    isBroken = false;
    await assert.rejects(store.apply(create("c")), isError("KAFKA_STORAGE_ERROR"));
    await assert.rejects(store.allocateProducerId(), isError("KAFKA_STORAGE_ERROR"));
    assert.match(store.fenceReason ?? "", /EIO/);
    assert.deepEqual([...store.topics.keys()], ["a"]);

    let reads = 0;
    const killed = storage.restart({
      onOperation: ({ kind }) => {
        if (kind === "read") reads += 1;
      },
      // What is read once more is not there any more.
      evicts: () => reads > 1,
    });
    // Without room for a copy the journal goes on.
    if (!hasRoom) killed.setCapacity(killed.usedBytes());
    const seen = [...(await open(killed)).topics.keys()];
    const lost = killed.crash(() => survives);
    assert.deepEqual([...(await open(lost)).topics.keys()], seen, "what a start exposed is durable");
  }
});

test("an append that fails for another reason than room fences", async () => {
  let isBroken = false;
  const storage = memoryStorage({
    onOperation: ({ kind }) => {
      if (isBroken && kind === "append") throw new StorageError("io", "EIO");
    },
  });
  const store = await open(storage);
  isBroken = true;
  await assert.rejects(
    store.apply(create("a")),
    isError("KAFKA_STORAGE_ERROR", ({ effect }) => effect === "unknown"),
  );
  isBroken = false;
  await assert.rejects(
    store.apply(create("b")),
    isError("KAFKA_STORAGE_ERROR", ({ effect }) => effect === "none"),
  );
  assert.match(store.fenceReason ?? "", /EIO/);
});

test("a torn tail is cut on a full disk too", async () => {
  const storage = memoryStorage();
  const store = await open(storage);
  await store.apply(create("a"));
  await store.apply(create("b"));
  await store.close();
  await rewrite(storage, (bytes) => bytes.slice(0, bytes.length - 7));
  storage.setCapacity(storage.usedBytes());
  const again = await open(storage);
  storage.setCapacity(2 ** 20);
  await again.apply(create("c"));
  const last = await open(storage.crash(() => 0.99));
  assert.deepEqual([...last.topics.keys()], ["a", "c"]);
});

test("a torn tail is cut and logged with its bytes", async () => {
  const storage = memoryStorage();
  const store = await open(storage);
  await store.apply(create("a"));
  await store.apply(create("b"));
  await store.close();
  await rewrite(storage, (bytes) => bytes.slice(0, bytes.length - 7));
  const logger = new Lines();
  const again = await open(storage, logger);
  assert.deepEqual([...again.topics.keys()], ["a"]);
  assert.equal(logger.lines.length, 1);
  assert.match(logger.lines[0]!.message, /metadata\/0{20}\.journal ends in a torn batch/);
  assert.ok(logger.lines[0]!.truncatedBytes > 100);
  await again.apply(create("c"));
  await again.close();
  const quiet = new Lines();
  assert.deepEqual([...(await open(storage, quiet)).topics.keys()], ["a", "c"]);
  assert.deepEqual(quiet.lines, []);
  assert.equal(await journalPath(storage), `metadata/${"2".padStart(20, "0")}.journal`, "older generations are gone");
});

test("corruption that no crash leaves is never dropped", async () => {
  const build = async (): Promise<{ storage: MemoryStorage; sizes: number[] }> => {
    const sizes: number[] = [];
    const storage = memoryStorage({
      trace: (operation: StorageOperation) => void (operation.kind === "append" && sizes.push(operation.sizeBytes!)),
    });
    const store = await open(storage);
    for (const name of ["a", "b", "c"]) await store.apply(create(name));
    await store.close();
    return { storage, sizes };
  };
  const { sizes } = await build();
  const lastBatch = sizes.slice(0, -1).reduce((sum, size) => sum + size, 0);
  for (let at = 0; at < lastBatch; at += 5) {
    const { storage } = await build();
    const path = await rewrite(storage, (bytes) => bytes.map((byte, index) => (index === at ? byte ^ 0x10 : byte)));
    const before = await readFile(storage, path, 2 ** 20);
    // The leader epoch of a batch's header is the one field that its checksum leaves out.
    const batchStart = sizes.reduce((start, size) => (start + size <= at ? start + size : start), 0);
    if (at - batchStart >= 12 && at - batchStart < 16) continue;
    await assert.rejects(
      open(storage),
      isError("DATA_FOLDER_UNUSABLE", ({ message }) => message.includes(path) && /at byte \d+/.test(message)),
      `byte ${at}`,
    );
    assert.deepEqual(await readFile(storage, path, 2 ** 20), before, "what was refused is left as it is");
  }
});

test("a folder that is not ours, or a newer one, is refused", async () => {
  const foreign = memoryStorage();
  await (await open(foreign)).close();
  foreign.create("metadata/notes.txt");
  await assert.rejects(
    open(foreign),
    isError("DATA_FOLDER_UNUSABLE", ({ message }) => /metadata\/notes\.txt/.test(message)),
  );

  const values = (lines: object[]): Uint8Array[] => lines.map((line) => new TextEncoder().encode(JSON.stringify(line)));
  const head = { kind: "snapshot", format: 1, leaderEpoch: 0, nextProducerId: 0, topics: 0 };
  const refused: [object[], RegExp][] = [
    [[{ ...head, format: 2 }], /has format 2, this Moldau reads 1/],
    [[{ ...head, topics: 1 }], /snapshot is not whole/],
    [[{ ...head, leaderEpoch: "0" }], /malformed/],
    [[{ kind: "leaderEpoch", leaderEpoch: 1 }], /does not begin with a snapshot/],
    [[head, { kind: "electLeader" }], /does not know/],
    [[head, { kind: "deleteTopic", name: "x" }], /contradicts/],
    [[head, { kind: "createTopic", topic: { name: "x", id, partitions: 0, configs: {} } }], /does not know/],
  ];
  for (const [lines, message] of refused) {
    const storage = memoryStorage();
    await (await open(storage)).close();
    await rewrite(storage, () => encodeBatch(values(lines), 0, 0, kernel).slice());
    await assert.rejects(
      open(storage),
      isError("DATA_FOLDER_UNUSABLE", (error) => message.test(error.message)),
      String(message),
    );
  }
  const empty = memoryStorage();
  await (await open(empty)).close();
  await rewrite(empty, () => new Uint8Array(0));
  await assert.rejects(open(empty), isError("DATA_FOLDER_UNUSABLE"));
});

test("a long journal is written anew; when that fails it stays, and takes changes on", async () => {
  let failing = false;
  const storage = memoryStorage({
    onOperation: ({ kind, paths }) => {
      if (failing && kind === "sync" && paths[0]!.endsWith(".tmp")) throw new StorageError("io", "EIO");
    },
  });
  const logger = new Lines();
  const store = await open(storage, logger, 2000);
  const bump = async (from: number, to: number): Promise<void> => {
    for (let leaderEpoch = from; leaderEpoch < to; leaderEpoch += 1)
      await store.apply({ kind: "leaderEpoch", leaderEpoch });
  };
  failing = true;
  await bump(0, 40);
  assert.ok(logger.lines.length >= 1 && logger.lines.length <= 4, "it tries again, but not at every change");
  assert.match(logger.lines[0]!.message, /stays long: EIO/);
  assert.equal(await journalPath(storage), `metadata/${"0".repeat(20)}.journal`);
  failing = false;
  await bump(40, 200);
  assert.ok(storage.usedBytes() <= 2200, String(storage.usedBytes()));
  assert.notEqual(await journalPath(storage), `metadata/${"0".repeat(20)}.journal`);
  assert.equal((await open(storage.crash(() => 0.99))).leaderEpoch, 199);
});

test("a rename that may or may not have happened fences: neither journal takes a change", async () => {
  for (const kind of ["rename", "syncDirectory"] as const) {
    let failing = false;
    const storage = memoryStorage({
      onOperation: (operation) => {
        if (failing && operation.kind === kind) throw new StorageError("io", "EIO");
      },
    });
    const store = await open(storage, new Lines(), 500);
    failing = true;
    let acknowledged = -1;
    for (let leaderEpoch = 0; leaderEpoch < 20; leaderEpoch += 1) {
      await store.apply({ kind: "leaderEpoch", leaderEpoch }).then(
        () => (acknowledged = leaderEpoch),
        () => {},
      );
    }
    assert.match(store.fenceReason ?? "", /EIO/);
    assert.ok(acknowledged > 0 && acknowledged < 19);
    failing = false;
    const killed = await open(storage.restart());
    assert.equal(killed.leaderEpoch, acknowledged);
  }
});

// Crashes at every operation: of starts, changes, compactions, producer ids.
const topicNames = ["a", "b", "c"];
const change = fc.oneof(
  fc.record({
    kind: fc.constant("create" as const),
    name: fc.constantFrom(...topicNames),
    value: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ kind: fc.constant("delete" as const), name: fc.constantFrom(...topicNames), value: fc.constant(0) }),
  fc.record({
    kind: fc.constant("alter" as const),
    name: fc.constantFrom(...topicNames),
    value: fc.integer({ min: 1, max: 9 }),
  }),
  fc.record({ kind: fc.constant("epoch" as const), name: fc.constant(""), value: fc.constant(0) }),
  fc.record({ kind: fc.constant("producer" as const), name: fc.constant(""), value: fc.constant(0) }),
);
const incarnation = fc.record({
  bursts: fc.array(fc.array(change, { minLength: 1, maxLength: 4, size: "max" }), { maxLength: 8, size: "max" }),
  crashAt: fc.integer({ min: 1, max: 60 }),
  seed: fc.nat(),
  ending: fc.constantFrom("crash", "kill", "close"),
});

/** What the journal should say: a line a topic, and the epoch. */
class Model {
  topics: Map<string, number> = new Map();
  leaderEpoch = -1;

  /** The code of the refusal, or null. */
  apply(asked: MetadataChange): string | null {
    if (asked.kind === "createTopic") {
      if (this.topics.has(asked.topic.name)) return "TOPIC_ALREADY_EXISTS";
      this.topics.set(asked.topic.name, asked.topic.partitions);
    } else if (asked.kind === "deleteTopic") {
      if (!this.topics.delete(asked.name)) return "UNKNOWN_TOPIC_OR_PARTITION";
    } else if (asked.kind === "alterTopic") {
      const partitions = this.topics.get(asked.name);
      if (partitions === undefined) return "UNKNOWN_TOPIC_OR_PARTITION";
      if (asked.partitions! < partitions) return "INVALID_PARTITIONS";
      this.topics.set(asked.name, asked.partitions!);
    } else if (asked.kind === "leaderEpoch") {
      this.leaderEpoch = asked.leaderEpoch;
    }
    return null;
  }

  toString(): string {
    return JSON.stringify([[...this.topics].sort(), this.leaderEpoch]);
  }

  static of(store: MetadataStore): Model {
    const model = new Model();
    for (const { name, partitions } of store.topics.values()) model.topics.set(name, partitions);
    model.leaderEpoch = store.leaderEpoch;
    return model;
  }
}

function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test("what was acknowledged is there after any crash, in order, and no producer id comes twice", async () => {
  const seen = { crashes: 0, crashedStarts: 0, crashedCompactions: 0, torn: 0, kills: 0, unknownKept: 0, ids: 0 };
  await fc.assert(
    fc.asyncProperty(fc.array(incarnation, { minLength: 1, maxLength: 4, size: "max" }), async (incarnations) => {
      let storage = memoryStorage();
      let possible: string[] = [new Model().toString()];
      const ids = new Set<number>();
      for (const { bursts, crashAt, seed, ending } of incarnations) {
        const random = seededRandom(seed);
        let crashed: MemoryStorage | null = null;
        let isOpen = false;
        let operations = 0;
        const logger = new Lines();
        const live: MemoryStorage = storage.restart({
          onOperation: ({ kind, paths }) => {
            operations += 1;
            if (operations !== crashAt || crashed !== null) return;
            crashed = live.crash(random, {});
            seen.crashes += 1;
            if (!isOpen) seen.crashedStarts += 1;
            if (isOpen && (kind === "rename" || kind === "syncDirectory" || paths[0]!.endsWith(".tmp")))
              seen.crashedCompactions += 1;
          },
        });
        const store = await open(live, logger, 400).catch((error: unknown) => {
          assert.ok(crashed !== null, String(error));
          return null;
        });
        seen.torn += logger.lines.filter(({ truncatedBytes }) => truncatedBytes > 0).length;
        if (store !== null) {
          isOpen = true;
          const recovered = Model.of(store);
          const kept = possible.lastIndexOf(recovered.toString());
          assert.notEqual(kept, -1, `${recovered} is none of ${possible.join(" ")}`);
          if (kept > 0) seen.unknownKept += 1;

          // In the order of asking: what is legal after what; where acknowledgements reached.
          const model = recovered;
          const states = [model.toString()];
          let acknowledged = 0;
          for (const burst of bursts) {
            await Promise.all(
              burst.map(async ({ kind, name, value }) => {
                if (kind === "producer") {
                  const allocated = await store.allocateProducerId().catch(() => null);
                  if (allocated === null) return assert.ok(crashed !== null);
                  assert.ok(!ids.has(allocated), `producer id ${allocated} twice`);
                  ids.add(allocated);
                  seen.ids += 1;
                  return undefined;
                }
                const asked: MetadataChange =
                  kind === "create"
                    ? create(name, value)
                    : kind === "delete"
                      ? { kind: "deleteTopic", name }
                      : kind === "alter"
                        ? { kind: "alterTopic", name, partitions: value }
                        : { kind: "leaderEpoch", leaderEpoch: model.leaderEpoch + 1 };
                const refusal = model.apply(asked);
                const place = refusal === null ? states.push(model.toString()) - 1 : 0;
                const outcome = await store.apply(asked).then(
                  () => null,
                  (error: MoldauError) => error.code,
                );
                if (crashed === null || outcome === null) assert.equal(outcome, refusal);
                if (outcome === null) acknowledged = Math.max(acknowledged, place);
                return undefined;
              }),
            );
          }
          possible = states.slice(acknowledged);
          if (crashed === null && ending === "close") await store.close();
        }
        if (crashed === null && ending === "crash") {
          crashed = live.crash(random, {});
          seen.crashes += 1;
        }
        if (crashed === null) seen.kills += 1;
        storage = crashed ?? live;
      }
      const last = Model.of(await open(storage.restart({}))).toString();
      assert.ok(possible.includes(last), `${last} is none of ${possible.join(" ")}`);
    }),
    { numRuns: 400 },
  );
  for (const [what, times] of Object.entries(seen)) assert.ok(times >= 3, `${what}: ${times}`);
});
