import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { drain } from "../../../engine/broker/world.test.support.ts";
import { BatchHeader, limits, memoryStorage, type RunBytes } from "../../../engine/index.ts";
import { openFace, type TestClient, type TestFace } from "../client.test.support.ts";
import { type KafkaErrorName, kafkaErrors } from "../errors.ts";
import { fetch } from "../schema/fetch.ts";
import type { Read } from "../schema/notation.ts";

type FetchAnswer = Read<(typeof fetch)["response"]>;
type PartitionAnswer = FetchAnswer["responses"][number]["partitions"][number];

const code = (name: KafkaErrorName) => kafkaErrors[name].code;
const plenty = 10_000_000;

interface Asked {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly offset: number;
}

interface Asking {
  readonly version?: number;
  readonly session?: readonly [number, number];
  readonly maxWaitMs?: number;
  readonly minBytes?: number;
  readonly maxBytes?: number;
  readonly partitionMaxBytes?: number;
  readonly forgotten?: readonly Asked[];
  readonly isolationLevel?: number;
  readonly more?: Readonly<Record<string, number>>;
}

/** What is asked for, as a request of any version. */
function requestOf(asked: readonly Asked[], options: Asking = {}) {
  const { session = [0, -1], maxWaitMs = 0, minBytes = 0, maxBytes = plenty, partitionMaxBytes = plenty } = options;
  return {
    ...{ replicaId: -1, maxWaitMs, minBytes, maxBytes, isolationLevel: options.isolationLevel ?? 0 },
    ...{ sessionId: session[0], sessionEpoch: session[1] },
    topics: asked.map(({ topic, topicId, partition, offset }) => ({
      ...{ topic, topicId },
      partitions: [{ partition, fetchOffset: offset, partitionMaxBytes, ...options.more }],
    })),
    forgottenTopicsData: (options.forgotten ?? []).map(({ topic, topicId, partition }) => ({
      ...{ topic, topicId, partitions: [partition] },
    })),
  };
}

const ask = (client: TestClient, asked: readonly Asked[], options: Asking = {}) =>
  client.ask(fetch, options.version ?? 12, requestOf(asked, options));

/** A face of one topic, with so many partitions. */
async function faceWith(partitions: number, options: Parameters<typeof openFace>[0] = {}) {
  const face = await openFace({ fetchPoolBytes: limits.maxRunBytes, ...options });
  const { id } = await face.broker.createTopic("t", { partitions });
  const of = (partition: number, offset = 0): Asked => ({ topic: "t", topicId: id, partition, offset });
  return { face, client: face.connect(), of };
}

const write = (face: TestFace, partition: number, ...values: string[]) =>
  face.broker.produce(
    "t",
    values.map((value) => ({ value, timestamp: 5 })),
    { partition },
  );

function partitionsOf({ responses }: FetchAnswer): PartitionAnswer[] {
  return responses.flatMap(({ partitions }) => partitions);
}

function bytesOf(records: RunBytes | null): Uint8Array {
  if (records === null) return new Uint8Array(0);
  return records instanceof Uint8Array ? records : Uint8Array.from(records.flatMap((chunk) => [...chunk]));
}

/** Offsets of batches, first and last, and where to go on. */
function batchesIn(records: RunBytes | null): [number, number][] {
  const header = new BatchHeader(bytesOf(records));
  const found: [number, number][] = [];
  for (let at = 0; header.at(at); at += header.sizeBytes) found.push([header.baseOffset, header.lastOffset]);
  return found;
}

test("whole batches as they are stored, with the offsets that a client goes by", async () => {
  const { face, client, of } = await faceWith(2);
  await write(face, 0, "a", "b", "c");
  await write(face, 0, "d");
  await face.broker.deleteRecords("t", 0, 1);
  for (let version = 4; version <= 16; version++) {
    const answer = await ask(client, [of(0, 2), of(1)], { version });
    const [first, second] = partitionsOf(answer);
    deepStrictEqual([answer.errorCode, answer.sessionId], [0, 0]);
    deepStrictEqual(
      batchesIn(first?.records ?? null),
      [
        [0, 2],
        [3, 3],
      ],
      `version ${version}`,
    );
    deepStrictEqual([first?.highWatermark, first?.lastStableOffset], [4, 4]);
    strictEqual(first?.logStartOffset, version < 5 ? -1 : 1);
    strictEqual(first?.abortedTransactions, null);
    deepStrictEqual([second?.highWatermark, bytesOf(second?.records ?? null).length], [0, 0]);
    const [stored] = await face.broker.fetchBatches([{ topic: "t", partition: 0, offset: 2 }]);
    deepStrictEqual(bytesOf(first?.records ?? null), stored?.bytes);
  }
  const committed = await ask(client, [of(0, 2)], { isolationLevel: 1 });
  deepStrictEqual(partitionsOf(committed)[0]?.abortedTransactions, []);
  await face.close();
});

test("what cannot be read is told by its code, beside what can", async () => {
  const storage = memoryStorage();
  const before = await openFace({ storage });
  await before.broker.createTopic("other");
  await before.close();
  const { face, client, of } = await faceWith(1, { storage: storage.crash(() => 0) });
  await write(face, 0, "a");
  const codes = async (asked: readonly Asked[], options: Asking = {}) =>
    partitionsOf(await ask(client, asked, options)).map(({ errorCode }) => errorCode);
  const noTopic = { topic: "gone", topicId: "7".repeat(32), partition: 0, offset: 0 };
  deepStrictEqual(await codes([of(0), of(9), noTopic]), [0, 3, 3]);
  deepStrictEqual(await codes([of(0), noTopic], { version: 13 }), [0, code("UNKNOWN_TOPIC_ID")]);
  for (const offset of [-1, 5, 2 ** 53 - 1]) deepStrictEqual(await codes([of(0, offset)]), [1], String(offset));
  const epochs = [0, 1, 2].map((currentLeaderEpoch) => codes([of(0)], { more: { currentLeaderEpoch } }));
  deepStrictEqual(await Promise.all(epochs), [[code("FENCED_LEADER_EPOCH")], [0], [code("UNKNOWN_LEADER_EPOCH")]]);
  const failed = partitionsOf(await ask(client, [of(0, 5)]))[0];
  deepStrictEqual([failed?.highWatermark, failed?.logStartOffset, failed?.lastStableOffset], [-1, -1, -1]);
  for (const version of [4, 7, 16]) {
    const follower = version < 15 ? { replicaId: 1 } : { replicaState: { replicaId: 1, replicaEpoch: 0 } };
    const answer = await client.ask(fetch, version, { ...requestOf([of(0)]), ...follower } as never);
    const told = version < 7 ? partitionsOf(answer)[0]?.errorCode : answer.errorCode;
    strictEqual(told, code("INVALID_REQUEST"), `a follower in version ${version}`);
  }
  await face.close();
});

test("a log that went another way is told where it parted (KIP-595)", async () => {
  const storage = memoryStorage();
  const first = await faceWith(1, { storage });
  await write(first.face, 0, "a", "b");
  await first.face.close();
  const face = await openFace({ storage: storage.crash(() => 0) });
  const client = face.connect();
  const topicId = face.broker.describeTopic("t").id;
  const at = async (offset: number, lastFetchedEpoch: number) => {
    const answer = await ask(client, [{ topic: "t", topicId, partition: 0, offset }], { more: { lastFetchedEpoch } });
    const { errorCode, divergingEpoch, records } = partitionsOf(answer)[0]!;
    return [errorCode, divergingEpoch.epoch, divergingEpoch.endOffset, bytesOf(records).length > 0];
  };
  await face.broker.produce("t", [{ value: "c" }]);
  deepStrictEqual(await at(2, 0), [0, -1, -1, true], "it read all of epoch 0");
  deepStrictEqual(await at(3, 0), [0, 0, 2, false], "it read more of epoch 0 than there is");
  deepStrictEqual(await at(3, 1), [0, -1, -1, false], "it is at the end");
  await face.close();
});

test("a fetch waits for its bytes, is woken by them, and not for longer than it said", async () => {
  const { face, client, of } = await faceWith(2);
  let waiting = ask(client, [of(0), of(1)], { minBytes: 1, maxWaitMs: 5000 });
  await drain();
  strictEqual(face.broker.metrics().waitingFetches, 1);
  await write(face, 1, "a");
  deepStrictEqual(
    partitionsOf(await waiting).map(({ records }) => batchesIn(records).length),
    [0, 1],
  );
  waiting = ask(client, [of(0)], { minBytes: 1, maxWaitMs: 5000 });
  await drain();
  await face.world.clock.advance(4999);
  strictEqual(face.broker.metrics().waitingFetches, 1);
  await face.world.clock.advance(2);
  deepStrictEqual(
    partitionsOf(await waiting).map(({ errorCode, highWatermark }) => [errorCode, highWatermark]),
    [[0, 0]],
  );
  const refused = await ask(client, [of(0), of(9)], { minBytes: 1, maxWaitMs: 5000 });
  deepStrictEqual(
    partitionsOf(refused).map(({ errorCode }) => errorCode),
    [0, 3],
    "an error waits for nothing",
  );
  await face.close();
});

test("whoever waits when the connection ends gets what there is, and one that is gone waits no longer", async () => {
  const { face, client, of } = await faceWith(1);
  const waiting = ask(client, [of(0)], { minBytes: 1, maxWaitMs: 60_000 });
  await drain();
  client.peer.finish();
  deepStrictEqual(
    partitionsOf(await waiting).map(({ errorCode }) => errorCode),
    [0],
  );
  ok(client.hasEnded);
  const gone = face.connect();
  gone.send(fetch, 12, requestOf([of(0)], { minBytes: 1, maxWaitMs: 60_000 }));
  await drain();
  strictEqual(face.broker.metrics().waitingFetches, 1);
  gone.peer.closed();
  await drain();
  strictEqual(face.broker.metrics().waitingFetches, 0);
  await face.close();
});

test("the first partition with records gives one whole batch, whatever the limits", async () => {
  const { face, client, of } = await faceWith(3);
  for (const partition of [1, 2]) for (const value of ["a", "b"]) await write(face, partition, value.repeat(500));
  for (const options of [{ maxBytes: 0 }, { maxBytes: 1 }, { maxBytes: 1, partitionMaxBytes: 0 }, { maxBytes: -1 }]) {
    const answer = partitionsOf(await ask(client, [of(0), of(1), of(2)], options));
    deepStrictEqual(
      answer.map(({ records }) => batchesIn(records)),
      [[], [[0, 0]], []],
      JSON.stringify(options),
    );
    deepStrictEqual(
      answer.map(({ highWatermark }) => highWatermark),
      [0, 2, 2],
    );
  }
  const two = partitionsOf(await ask(client, [of(0), of(1), of(2)], { partitionMaxBytes: 700 }));
  deepStrictEqual(
    two.map(({ records }) => batchesIn(records).length),
    [0, 1, 1],
    "a limit a partition",
  );
  await face.close();
});

test("what is lent to an answer is given back when it has left, or never will", async () => {
  const { face, client, of } = await faceWith(1);
  await write(face, 0, "a".repeat(1000));
  client.keepSent();
  await ask(client, [of(0)]);
  await ask(client, [of(0)]);
  const lent = face.broker.metrics().lentBytes;
  ok(lent > 2000, `${lent} bytes`);
  client.sendAll();
  strictEqual(face.broker.metrics().lentBytes, 0);
  client.hasRoom = false;
  await ask(client, [of(0)]);
  client.send(fetch, 12, requestOf([of(0)]));
  await drain();
  ok(face.broker.metrics().lentBytes > 2000, "one is being sent, and one waits for its turn");
  client.peer.closed();
  client.sendAll();
  await drain();
  strictEqual(face.broker.metrics().lentBytes, 0);
  await face.close();
});

test("a session says what is new, and nothing else", async () => {
  const { face, client, of } = await faceWith(3);
  await write(face, 0, "a");
  const full = await ask(client, [of(0), of(1), of(2)], { session: [0, 0] });
  ok(full.sessionId > 0);
  const told = (answer: FetchAnswer) =>
    partitionsOf(answer).map(({ partitionIndex, highWatermark, records }) => [
      ...[partitionIndex, highWatermark, batchesIn(records).length],
    ]);
  deepStrictEqual(told(full), [
    [0, 1, 1],
    [1, 0, 0],
    [2, 0, 0],
  ]);
  let epoch = 0;
  const next = (asked: readonly Asked[] = [], options: Asking = {}) => {
    epoch += 1;
    return ask(client, asked, { session: [full.sessionId, epoch], ...options });
  };
  deepStrictEqual(told(await next([of(0, 1)])), [], "all has been told");
  await write(face, 1, "b");
  await write(face, 2, "c");
  deepStrictEqual(
    told(await next([], { maxBytes: 1 })),
    [
      [1, 1, 1],
      [2, 1, 0],
    ],
    "a high watermark alone is news",
  );
  deepStrictEqual(told(await next([of(1, 1)], { maxBytes: 1 })), [[2, 1, 1]]);
  deepStrictEqual(told(await next([], { forgotten: [of(2)] })), [], "forgotten");
  await face.broker.deleteRecords("t", 0, 1);
  const deleted = partitionsOf(await next());
  deepStrictEqual(
    deleted.map(({ partitionIndex, logStartOffset }) => [partitionIndex, logStartOffset]),
    [[0, 1]],
  );
  const wrong = await next([of(0, 99)]);
  deepStrictEqual(
    partitionsOf(wrong).map(({ errorCode }) => errorCode),
    [1],
  );
  deepStrictEqual(
    partitionsOf(await next()).map(({ errorCode }) => errorCode),
    [1],
    "as long as it is so",
  );
  deepStrictEqual(told(await next([of(0, 1)])), [[0, 1, 0]], "and that it is over");
  deepStrictEqual(told(await next([of(2)])), [[2, 1, 1]], "one that is new");

  // Of one that is not known, or another's fetch, and of other names for its topics.
  const failed = async (session: readonly [number, number], version = 12) =>
    (await ask(client, [], { session, version })).errorCode;
  strictEqual(await failed([full.sessionId, epoch]), code("INVALID_FETCH_SESSION_EPOCH"));
  strictEqual(await failed([full.sessionId, epoch + 2]), code("INVALID_FETCH_SESSION_EPOCH"));
  strictEqual(await failed([full.sessionId + 1, 1]), code("FETCH_SESSION_ID_NOT_FOUND"));
  strictEqual(await failed([full.sessionId, epoch + 1], 13), code("FETCH_SESSION_TOPIC_ID_ERROR"));
  deepStrictEqual(told(await next([of(2, 1)])), [], "none of these changed it");
  await ask(client, [of(0)], { session: [full.sessionId, -1] });
  strictEqual(await failed([full.sessionId, epoch + 1]), code("FETCH_SESSION_ID_NOT_FOUND"), "it was ended");
  await face.close();
});

type Step =
  | {
      readonly kind: "produce" | "delete" | "seek" | "toggle" | "disorder" | "recreate";
      readonly partition: number;
      readonly size: number;
    }
  | { readonly kind: "fetch"; readonly maxBytes: number };

const kinds = [
  ..."produce produce delete delete seek seek seek toggle toggle toggle disorder disorder recreate".split(" "),
] as Exclude<Step["kind"], "fetch">[];
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 5,
    arbitrary: fc.record({
      kind: fc.constantFrom(...kinds),
      partition: fc.nat(3),
      size: fc.nat(3),
    }),
  },
  {
    weight: 5,
    arbitrary: fc.record({ kind: fc.constant("fetch" as const), maxBytes: fc.constantFrom(1, 300, plenty) }),
  },
);

test("a session's answers add up to what a full fetch says", async () => {
  const seen = new Map<string, number>();
  const note = (what: string, count = 1) => void (count > 0 && seen.set(what, (seen.get(what) ?? 0) + count));
  await fc.assert(
    fc.asyncProperty(
      fc.constantFrom(7, 11, 12, 13, 16),
      fc.array(step, { minLength: 10, maxLength: 60 }),
      async (version, steps) => {
        const run = await SessionRun.begin(version, note);
        for (const one of steps) await run.take(one);
        await run.end();
      },
    ),
    { numRuns: 100 },
  );
  const floors = {
    ...{ fetches: 500, silent: 200, "news without records": 25, "cut short": 20, forgotten: 50, added: 30 },
    ...{ errors: 80, restarted: 10, "log start alone": 1, recreated: 5 },
  };
  for (const [what, floor] of Object.entries(floors)) ok((seen.get(what) ?? 0) >= floor, `${what}: ${seen.get(what)}`);
});

interface Known {
  offset: number;
  /** As the broker told it last. */
  highWatermark: number;
  logStartOffset: number;
  hasFailed: boolean;
  /** What it is to be told with the next fetch. */
  isChanged: boolean;
}

/** A client with a session, and another that asks in full and is taken for the truth. */
class SessionRun {
  readonly #version: number;
  readonly #note: (what: string, count?: number) => void;
  readonly #face: TestFace;
  readonly #client: TestClient;
  readonly #truth: TestClient;
  #topicId: string;
  /** In the order in which the broker is to read them. */
  #known: Map<number, Known> = new Map();
  #forgotten: Set<number> = new Set();
  #session: [number, number] = [0, 0];

  private constructor(version: number, face: TestFace, topicId: string, note: (what: string, count?: number) => void) {
    this.#version = version;
    this.#face = face;
    this.#note = note;
    this.#client = face.connect();
    this.#truth = face.connect();
    this.#topicId = topicId;
  }

  static async begin(version: number, note: (what: string, count?: number) => void): Promise<SessionRun> {
    const { face, of } = await faceWith(4);
    const run = new SessionRun(version, face, of(0).topicId, note);
    for (const partition of [0, 1, 2]) run.#add(partition);
    return run;
  }

  end(): Promise<void> {
    return this.#face.close();
  }

  #add(partition: number): void {
    const unknown = { highWatermark: -1, logStartOffset: -1, hasFailed: false };
    this.#known.set(partition, { offset: 0, ...unknown, isChanged: true });
    this.#forgotten.delete(partition);
  }

  async take(taken: Step): Promise<void> {
    const { broker } = this.#face;
    if (taken.kind === "fetch") {
      await this.#fetch(taken.maxBytes);
      return;
    }
    const { kind, partition, size } = taken;
    const known = this.#known.get(partition);
    if (kind === "produce") {
      for (let count = 0; count <= size; count++) await write(this.#face, partition, "v".repeat(40 * size + 1));
    } else if (kind === "delete") {
      const { earliest, latest } = broker.offsets("t", partition);
      await broker.deleteRecords("t", partition, Math.min(latest, earliest + size));
    } else if (kind === "seek" && known !== undefined) {
      known.offset = size === 3 ? broker.offsets("t", partition).latest : size;
      known.isChanged = true;
    } else if (kind === "toggle") {
      if (known === undefined) {
        // Forgotten and wanted again within one request: whether it keeps its place is the broker's matter.
        if (this.#forgotten.has(partition)) return;
        this.#add(partition);
        this.#note("added");
      } else if (this.#known.size > 1 && !(known.isChanged && known.highWatermark === -1 && !known.hasFailed)) {
        this.#known.delete(partition);
        this.#forgotten.add(partition);
        this.#note("forgotten");
      }
    } else if (kind === "disorder" && this.#session[1] !== 0) {
      const session = [this.#session[0], this.#session[1] + 1 + size] as const;
      const { errorCode } = await ask(this.#client, [], { version: this.#version, session });
      strictEqual(errorCode, code("INVALID_FETCH_SESSION_EPOCH"));
      if (size === 0) this.#restart();
    } else if (kind === "recreate" && size === 0) {
      await broker.deleteTopic("t");
      const { id } = await broker.createTopic("t", { partitions: 4 });
      this.#note("recreated");
      // One that names topics has all it knows of the former one; one with ids sees that it is gone, and asks anew.
      if (this.#version < 13) return;
      await this.#fetch(plenty);
      this.#topicId = id;
      this.#restart();
    }
  }

  #restart(): void {
    this.#session = [this.#session[0], 0];
    for (const known of this.#known.values()) known.isChanged = true;
    this.#forgotten.clear();
    this.#note("restarted");
  }

  #asked(partition: number, { offset }: Known): Asked {
    return { topic: "t", topicId: this.#topicId, partition, offset };
  }

  async #fetch(maxBytes: number): Promise<void> {
    const isFull = this.#session[1] === 0;
    const truth = new Map<number, PartitionAnswer>();
    for (const [partition, known] of this.#known) {
      const answer = await ask(this.#truth, [this.#asked(partition, known)], { version: this.#version });
      truth.set(partition, partitionsOf(answer)[0]!);
    }
    const changed = [...this.#known].filter(([, { isChanged }]) => isChanged || isFull);
    const answer = await ask(
      this.#client,
      changed.map(([partition, known]) => this.#asked(partition, known)),
      {
        ...{ version: this.#version, session: this.#session, maxBytes },
        forgotten: [...this.#forgotten].map((partition) => this.#asked(partition, { offset: 0 } as Known)),
      },
    );
    strictEqual(answer.errorCode, 0);
    this.#forgotten.clear();
    this.#session = [answer.sessionId, isFull ? 1 : this.#session[1] + 1];
    this.#note("fetches");
    this.#check(answer, truth, maxBytes, isFull);
  }

  #check(answer: FetchAnswer, truth: ReadonlyMap<number, PartitionAnswer>, maxBytes: number, isFull: boolean): void {
    const told = new Map(partitionsOf(answer).map((one) => [one.partitionIndex, one]));
    for (const partition of told.keys()) ok(this.#known.has(partition), `${partition} is none of the session's`);
    if (!isFull && told.size === 0) this.#note("silent");
    const first = [...this.#known.keys()].find((partition) => bytesOf(truth.get(partition)!.records).length > 0);
    if (first !== undefined) {
      ok(bytesOf(told.get(first)?.records ?? null).length > 0, `${first} is first in turn, and has records`);
    }
    const served: number[] = [];
    for (const [partition, known] of this.#known) {
      const is = truth.get(partition)!;
      const one = told.get(partition);
      const wanted = bytesOf(is.records);
      known.isChanged = false;
      if (one === undefined) {
        ok(!isFull);
        deepStrictEqual(
          [is.errorCode, is.highWatermark, is.logStartOffset],
          [0, known.highWatermark, known.logStartOffset],
        );
        ok(wanted.length === 0 || maxBytes < plenty, "records are told when there is room");
        ok(!known.hasFailed, "that an error is over is told");
        continue;
      }
      deepStrictEqual(
        [one.errorCode, one.highWatermark, one.logStartOffset],
        [is.errorCode, is.highWatermark, is.logStartOffset],
      );
      const got = bytesOf(one.records);
      deepStrictEqual(got, wanted.subarray(0, got.length));
      if (maxBytes === plenty) strictEqual(got.length, wanted.length);
      this.#note("cut short", got.length < wanted.length ? 1 : 0);
      this.#note("errors", one.errorCode === 0 ? 0 : 1);
      if (!isFull && one.errorCode === 0 && got.length === 0) {
        this.#note("news without records");
        const isMoved = one.highWatermark !== known.highWatermark || one.logStartOffset !== known.logStartOffset;
        ok(isMoved, "what is told is new");
        this.#note("log start alone", one.highWatermark === known.highWatermark ? 1 : 0);
      }
      known.hasFailed = one.errorCode !== 0;
      known.highWatermark = one.highWatermark;
      known.logStartOffset = one.logStartOffset;
      if (got.length === 0) continue;
      served.push(partition);
      known.offset = batchesIn(got).at(-1)![1] + 1;
      known.isChanged = true;
    }
    if (isFull) return;
    for (const partition of served) {
      const known = this.#known.get(partition)!;
      this.#known.delete(partition);
      this.#known.set(partition, known);
    }
  }
}
