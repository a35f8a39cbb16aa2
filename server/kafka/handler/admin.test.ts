import { ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { apis } from "../schema/index.ts";
import { type Coverage, valuesOf } from "../schema/values.test.support.ts";
import { nameOf, openAsked, versionsOf } from "./admin.test.support.ts";
import { adminHandlers } from "./admin.ts";

const keys = new Set(adminHandlers({} as Parameters<typeof adminHandlers>[0]).map(({ api }) => api.key));
const served = apis.filter(({ key }) => keys.has(key));
const topicNames = ["t", "t", "u", "v", "a b", "__proto__"];
const configNames = ["retention.ms", "segment.ms", "cleanup.policy", "colour", "__proto__"];
const configValues = ["5", "6", "delete", "-2"];
const operations = [0, 0, 1, 2, 3];

/** Chance hardly ever names what there is: most fields are one of a few values that mean something. */
function meaningful(value: unknown, name: string, parent: string, pick: (count: number) => number): unknown {
  if (Array.isArray(value)) return value.map((item) => meaningful(item, name, parent, pick));
  if (value !== null && typeof value === "object") {
    return Object.fromEntries(
      Object.entries(value).map(([inner, item]) => [inner, meaningful(item, inner, name, pick)]),
    );
  }
  const one = <Value>(values: readonly Value[]): Value => values[pick(values.length)]!;
  // More than a few partitions take long to make.
  if (name === "numPartitions" || name === "count") return one([-1, 0, 1, 2, 3, 4]);
  if (pick(5) === 0) return value;
  if (parent === "configs" && name === "configOperation") return one(operations);
  if (parent === "configs") return one(name === "name" ? configNames : configValues);
  if (name === "resourceType") return one([2, 2, 2, 4]);
  if (name === "resourceName") return one([...topicNames, "7"]);
  if (["name", "topic", "topicNames"].includes(name)) return one(topicNames);
  if (name === "configurationKeys") return one(configNames);
  if (["partitionIndex", "partitions"].includes(name)) return one([0, 0, 1]);
  if (name === "offset") return one([-1, 0, 1, 2]);
  if (name === "replicationFactor") return one([-1, 1, 1, 2]);
  if (name === "brokerIds") return one([7, 7, 8]);
  return name === "topicId" ? "0".repeat(32) : value;
}

function codesIn(value: unknown, name = ""): number[] {
  if (Array.isArray(value)) return value.flatMap((item) => codesIn(item, name));
  if (value !== null && typeof value === "object") {
    return Object.entries(value).flatMap(([inner, item]) => codesIn(item, inner));
  }
  return name === "errorCode" ? [value as number] : [];
}

test("whatever is asked is answered in every version, and every refusal was foreseen", async () => {
  const coverage: Coverage = { nulls: 0, tags: 0, elements: 0 };
  const seen: Map<string, number> = new Map();
  const asking = fc
    .constantFrom(...served.flatMap((api) => versionsOf(api).map((version) => ({ api, version }))))
    .chain(({ api, version }) =>
      fc.record({
        api: fc.constant(api),
        version: fc.constant(version),
        request: valuesOf(api.request, version, coverage),
        picks: fc.infiniteStream(fc.nat()),
      }),
    );
  const plans = fc.array(asking, { minLength: 20, maxLength: 40, size: "max" });
  await fc.assert(
    fc.asyncProperty(plans, async (requests) => {
      const { broker, ask, said } = await openAsked();
      for (const { api, version, request, picks } of requests) {
        if (!broker.listTopics().some(({ name }) => name === "t")) {
          await broker.createTopic("t");
          await broker.produce("t", [{ value: "x" }]);
        }
        const pick = (count: number): number => Number(picks.next().value) % count;
        const answer = await ask(api, version, meaningful(request, "", "", pick) as Record<string, unknown>);
        for (const code of codesIn(answer)) seen.set(nameOf(code), (seen.get(nameOf(code)) ?? 0) + 1);
        const what = `${api.name} ${version}`;
        seen.set(what, (seen.get(what) ?? 0) + 1);
      }
      strictEqual(said.find(({ level }) => level === "error")?.message, undefined);
      await broker.close();
    }),
    // Every step of shrinking is a broker and forty requests.
    { numRuns: 60, endOnFailure: true },
  );
  strictEqual(seen.get("UNKNOWN_SERVER_ERROR"), undefined);
  console.log([...seen].map(([name, count]) => `${name}: ${count}`).join(", "));
  const floors: Readonly<Record<string, number>> = {
    NONE: 300,
    INVALID_CONFIG: 15,
    INVALID_PARTITIONS: 10,
    INVALID_REPLICATION_FACTOR: 10,
    INVALID_REPLICA_ASSIGNMENT: 10,
    INVALID_REQUEST: 300,
    INVALID_TOPIC_EXCEPTION: 8,
    OFFSET_OUT_OF_RANGE: 5,
    UNKNOWN_TOPIC_OR_PARTITION: 300,
    ...Object.fromEntries(served.flatMap((api) => versionsOf(api).map((version) => [`${api.name} ${version}`, 10]))),
  };
  for (const [name, floor] of Object.entries(floors)) {
    ok((seen.get(name) ?? 0) >= floor, `${name} was seen ${seen.get(name) ?? 0} times, and ${floor} are the least`);
  }
});
