// Each case of the contract finds what it is about: an adapter that does one thing wrong fails by its names alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { type LogAdapter, LogError, type MemberListener, type Place } from "./contract.ts";
import { contractCases } from "./contract-cases.ts";
import { RestartingEngine } from "./restarting-engine.test-support.ts";

const engine = await RestartingEngine.open();
const { supports } = engine;
await engine.close();
const all = contractCases({ supports, restarts: true, open: () => RestartingEngine.open() }).map(({ name }) => name);

/** The engine, but for some of its methods. */
function engineBut(wrong: (engine: RestartingEngine) => Partial<LogAdapter>): () => Promise<LogAdapter> {
  return async () => {
    const engine = await RestartingEngine.open();
    const own = wrong(engine) as Readonly<Record<PropertyKey, unknown>>;
    return new Proxy<LogAdapter>(engine, {
      get(target, name) {
        if (name in own) return own[name];
        const value = Reflect.get(target, name, target) as unknown;
        return typeof value === "function" ? value.bind(target) : value;
      },
    });
  };
}

/** The names of the cases that fail, each with what it says. */
async function failing(open: () => Promise<LogAdapter>, timeoutMs: number): Promise<Map<string, string>> {
  const failures = new Map<string, string>();
  for (const { name, run } of contractCases({ supports, restarts: true, open, timeoutMs })) {
    const message = await run().then(
      () => null,
      (error: Error) => error.message,
    );
    if (message !== null) failures.set(name, message);
  }
  return failures;
}

const faults: readonly (readonly [
  what: string,
  wrong: (engine: RestartingEngine) => Partial<LogAdapter>,
  fails: Readonly<Record<string, RegExp>>,
])[] = [
  ["does nothing wrong", () => ({}), {}],
  [
    "supports less than was said",
    () => ({ supports: { ...supports, compaction: false } }),
    { "supports what it says": /compaction",false.*compaction",true/ },
  ],
  [
    "has no method for what it supports",
    () => ({ lookUp: undefined as never }),
    { "supports what it says": /lookUp is missing/, "looks offsets up by time": /null, and is to be \{"offset":1/ },
  ],
  [
    "counts offsets of each append from 0",
    (engine) => ({
      append: async (place, records, options) => {
        const { offsets, ...rest } = await engine.append(place, records, options);
        return { ...rest, ...(offsets && { offsets: offsets.map((_, at) => at) }) };
      },
    }),
    {
      "reads back what was appended": /third record: \[0\], and is to be \[2\]/,
      "stores a producer's batch once, however often it is sent": /sequence 2: \[0\]/,
      "has everything after an orderly restart, and goes on": /\[0\], and is to be \[2\]/,
      "has what it acknowledged with acks=all after a crash, and goes on": /\[0\], and is to be \[2\]/,
    },
  ],
  [
    "loses the keys",
    (engine) => ({
      read: async (place, options) => {
        const answer = await engine.read(place, options);
        return { ...answer, records: answer.records.map(({ key: _, ...record }) => record) };
      },
    }),
    { "reads back what was appended": /what lies there: .*"value":null\}\], and is to be .*"key":"k"/ },
  ],
  [
    "begins every read at the start of the batch",
    (engine) => ({
      read: async (place, options) => {
        if (options.offset !== 1) return engine.read(place, options);
        return engine.read(place, { ...options, offset: 0 });
      },
    }),
    { "begins a read in the middle of a batch": /"offset":0.*is to be \{"offset":1/ },
  ],
  [
    "goes on behind what it has not read",
    (engine) => ({
      read: async (place, options) => {
        const answer = await engine.read(place, { ...options, maxWaitMs: 0 });
        return answer.records.length > 0 ? answer : { ...answer, nextOffset: options.offset + 1 };
      },
    }),
    {
      "reads back what was appended": /nextOffset of a read that found nothing: 1/,
      "answers a read that waits with what comes, or with nothing in time": /nextOffset.* 1, and is to be 0/,
    },
  ],
  [
    "is out of range in words of its own",
    (engine) => ({
      read: (place, options) =>
        engine.read(place, options).catch((error: LogError) => {
          if (error.code !== "OFFSET_OUT_OF_RANGE") throw error;
          throw new LogError("OUT_OF_RANGE", "none");
        }),
    }),
    {
      "refuses to read beyond the end: OFFSET_OUT_OF_RANGE, effect none": /with the code OUT_OF_RANGE/,
      "deletes records, and starts there": /with the code OUT_OF_RANGE/,
    },
  ],
  [
    "does not say that a refused append had no effect",
    (engine) => ({
      append: (place, records, options) =>
        engine.append(place, records, options).catch((error: LogError) => {
          throw new LogError(error.code, "unknown");
        }),
    }),
    {
      "refuses what is not there: UNKNOWN_TOPIC_OR_PARTITION, effect none": /not with effect "none"/,
      "stores a producer's batch once, however often it is sent": /not with effect "none"/,
      "appends only where it is expected to": /not with effect "none"/,
    },
  ],
  [
    "throws away what nobody waits for",
    (engine) => ({
      append: async (place, records, options) =>
        options.acks === "leader" ? { offsets: [0] } : engine.append(place, records, options),
    }),
    { "keeps what is sent with acks=leader": /^a record did not come within 1.5 s$/ },
  ],
  [
    "sends on no producer",
    (engine) => ({
      append: (place, records, { producer: _, ...options }) => engine.append(place, records, options),
    }),
    { "stores a producer's batch once, however often it is sent": /sent again: \[3,4\], and is to be \[0,1\]/ },
  ],
  [
    "sends on no expected end",
    (engine) => ({
      append: (place, records, { expectedEndOffset: _, ...options }) => engine.append(place, records, options),
    }),
    { "appends only where it is expected to": /where the log has ended before was not refused/ },
  ],
  [
    "deletes one record less",
    (engine) => ({ deleteRecords: (place, before) => engine.deleteRecords(place, before - 1) }),
    { "deletes records, and starts there": /deleteRecords\(2\) answers: 1, and is to be 2/ },
  ],
  [
    "looks up the latest before a time",
    (engine) => ({ lookUp: (place, timestamp) => engine.lookUp(place, timestamp - 5) }),
    { "looks offsets up by time": /is to be/ },
  ],
  [
    "lists nothing",
    () => ({ listTopics: async () => [] }),
    { "lists the topics that there are": /a topic that was created is not listed/ },
  ],
  [
    "gives a topic the id of the one before it",
    (engine) => ({ listTopics: async () => (await engine.listTopics()).map((listed) => ({ ...listed, id: "1" })) }),
    { "lists the topics that there are": /created anew has the old id 1/ },
  ],
  [
    "tells no member what it has to give up",
    (engine) => ({
      joinGroup: (group, topics, listener: MemberListener) =>
        engine.joinGroup(group, topics, { revoked: () => {}, assigned: (share) => listener.assigned(share) }),
    }),
    { "shares partitions out among a group's members, and keeps what they commit": /was not told/ },
  ],
  [
    "has committed 0 before anybody has committed",
    (engine) => ({
      committed: async (group, place: Place) => (await engine.committed(group, place)) ?? 0,
    }),
    { "shares partitions out among a group's members, and keeps what they commit": /new group.*0, and is to be null/ },
  ],
  [
    "loses in a crash what it has acknowledged",
    (engine) => {
      let emptied = false;
      return {
        restart: async (how) => {
          await engine.restart(how);
          emptied = how === "crash";
        },
        read: async (place, options) => {
          const answer = await engine.read(place, options);
          return emptied ? { ...answer, records: [], highWatermark: 0 } : answer;
        },
      };
    },
    { "has what it acknowledged with acks=all after a crash, and goes on": /after the restart: \[\]/ },
  ],
];

for (const [what, wrong, fails] of faults) {
  test(`an adapter that ${what}`, async () => {
    const failed = await failing(engineBut(wrong), 3000);
    assert.deepEqual([...failed.keys()].sort(), Object.keys(fails).sort(), JSON.stringify([...failed]));
    for (const [name, says] of Object.entries(fails)) assert.match(failed.get(name) as string, says, name);
  });
}

test("an adapter that never answers fails every case by the clock", async () => {
  const never = (): Promise<never> => new Promise(() => {});
  const failed = await failing(
    engineBut(() => ({ createTopic: never })),
    500,
  );
  assert.deepEqual([...failed.keys()], all);
  for (const message of failed.values()) assert.equal(message, "createTopic did not end within 0.5 s");
});

test("the cases are those that the manifest calls for", () => {
  const nothing = { ...supports, acks: ["all"], groups: "none" } as const;
  const least = contractCases({
    open: () => RestartingEngine.open(),
    supports: {
      ...nothing,
      ...{ idempotence: false, conditionalAppends: false, deleteRecords: false, lookUpByTime: false },
      listTopics: false,
    },
  });
  assert.deepEqual(
    least.map(({ name }) => name),
    all.slice(0, 7),
  );
  assert.equal(all.length, 17);
});
