import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import type { Broker } from "../../../engine/index.ts";
import { alterConfigs } from "../schema/alter-configs.ts";
import { openAsked, said, versionsOf } from "./admin.test.support.ts";

const setOf = (broker: Broker, topic: string): Record<string, string> =>
  Object.fromEntries(
    Object.entries(broker.describeTopic(topic).configs).flatMap(([name, { value, source }]) =>
      source === "topic" ? [[name, value]] : [],
    ),
  );
const config = (name: string, value: string | null) => ({ name, value });
const topic = (resourceName: string, ...configs: ReturnType<typeof config>[]) => ({
  ...{ resourceType: 2, resourceName, configs },
});

for (const version of versionsOf(alterConfigs)) {
  test(`version ${version} replaces all that was set, unless it is to validate only`, async () => {
    const { broker, ask } = await openAsked();
    const before = { "retention.ms": "1", "segment.ms": "2" };
    await broker.createTopic("t", { configs: before });
    const resources = [topic("t", config("retention.ms", "3"), config("flush.ms", "4"))];
    const planned = await ask(alterConfigs, version, { resources, validateOnly: true });
    deepStrictEqual(planned.responses, [{ errorCode: 0, errorMessage: null, resourceType: 2, resourceName: "t" }]);
    deepStrictEqual(setOf(broker, "t"), before);
    const { responses } = await ask(alterConfigs, version, { resources, validateOnly: false });
    deepStrictEqual(responses, planned.responses);
    deepStrictEqual(setOf(broker, "t"), { "retention.ms": "3", "flush.ms": "4" });
    await ask(alterConfigs, version, { resources: [topic("t")], validateOnly: false });
    deepStrictEqual(setOf(broker, "t"), {});
  });

  test(`version ${version} says why a resource stays as it is`, async () => {
    const { broker, ask } = await openAsked();
    for (const name of ["bad", "null", "same", "twice", "good"]) {
      await broker.createTopic(name, { configs: { "retention.ms": 1 } });
    }
    for (const validateOnly of [true, false]) {
      const { responses } = await ask(alterConfigs, version, {
        resources: [
          topic("never"),
          topic("bad", config("segment.ms", "5"), config("retention.ms", "soon")),
          topic("null", config("retention.ms", null)),
          topic("same", config("retention.ms", "1"), config("retention.ms", "2")),
          topic("twice"),
          topic("twice"),
          { resourceType: 4, resourceName: "7", configs: [config("log.retention.ms", "1")] },
          { resourceType: 4, resourceName: "8", configs: [] },
          { resourceType: 4, resourceName: "", configs: [] },
          { resourceType: 8, resourceName: "7", configs: [config("x", "INFO")] },
          topic("good", config("retention.ms", "1")),
        ],
        validateOnly,
      });
      const words = [
        /^UNKNOWN_TOPIC_OR_PARTITION: topic 'never' does not exist/,
        /^INVALID_CONFIG: config 'retention.ms' cannot be 'soon'/,
        /^INVALID_REQUEST: config 'retention.ms' is given without a value/,
        /^INVALID_REQUEST: config 'retention.ms' is given more than once/,
        /^INVALID_REQUEST: topic 'twice' is in the request 2 times/,
        /^INVALID_REQUEST: a broker's configs can't be changed while it runs.*log\.retention\.ms/,
        /^INVALID_REQUEST: there is no broker '8'/,
        /^NONE$/,
        /^INVALID_REQUEST: resources of type 8/,
        /^NONE$/,
      ];
      strictEqual(responses.length, words.length);
      for (const [at, one] of responses.entries()) match(said(one), words[at]!);
    }
    for (const { name } of broker.listTopics()) deepStrictEqual(setOf(broker, name), { "retention.ms": "1" }, name);
  });
}

test("requests at once each replace all: the last one's is there, and nothing of the others'", async () => {
  const { broker, ask } = await openAsked();
  await broker.createTopic("t");
  const names = ["retention.ms", "segment.ms", "flush.ms", "retention.bytes"];
  await Promise.all(
    names.map((name) => ask(alterConfigs, 2, { resources: [topic("t", config(name, "9"))], validateOnly: false })),
  );
  deepStrictEqual(setOf(broker, "t"), { "retention.bytes": "9" });
});
