import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { configDefinitions, configNames } from "../../../engine/index.ts";
import { describeConfigs } from "../schema/describe-configs.ts";
import { openAsked, said, versionsOf } from "./admin.test.support.ts";

const topic = (resourceName: string, configurationKeys: string[] | null = null) => ({
  ...{ resourceType: 2, resourceName, configurationKeys },
});
const broker = (resourceName: string, configurationKeys: string[] | null = null) => ({
  ...{ resourceType: 4, resourceName, configurationKeys },
});
const asked = { includeSynonyms: true, includeDocumentation: true };

for (const version of versionsOf(describeConfigs)) {
  test(`version ${version} describes a topic's configs, with where they come from`, async () => {
    const { broker: there, ask } = await openAsked();
    await there.createTopic("t", { configs: { "retention.ms": 5, "cleanup.policy": "delete" } });
    const { results } = await ask(describeConfigs, version, { resources: [topic("t")], ...asked });
    const { configs, ...head } = results[0]!;
    deepStrictEqual(head, { errorCode: 0, errorMessage: null, resourceType: 2, resourceName: "t" });
    deepStrictEqual(
      configs.map(({ name }) => name),
      configNames,
    );
    const kept = ["cleanup.policy", "retention.bytes", "retention.ms"];
    const described = ({ name, type, words }: { name: string; type: number; words: string }) => ({
      ...{ readOnly: false, isSensitive: false, configType: version >= 3 ? type : 0 },
      documentation: version >= 3 ? configDefinitions.get(name)!.documentation : null,
      ...{ name, value: words },
    });
    deepStrictEqual(
      configs.filter(({ name }) => kept.includes(name)),
      [
        {
          ...described({ name: "cleanup.policy", type: 7, words: "delete" }),
          configSource: 1,
          synonyms: [
            { name: "cleanup.policy", value: "delete", source: 1 },
            { name: "log.cleanup.policy", value: "delete", source: 5 },
          ],
        },
        {
          ...described({ name: "retention.bytes", type: 5, words: "-1" }),
          configSource: 5,
          synonyms: [{ name: "log.retention.bytes", value: "-1", source: 5 }],
        },
        {
          ...described({ name: "retention.ms", type: 5, words: "5" }),
          configSource: 1,
          synonyms: [
            { name: "retention.ms", value: "5", source: 1 },
            { name: "log.retention.ms", value: "604800000", source: 5 },
          ],
        },
      ],
    );
  });

  test(`version ${version} describes this broker`, async () => {
    const { ask } = await openAsked({ autoCreateTopics: false, numPartitions: 12 });
    const { results } = await ask(describeConfigs, version, { resources: [broker("7"), broker("")], ...asked });
    deepStrictEqual(results.map(said), ["NONE", "NONE"]);
    deepStrictEqual(results[1]!.configs, [], "there are none for all brokers");
    const { configs } = results[0]!;
    ok(configs.every(({ readOnly, isSensitive }) => readOnly && !isSensitive));
    const values = Object.fromEntries(configs.map(({ name, value, configSource }) => [name, [value, configSource]]));
    strictEqual(Object.keys(values).length, configs.length, "a name comes once");
    deepStrictEqual(values["auto.create.topics.enable"], ["false", 4]);
    deepStrictEqual(values["num.partitions"], ["12", 4]);
    deepStrictEqual(values["advertised.listeners"], ["PLAINTEXT://for.this.client:9092", 4]);
    deepStrictEqual(values["node.id"], ["7", 4]);
    deepStrictEqual(values["delete.topic.enable"], ["true", 5]);
    deepStrictEqual(values["log.retention.ms"], ["604800000", 5]);
    deepStrictEqual(values["message.max.bytes"], ["1048588", 5]);
    const policy = configs.find(({ name }) => name === "log.cleanup.policy")!;
    deepStrictEqual(policy.synonyms, [{ name: "log.cleanup.policy", value: "delete", source: 5 }]);
    if (version >= 3) for (const { name, documentation } of configs) match(documentation ?? "", /\.$/, name);
  });

  test(`version ${version} tells what was asked for and no more`, async () => {
    const { broker: there, ask } = await openAsked();
    await there.createTopic("a");
    await there.createTopic("b");
    const keys = ["segment.ms", "retention.ms", "colour"];
    const { results } = await ask(describeConfigs, version, {
      resources: [topic("a", keys), topic("b", []), broker("7", ["node.id"])],
      includeSynonyms: false,
      includeDocumentation: false,
    });
    deepStrictEqual(
      results.map(({ configs }) => configs.length),
      [2, configNames.length, 1],
    );
    for (const { synonyms, documentation } of results.flatMap(({ configs }) => configs)) {
      deepStrictEqual([synonyms, documentation], [[], null]);
    }
  });

  test(`version ${version} says what has no configs`, async () => {
    const { broker: there, ask } = await openAsked();
    await there.createTopic("t");
    const { results } = await ask(describeConfigs, version, {
      resources: [
        topic("never"),
        broker("8"),
        broker("x"),
        { resourceType: 8, resourceName: "7", configurationKeys: null },
        { resourceType: -1, resourceName: "", configurationKeys: null },
        topic("t"),
        topic("t", ["retention.ms"]),
      ],
      ...asked,
    });
    deepStrictEqual(results.map(said), [
      "UNKNOWN_TOPIC_OR_PARTITION: topic 'never' does not exist",
      "INVALID_REQUEST: there is no broker '8': this one is 7",
      "INVALID_REQUEST: there is no broker 'x': this one is 7",
      "INVALID_REQUEST: resources of type 8 have no configs here: topics (2) and brokers (4) have",
      "INVALID_REQUEST: resources of type -1 have no configs here: topics (2) and brokers (4) have",
      "INVALID_REQUEST: topic 't' is in the request 2 times",
    ]);
    ok(results.every(({ configs }) => configs.length === 0));
  });
}

test("every topic config is described as the broker's default too", async () => {
  const { broker: there, ask } = await openAsked();
  await there.createTopic("t");
  const { results } = await ask(describeConfigs, 4, { resources: [topic("t"), broker("7")], ...asked });
  const defaults = new Map(results[1]!.configs.map(({ name, value, configType }) => [name, [value, configType]]));
  for (const { name, value, configType, synonyms } of results[0]!.configs) {
    deepStrictEqual(defaults.get(synonyms[0]!.name), [value, configType], name);
  }
});
