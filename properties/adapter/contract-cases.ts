// What every adapter must do: the contract as named cases, for whatever runner there is.
//
// Owns: the cases, and what each says when it fails. A case that the manifest excludes is not in the list, so
//   that nothing is passed over in silence.
// Never: knows a test runner, or which log is behind an adapter; looks for lost records under load (`checkLog`,
//   `runWorkload`): these are the calls one by one.

import {
  type Acks,
  type ListedTopic,
  type LogAdapter,
  type Manifest,
  type Membership,
  outcomeOf,
  type Place,
  type RecordToAppend,
  type StoredRecord,
} from "./contract.ts";
import { demandManifest, demandOpen, heldToShapes, promisedMethods } from "./contract-shapes.ts";

export interface ContractOptions {
  /** For each case; of one log or of a new one each time. The case closes it. */
  readonly open: () => LogAdapter | Promise<LogAdapter>;
  /** As the adapter has it: the cases go by this, and hold the adapter to it. */
  readonly supports: Manifest;
  /** Whether it has `restart`. */
  readonly restarts?: boolean; // false
  /** A case that takes longer than this has failed. Milliseconds. */
  readonly timeoutMs?: number; // 60 000
}

export interface ContractCase {
  /** What is demanded, as a sentence without its subject: `reads back what was appended`. */
  readonly name: string;
  /** Rejects with an error that says what was demanded, and what came instead. */
  readonly run: () => Promise<void>;
}

interface Scene {
  readonly adapter: LogAdapter;
  /** Of two partitions, and of this case alone. */
  readonly topic: string;
  readonly supports: Manifest;
  /** Rejects when it has not come about after half of the case's time. */
  until(isTrue: () => boolean | Promise<boolean>, what: string): Promise<void>;
}

type Run = (scene: Scene) => Promise<void>;

/** In one log many runs may lie beside each other. */
const run = `${Date.now().toString(36)}${Math.random().toString(36).slice(2, 8)}`;
let topics = 0;
const now = 1_767_225_600_000;
const lookMs = 20;
/** What a read that waits may take longer than it was told to: a machine may be busy. */
const slackMs = 10_000;
const waitMs = 2000;

/**
 * The cases for one adapter. Each stands alone, and makes topics of its own, which it deletes when the adapter can.
 *
 * @throws {TypeError} without `open`, or with a manifest that is none.
 */
export function contractCases(options: ContractOptions): readonly ContractCase[] {
  demandOpen("contractCases", options);
  const { open, supports, restarts = false, timeoutMs = 60_000 } = options;
  demandManifest(supports, "the `supports` that contractCases is given");
  const cases: (readonly [name: string, run: Run])[] = [
    ["supports what it says", supportsWhatItSays],
    ["reads back what was appended", readsBack],
    ["begins a read in the middle of a batch", beginsInTheMiddle],
    ["answers a read that waits with what comes, or with nothing in time", waits],
    ["refuses to read beyond the end: OFFSET_OUT_OF_RANGE, effect none", refusesBeyondTheEnd],
    ["refuses what is not there: UNKNOWN_TOPIC_OR_PARTITION, effect none", refusesUnknown],
    ...supports.acks.map((acks) => [`keeps what is sent with acks=${acks}`, keeps(acks)] as const),
  ];
  if (supports.idempotence) cases.push(["stores a producer's batch once, however often it is sent", storesOnce]);
  if (supports.conditionalAppends) cases.push(["appends only where it is expected to", appendsWhereExpected]);
  if (supports.deleteRecords) cases.push(["deletes records, and starts there", deletesRecords]);
  if (supports.lookUpByTime) cases.push(["looks offsets up by time", looksUp]);
  if (supports.listTopics) cases.push(["lists the topics that there are", listsTopics]);
  if (supports.groups !== "none")
    cases.push(["shares partitions out among a group's members, and keeps what they commit", shares]);
  if (restarts) {
    cases.push(["has everything after an orderly restart, and goes on", outlives("close")]);
    cases.push(["has what it acknowledged with acks=all after a crash, and goes on", outlives("crash")]);
  }
  return cases.map(([name, act]) => ({ name, run: () => play({ open, supports, timeoutMs }, act) }));
}

async function play({ open, supports, timeoutMs }: Required<Omit<ContractOptions, "restarts">>, act: Run) {
  const within = <T>(work: Promise<T>, what: string): Promise<T> => limited(work, timeoutMs, what);
  const adapter = heldToShapes(await within(Promise.resolve(open()), "open"));
  const topic = `contract-${run}-${topics++}`;
  let isGood = false;
  try {
    await within(adapter.createTopic(topic, { partitions: 2 }), "createTopic");
    const until = async (isTrue: () => boolean | Promise<boolean>, what: string): Promise<void> => {
      const deadline = performance.now() + timeoutMs / 2;
      while (!(await isTrue())) {
        demand(performance.now() < deadline, `${what} did not come within ${timeoutMs / 2000} s`);
        await new Promise((resolve) => setTimeout(resolve, lookMs));
      }
    };
    await within(act({ adapter, topic, supports, until }), "the case");
    isGood = true;
  } finally {
    // Of two failures the first is the one to be told.
    const end = async (): Promise<void> => {
      try {
        await adapter.deleteTopic?.(topic);
      } finally {
        await adapter.close();
      }
    };
    const ended = within(end(), "deleteTopic or close");
    await (isGood ? ended : ended.catch(() => {}));
  }
}

// ---- what any adapter must do ------------------------------------------------------------------

async function supportsWhatItSays({ adapter, supports }: Scene): Promise<void> {
  same("`supports` of the adapter", sorted(adapter.supports), sorted(supports));
  demand(adapter.name.length > 0, "the adapter has no name");
  demand(supports.acks.length > 0, "`supports.acks` is empty: there has to be one way to append");
  for (const method of promisedMethods(supports))
    demand(adapter[method] !== undefined, `${method} is missing, which the manifest promises`);
}

async function readsBack({ adapter, topic, supports, until }: Scene): Promise<void> {
  const place = { topic, partition: 1 };
  const acks = strongest(supports);
  const offsetsOf = async (batch: readonly RecordToAppend[]): Promise<unknown> =>
    (await adapter.append(place, batch, { acks })).offsets;
  const keyed = { value: null, key: "k", timestamp: now + 5 };
  if (acks === "none") {
    await adapter.append(place, records("a", "b"), { acks });
    await until(async () => (await readAll(adapter, place)).length === 2, "two records");
    await adapter.append(place, [keyed], { acks });
    await until(async () => (await readAll(adapter, place)).length === 3, "a third record");
  } else {
    same("offsets of the first two records", await offsetsOf(records("a", "b")), [0, 1]);
    same("offsets of a third record", await offsetsOf([keyed]), [2]);
  }
  same("what lies there", await readAll(adapter, place), [
    { offset: 0, timestamp: now, value: "a" },
    { offset: 1, timestamp: now + 1, value: "b" },
    { offset: 2, timestamp: now + 5, value: null, key: "k" },
  ]);
  const { logStartOffset, highWatermark, logEndOffset } = await adapter.offsets(place);
  same("offsets().logStartOffset", logStartOffset, 0);
  same("offsets().highWatermark", highWatermark, 3);
  same("offsets().logEndOffset (`supports.logEnd`)", logEndOffset, supports.logEnd ? 3 : undefined);
  const other = await adapter.read({ topic, partition: 0 }, { offset: 0, maxWaitMs: 0 });
  same("what lies in the other partition", other.records.length, 0);
  same("nextOffset of a read that found nothing", other.nextOffset, 0);
}

async function beginsInTheMiddle(scene: Scene): Promise<void> {
  const { adapter, topic } = scene;
  const place = { topic, partition: 0 };
  await appendAll(scene, place, "a", "b", "c");
  const answer = await adapter.read(place, { offset: 1, maxWaitMs: 0 });
  const [first] = answer.records;
  same("the first record read from offset 1", first && plain(first), { offset: 1, timestamp: now + 1, value: "b" });
  same("nextOffset", answer.nextOffset, (answer.records.at(-1)?.offset ?? 0) + 1);
  same("logStartOffset", answer.logStartOffset, 0);
  same("highWatermark", answer.highWatermark, 3);
}

async function waits({ adapter, topic, supports, until }: Scene): Promise<void> {
  const place = { topic, partition: 0 };
  const from = performance.now();
  const reading = adapter.read(place, { offset: 0, maxWaitMs: waitMs });
  await adapter.append(place, records("late"), { acks: strongest(supports) });
  const { records: read, nextOffset } = await reading;
  const tookMs = performance.now() - from;
  demand(tookMs < waitMs + slackMs, `a read with maxWaitMs ${waitMs} took ${Math.round(tookMs)} ms`);
  const expected = [{ offset: 0, timestamp: now, value: "late" }];
  if (read.length > 0) same("what the read that waited was answered with", read.map(plain), expected);
  else {
    same("nextOffset of a read that was answered with nothing", nextOffset, 0);
    await until(async () => (await readAll(adapter, place)).length > 0, "a record");
    same("what lies there after it", await readAll(adapter, place), expected);
  }
}

async function refusesBeyondTheEnd({ adapter, topic }: Scene): Promise<void> {
  const reading = adapter.read({ topic, partition: 0 }, { offset: 7, maxWaitMs: 0 });
  await refused("a read at offset 7 of an empty log", reading, /^OFFSET_OUT_OF_RANGE$/);
}

async function refusesUnknown({ adapter, topic, supports }: Scene): Promise<void> {
  const nowhere = { topic: `${topic}-not-there`, partition: 0 };
  const unknown = /UNKNOWN_TOPIC_OR_PARTITION/;
  const appending = adapter.append(nowhere, records("a"), { acks: strongest(supports) });
  await refused("an append to a topic that does not exist", appending, unknown);
  const reading = adapter.read(nowhere, { offset: 0, maxWaitMs: 0 });
  await refused("a read of a topic that does not exist", reading, unknown);
  await refused("the offsets of a topic that does not exist", adapter.offsets(nowhere), unknown);
}

function keeps(acks: Acks): Run {
  return async ({ adapter, topic, until }) => {
    const place = { topic, partition: 0 };
    const { offsets } = await adapter.append(place, records("a"), { acks });
    same(`the offsets of an append with acks=${acks}`, offsets, acks === "none" ? undefined : [0]);
    await until(async () => (await readAll(adapter, place)).length > 0, "a record");
  };
}

// ---- what the manifest promises ----------------------------------------------------------------

async function storesOnce({ adapter, topic }: Scene): Promise<void> {
  const place = { topic, partition: 0 };
  const producer = await adapter.allocateProducer?.();
  demand(producer !== undefined, "allocateProducer gave nothing");
  const other = await adapter.allocateProducer?.();
  demand(other?.id !== producer.id, `the producer id ${producer.id} was handed out twice`);
  const send = (sequence: number, ...values: string[]): ReturnType<LogAdapter["append"]> =>
    adapter.append(place, records(...values), { acks: "all", producer: { ...producer, sequence } });
  same("offsets of sequence 0", (await send(0, "a", "b")).offsets, [0, 1]);
  same("offsets of sequence 2", (await send(2, "c")).offsets, [2]);
  const again = await send(0, "a", "b");
  same("offsets of sequence 0, sent again", again.offsets, [0, 1]);
  demand(again.duplicate !== false, "a batch that was sent again was answered with duplicate: false");
  await refused("a batch after a gap in the sequence", send(4, "e"), /OUT_OF_ORDER_SEQUENCE_NUMBER/);
  same("the count of records in the end", (await readAll(adapter, place)).length, 3);
}

async function appendsWhereExpected({ adapter, topic }: Scene): Promise<void> {
  const place = { topic, partition: 0 };
  const append = (value: string, expectedEndOffset: number): ReturnType<LogAdapter["append"]> =>
    adapter.append(place, records(value), { acks: "all", expectedEndOffset });
  await append("a", 0);
  await refused("an append where the log has ended before", append("b", 0), /^OFFSET_MISMATCH$/);
  await refused("an append beyond the end", append("b", 2), /^OFFSET_MISMATCH$/);
  await append("c", 1);
  const values = (await readAll(adapter, place)).map(({ value }) => value);
  same("what lies there", values, ["a", "c"]);
}

async function deletesRecords(scene: Scene): Promise<void> {
  const { adapter, topic } = scene;
  const place = { topic, partition: 0 };
  await appendAll(scene, place, "a", "b", "c");
  same("what deleteRecords(2) answers", await adapter.deleteRecords?.(place, 2), 2);
  same("offsets().logStartOffset after it", (await adapter.offsets(place)).logStartOffset, 2);
  same("read().logStartOffset after it", (await adapter.read(place, { offset: 2, maxWaitMs: 0 })).logStartOffset, 2);
  const reading = adapter.read(place, { offset: 0, maxWaitMs: 0 });
  await refused("a read below the log start offset", reading, /^OFFSET_OUT_OF_RANGE$/);
}

async function looksUp({ adapter, topic, supports, until }: Scene): Promise<void> {
  const place = { topic, partition: 0 };
  const unordered = [now, now + 20, now + 10].map((timestamp, at) => ({ value: `${at}`, timestamp }));
  await adapter.append(place, unordered, { acks: strongest(supports) });
  await until(async () => (await readAll(adapter, place)).length === 3, "three records");
  const look = async (timestamp: number): Promise<unknown> => {
    const found = (await adapter.lookUp?.(place, timestamp)) ?? null;
    return found === null ? null : { offset: found.offset, timestamp: found.timestamp };
  };
  const what = "the first record in log order at or after a time";
  same(`${what} between the first two`, await look(now + 5), { offset: 1, timestamp: now + 20 });
  same(`${what}, that of the first itself`, await look(now), { offset: 0, timestamp: now });
  same(`${what} after all of them`, await look(now + 21), null);
}

async function listsTopics({ adapter, topic, until }: Scene): Promise<void> {
  const find = async (): Promise<readonly ListedTopic[]> =>
    ((await adapter.listTopics?.()) ?? []).filter((listed) => listed.topic === topic);
  const [first, ...others] = await find();
  demand(first !== undefined, "a topic that was created is not listed");
  same("how often it is listed besides", others.length, 0);
  same("its id, asked for again", (await find())[0]?.id, first.id);
  if (adapter.deleteTopic === undefined) return;
  await adapter.deleteTopic(topic);
  await until(async () => (await find()).length === 0, "a list without the deleted topic");
  await adapter.createTopic(topic, { partitions: 2 });
  const [anew] = await find();
  demand(anew !== undefined, "a topic that was created anew is not listed");
  demand(first.id === undefined || anew.id !== first.id, `a topic that was created anew has the old id ${first.id}`);
}

async function shares(scene: Scene): Promise<void> {
  const members = [new Watched(), new Watched()] as const;
  try {
    await shareOut(scene, members);
  } finally {
    for (const member of members) member.stop();
  }
}

async function shareOut({ adapter, topic, until }: Scene, [one, two]: readonly [Watched, Watched]): Promise<void> {
  const group = `group-${topic}`;
  same("what a new group has committed", await adapter.committed?.(group, { topic, partition: 0 }), null);
  await one.join(adapter, group, topic);
  await until(() => one.share.length === 2, "a share of both partitions for a group's only member");
  const before = one.membership as Membership;
  await two.join(adapter, group, topic);
  await until(() => one.share.length === 1 && two.share.length === 1, "a share of one partition for each of two");
  demand(one.share[0]?.partition !== two.share[0]?.partition, "two members have the same partition");
  demand(one.revoked.length > 0, "a member was not told that it has to give a partition up");
  const place = one.share[0] as Place;
  await one.member?.commit(place, 1, one.membership as Membership);
  same("what the group has committed", await adapter.committed?.(group, place), 1);
  const stale = one.member?.commit(place, 0, before) ?? Promise.resolve();
  await refused("a commit of a generation that has passed", stale, /STALE_MEMBER_EPOCH|ILLEGAL_GENERATION/);
  await one.leave();
  same("the share of a member that has left", one.share.length, 0);
  await until(() => two.share.length === 2, "all of it for the member that is left");
  same("what the group has committed, after that", await adapter.committed?.(group, place), 1);
  await two.leave();
}

function outlives(how: "close" | "crash"): Run {
  return async ({ adapter, topic, supports, until }) => {
    demand(adapter.restart !== undefined, "restart is missing, which `restarts` promises");
    const place = { topic, partition: 0 };
    const acks = how === "crash" ? "all" : strongest(supports);
    await adapter.append(place, records("a", "b"), { acks });
    if (acks === "none") await until(async () => (await readAll(adapter, place)).length === 2, "two records");
    await adapter.restart(how);
    const values = async (): Promise<unknown> => (await readAll(adapter, place)).map(({ value }) => value);
    same("what lies there after the restart", await values(), ["a", "b"]);
    const { offsets } = await adapter.append(place, records("c"), { acks });
    if (acks !== "none") same("the offset of what is appended then", offsets, [2]);
    else await until(async () => (await readAll(adapter, place)).length === 3, "a third record");
    same("what lies there in the end", await values(), ["a", "b", "c"]);
  };
}

// ---- the means ---------------------------------------------------------------------------------

function records(...values: string[]): RecordToAppend[] {
  return values.map((value, index) => ({ value, timestamp: now + index }));
}

function strongest({ acks: [acks] }: Manifest): Acks {
  demand(acks !== undefined, "`supports.acks` is empty: there has to be one way to append");
  return acks;
}

/** Appended, and to be read. */
async function appendAll({ adapter, supports, until }: Scene, place: Place, ...values: string[]): Promise<void> {
  await adapter.append(place, records(...values), { acks: strongest(supports) });
  await until(async () => (await readAll(adapter, place)).length === values.length, `${values.length} records`);
}

/** What the contract says of a record, and no more; a log may tell more of it. */
function plain({ offset, timestamp, value, key }: StoredRecord): StoredRecord {
  return { offset, timestamp, value, ...(key === undefined || key === null ? {} : { key }) };
}

async function readAll(adapter: LogAdapter, place: Place): Promise<StoredRecord[]> {
  const all: StoredRecord[] = [];
  let offset = 0;
  for (;;) {
    const { records: some, nextOffset, highWatermark } = await adapter.read(place, { offset, maxWaitMs: 0 });
    all.push(...some.map(plain));
    if (nextOffset >= highWatermark || nextOffset <= offset) return all;
    offset = nextOffset;
  }
}

function demand(holds: boolean, message: string): asserts holds {
  if (!holds) throw new Error(message);
}

function same(what: string, actual: unknown, expected: unknown): void {
  const [came, wanted] = [JSON.stringify(actual), JSON.stringify(expected)];
  demand(came === wanted, `${what}: ${came}, and is to be ${wanted}`);
}

function sorted(manifest: Manifest): unknown {
  return Object.entries(manifest).sort(([one], [other]) => (one < other ? -1 : 1));
}

async function refused(what: string, promise: Promise<unknown>, code: RegExp): Promise<void> {
  const error = await promise.then(
    () => null,
    (one: unknown) => one ?? new Error("nothing was thrown"),
  );
  demand(error !== null, `${what} was not refused`);
  const outcome = outcomeOf(error);
  demand(outcome.outcome === "fail", `${what} was refused, but not with effect "none": ${error}`);
  demand(
    code.test(outcome.code),
    `${what} was refused with the code ${outcome.code}, and is to be with ${code.source}`,
  );
}

async function limited<T>(work: Promise<T>, limitMs: number, what: string): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${what} did not end within ${limitMs / 1000} s`)), limitMs);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** A member, and what it was told. */
class Watched {
  share: readonly Place[] = [];
  membership: Membership | null = null;
  readonly revoked: Place[] = [];
  member: Awaited<ReturnType<NonNullable<LogAdapter["joinGroup"]>>> | undefined;
  #failure: unknown = null;
  #lives = true;
  #living: Promise<void> = Promise.resolve();

  async join(adapter: LogAdapter, group: string, topic: string): Promise<void> {
    this.member = await adapter.joinGroup?.(group, [topic], {
      revoked: (_, partitions) => {
        this.revoked.push(...partitions);
        this.share = this.share.filter((place) => !partitions.some(({ partition }) => partition === place.partition));
      },
      assigned: (membership) => {
        this.membership = membership;
        this.share = membership.partitions;
      },
    });
    this.#living = this.#live();
  }

  /** Each on its own: a member that joins waits until the others have heard of it. */
  async #live(): Promise<void> {
    while (this.#lives) {
      // It may be refused while the group is in between.
      await this.member?.heartbeat().catch((error: unknown) => {
        if (outcomeOf(error).outcome !== "fail") this.#failure = error;
      });
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }

  /** No heartbeat after the one under way. */
  stop(): void {
    this.#lives = false;
  }

  async leave(): Promise<void> {
    this.stop();
    await this.#living;
    await this.member?.leave();
    demand(this.#failure === null, `a heartbeat failed: ${this.#failure}`);
  }
}
