import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { type AssignmentMember, assignors } from "./assignors.ts";
import { PartitionSet } from "./partition-set.ts";

const uniform = assignors.get("uniform")!;
const range = assignors.get("range")!;

function member(
  memberId: string,
  topics: readonly string[],
  before: PartitionSet = new PartitionSet(),
): AssignmentMember {
  return { memberId, instanceId: null, topicIds: new Set(topics), before };
}

const plan = fc.record({
  topics: fc.dictionary(fc.constantFrom("t1", "t2", "t3", "t4"), fc.integer({ min: 1, max: 12 }), { minKeys: 1 }),
  members: fc.uniqueArray(
    fc.record({
      id: fc.constantFrom(..."abcdefgh".split("")),
      topics: fc.uniqueArray(fc.constantFrom("t1", "t2", "t3", "t4")),
    }),
    { minLength: 1, maxLength: 8, selector: ({ id }) => id },
  ),
  areEqual: fc.boolean(),
});

/** Every partition once, with a subscriber. */
function check(
  members: readonly AssignmentMember[],
  topics: ReadonlyMap<string, number>,
  result: ReadonlyMap<string, PartitionSet>,
): void {
  assert.deepEqual([...result.keys()].sort(), members.map(({ memberId }) => memberId).sort());
  for (const [topic, partitions] of topics) {
    const subscribers = members.filter(({ topicIds }) => topicIds.has(topic));
    for (let partition = 0; partition < partitions; partition += 1) {
      const owners = [...result].filter(([, set]) => set.has(topic, partition)).map(([id]) => id);
      assert.equal(owners.length, subscribers.length === 0 ? 0 : 1, `${topic}-${partition}: ${owners}`);
      for (const owner of owners) assert.ok(subscribers.some(({ memberId }) => memberId === owner));
    }
  }
  const total = [...result.values()].reduce((sum, set) => sum + set.size, 0);
  const wanted = [...topics].filter(([topic]) => members.some(({ topicIds }) => topicIds.has(topic)));
  assert.equal(
    total,
    wanted.reduce((sum, [, partitions]) => sum + partitions, 0),
  );
}

test("both share out every partition once, uniform as evenly as can be, and again from what was", () => {
  let equal = 0;
  let unequal = 0;
  let stayed = 0;
  fc.assert(
    fc.property(plan, plan, (first, second) => {
      let before = new Map<string, PartitionSet>();
      for (const { topics: counts, members: drawn, areEqual } of [first, second]) {
        const topics = new Map(Object.entries(counts));
        const members = drawn.map(({ id, topics: own }) =>
          member(
            id,
            (areEqual ? [...topics.keys()] : own).filter((topic) => topics.has(topic)),
            before.get(id),
          ),
        );
        check(members, topics, range(members, topics));
        const result = uniform(members, topics);
        check(members, topics, result);
        const load = (id: string): number => result.get(id)!.size;
        for (const one of members) {
          for (const [topic] of result.get(one.memberId)!.topics) {
            for (const other of members) {
              if (!other.topicIds.has(topic)) continue;
              assert.ok(load(one.memberId) - load(other.memberId) < 2, "a partition could move and even the loads");
            }
          }
        }
        if (areEqual) {
          const loads = members.map(({ memberId }) => load(memberId));
          assert.ok(Math.max(...loads) - Math.min(...loads) <= 1);
          equal += 1;
        } else unequal += 1;
        const again = members.map((one) => ({ ...one, before: result.get(one.memberId)! }));
        for (const [id, set] of uniform(again, topics)) {
          assert.ok(set.equals(result.get(id)!), "nothing changed, and yet something moved");
          stayed += 1;
        }
        before = result;
      }
    }),
    { numRuns: 400, seed: 3 },
  );
  assert.ok(equal > 100 && unequal > 100 && stayed > 500, `${equal}, ${unequal}, ${stayed}`);
});

test("uniform moves no more than it must", () => {
  const topics = new Map([["t", 12]]);
  const two = uniform([member("a", ["t"]), member("b", ["t"])], topics);
  const three = uniform(
    [member("a", ["t"], two.get("a")), member("b", ["t"], two.get("b")), member("c", ["t"])],
    topics,
  );
  assert.deepEqual(
    [...three.values()].map((set) => set.size),
    [4, 4, 4],
  );
  for (const id of ["a", "b"]) assert.ok(three.get(id)!.isSubsetOf(two.get(id)!));
});

test("range gives neighbours in the members' order, by instance where there is one", () => {
  const topics = new Map([
    ["t", 5],
    ["u", 2],
  ]);
  const members = [
    { ...member("z", ["t", "u"]), instanceId: "1" },
    { ...member("a", ["t", "u"]), instanceId: "2" },
  ];
  const result = range(members, topics);
  assert.deepEqual(result.get("z")!.toTopics(), [
    { topicId: "t", partitions: [0, 1, 2] },
    { topicId: "u", partitions: [0] },
  ]);
  assert.deepEqual(result.get("a")!.toTopics(), [
    { topicId: "t", partitions: [3, 4] },
    { topicId: "u", partitions: [1] },
  ]);
});

test("a thousand members and as many topics are shared out in no long time", () => {
  const topics = new Map(Array.from({ length: 1000 }, (_, at) => [`t${at}`, 20]));
  const ids = [...topics.keys()];
  const members = Array.from({ length: 1000 }, (_, at) =>
    member(
      `m${at}`,
      ids.filter((_, topic) => (topic * 7 + at) % 10 === 0),
    ),
  );
  const started = performance.now();
  const result = uniform(members, topics);
  assert.ok(performance.now() - started < 10_000);
  check(members.slice(0, 0), new Map(), new Map());
  assert.equal(
    [...result.values()].reduce((sum, set) => sum + set.size, 0),
    20_000,
  );
});
