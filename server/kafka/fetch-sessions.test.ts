import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { kafkaErrors } from "./errors.ts";
import { epochAfter, type FetchPlan, type FetchRequest, FetchSessions } from "./fetch-sessions.ts";

const noId = "0".repeat(32);

interface Asking {
  readonly topic?: string;
  readonly forgotten?: readonly number[];
}

function request(
  sessionId: number,
  sessionEpoch: number,
  partitions: readonly number[],
  { topic = "t", forgotten = [] }: Asking = {},
): FetchRequest {
  const asked = partitions.map((partition) => ({ partition, fetchOffset: 0 }));
  return {
    ...{ sessionId, sessionEpoch },
    topics: [{ topic, topicId: noId, partitions: asked }],
    forgottenTopicsData: [{ topic, topicId: noId, partitions: forgotten }],
  } as unknown as FetchRequest;
}

function sessionsWith(options: Partial<ConstructorParameters<typeof FetchSessions>[0]> = {}) {
  let chance = -1;
  const clock = { now: 0, monotonic: () => clock.now };
  const sessions = new FetchSessions({
    clock,
    entropy: {
      fill(bytes) {
        chance += 1;
        // The first is no session's, and the next comes twice.
        new DataView(bytes.buffer).setUint32(0, 0x8000_0000 + (chance === 2 ? 1 : chance));
      },
    },
    ...options,
  });
  /** Begins a session with partitions 0 to `count - 1`. */
  const begin = (count: number, topic = "t"): number => {
    const partitions = Array.from({ length: count }, (_, at) => at);
    return sessions.create((sessions.begin(request(0, 0, partitions, { topic }), 12) as FetchPlan).partitions, 12);
  };
  return { sessions, clock, begin };
}

const found = (plan: FetchPlan | number): number[] => (plan as FetchPlan).partitions.map(({ partition }) => partition);

test("a session remembers what was asked for", () => {
  const { sessions, begin } = sessionsWith();
  const id = begin(2);
  ok(id > 0 && id < 2 ** 31);
  ok(begin(1) !== id, "an id is one session's");
  deepStrictEqual(found(sessions.begin(request(id, 1, []), 12)), [0, 1]);
  deepStrictEqual(found(sessions.begin(request(id, 2, [3, 0]), 12)), [0, 1, 3]);
  deepStrictEqual(found(sessions.begin(request(id, 3, [], { forgotten: [0, 7] }), 12)), [1, 3]);
  strictEqual(sessions.partitions, 3);
  sessions.begin(request(id, -1, [0]), 12);
  deepStrictEqual([sessions.size, sessions.partitions], [1, 1], "its last fetch ends it");
});

test("a full fetch asks for each partition once, and begins a session where it says so", () => {
  const { sessions } = sessionsWith();
  for (const [version, epoch, kind] of [
    [6, 0, "full"],
    [7, 0, "fresh"],
    [7, -1, "full"],
  ] as const) {
    const plan = sessions.begin(request(0, epoch, [2, 1, 2]), version) as FetchPlan;
    deepStrictEqual([plan.kind, found(plan)], [kind, [2, 1]]);
  }
  strictEqual(sessions.create([], 12), 0, "of nothing there is none");
});

test("an epoch goes round without being one that means something else", () => {
  deepStrictEqual([epochAfter(1), epochAfter(2 ** 31 - 2), epochAfter(2 ** 31 - 1)], [2, 2 ** 31 - 1, 1]);
});

test("one that is in use is not given up for another, and one that is not is", () => {
  const { sessions, clock, begin } = sessionsWith({ maxSessions: 2, evictAfterMs: 100 });
  const [first, second] = [begin(1), begin(1)];
  strictEqual(begin(1), 0, "there is no room");
  clock.now = 60;
  sessions.begin(request(first, 1, []), 12);
  clock.now = 110;
  const third = begin(1);
  ok(third > 0, "the second was not used");
  strictEqual(sessions.begin(request(second, 1, []), 12), kafkaErrors.FETCH_SESSION_ID_NOT_FOUND.code);
  deepStrictEqual(found(sessions.begin(request(first, 2, []), 12)), [0]);
  strictEqual(begin(1), 0);
  strictEqual(sessions.size, 2);
});

test("all of them together hold so many partitions, and no name that is none of a topic", () => {
  const { sessions, begin } = sessionsWith({ maxPartitions: 10, evictAfterMs: 0 });
  strictEqual(begin(11), 0);
  const first = begin(6);
  const second = begin(4);
  deepStrictEqual([sessions.size, sessions.partitions], [2, 10]);
  strictEqual(sessions.begin(request(second, 1, [9]), 12), kafkaErrors.FETCH_SESSION_ID_NOT_FOUND.code, "one too many");
  deepStrictEqual([sessions.size, sessions.partitions], [1, 6]);
  ok(begin(5) > 0, "the first had to go");
  strictEqual(sessions.begin(request(first, 1, []), 12), kafkaErrors.FETCH_SESSION_ID_NOT_FOUND.code);
  const long = "x".repeat(250);
  strictEqual(begin(1, long), 0);
  const short = begin(1);
  strictEqual(sessions.begin(request(short, 1, [0], { topic: long }), 12), kafkaErrors.FETCH_SESSION_ID_NOT_FOUND.code);
});

test("however sessions come and go, what they hold is counted and bounded", () => {
  const seen = { begun: 0, refused: 0, evicted: 0, gone: 0 };
  fc.assert(
    fc.property(
      fc.array(fc.tuple(fc.nat(3), fc.nat(5), fc.nat(6), fc.nat(40)), { minLength: 20, maxLength: 80 }),
      (steps) => {
        const { sessions, clock, begin } = sessionsWith({ maxSessions: 4, maxPartitions: 12, evictAfterMs: 100 });
        /** By id: the next epoch and the partitions. */
        const model = new Map<number, { epoch: number; partitions: Set<number> }>();
        for (const [kind, which, count, ms] of steps) {
          clock.now += ms;
          const [id = 0, session] = [...model][which] ?? [];
          if (kind === 0 || session === undefined) {
            const before = sessions.size;
            const made = begin(count);
            if (made !== 0)
              model.set(made, { epoch: 1, partitions: new Set(Array.from({ length: count }, (_, at) => at)) });
            seen[made === 0 ? "refused" : "begun"] += 1;
            if (made !== 0 && sessions.size <= before) seen.evicted += 1;
          } else {
            const [asked, forgotten] = kind === 1 ? [[count], []] : [[], [count]];
            const plan = sessions.begin(request(id, kind === 3 ? -1 : session.epoch, asked, { forgotten }), 12);
            for (const one of asked) session.partitions.add(one);
            for (const one of forgotten) session.partitions.delete(one);
            session.epoch += 1;
            if (kind === 3 || typeof plan === "number") {
              model.delete(id);
              seen.gone += 1;
            } else deepStrictEqual(new Set(found(plan)), session.partitions);
          }
          ok(sessions.size <= 4 && sessions.partitions <= 12, `${sessions.size}, ${sessions.partitions}`);
        }
        // Those that were given up for others are found out last.
        let held = 0;
        for (const [id, { epoch, partitions }] of model) {
          const plan = sessions.begin(request(id, epoch, []), 12);
          if (typeof plan === "number") continue;
          deepStrictEqual(new Set(found(plan)), partitions);
          held += partitions.size;
        }
        strictEqual(sessions.partitions, held);
      },
    ),
  );
  for (const [what, floor] of Object.entries({ begun: 300, refused: 100, evicted: 50, gone: 200 })) {
    ok(seen[what as keyof typeof seen] >= floor, `${what}: ${seen[what as keyof typeof seen]}`);
  }
});
