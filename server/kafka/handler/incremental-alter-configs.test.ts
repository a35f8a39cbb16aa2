import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import type { KafkaFace } from "../face.ts";
import type { RequestContext } from "../handler.ts";
import { incrementalAlterConfigs } from "../schema/incremental-alter-configs.ts";
import { openAsked, said, versionsOf } from "./admin.test.support.ts";
import { incrementalAlterConfigsHandler } from "./incremental-alter-configs.ts";

const set = 0;
const remove = 1;
const append = 2;
const subtract = 3;
const change = (name: string, configOperation: number, value: string | null = null) => ({
  ...{ name, configOperation, value },
});
const topic = (resourceName: string, ...configs: ReturnType<typeof change>[]) => ({
  ...{ resourceType: 2, resourceName, configs },
});

for (const version of versionsOf(incrementalAlterConfigs)) {
  test(`version ${version} sets and takes back single configs, and leaves the others`, async () => {
    const { broker, ask } = await openAsked();
    await broker.createTopic("t", { configs: { "retention.ms": 1, "segment.ms": 2, "flush.ms": 3 } });
    const values = (): unknown[] => {
      const { configs } = broker.describeTopic("t");
      return ["retention.ms", "segment.ms", "flush.ms", "retention.bytes"].map((name) => [
        configs[name]!.value,
        configs[name]!.source,
      ]);
    };
    const before = values();
    const resources = [
      topic(
        "t",
        change("retention.ms", set, "9"),
        change("segment.ms", remove),
        change("retention.bytes", remove, "ignored"),
      ),
    ];
    const planned = await ask(incrementalAlterConfigs, version, { resources, validateOnly: true });
    deepStrictEqual(planned.responses, [{ errorCode: 0, errorMessage: null, resourceType: 2, resourceName: "t" }]);
    deepStrictEqual(values(), before);
    const { responses } = await ask(incrementalAlterConfigs, version, { resources, validateOnly: false });
    deepStrictEqual(responses, planned.responses);
    deepStrictEqual(values(), [
      ["9", "topic"],
      ["604800000", "default"],
      ["3", "topic"],
      ["-1", "default"],
    ]);
  });

  test(`version ${version} adds to lists and takes from them`, async () => {
    const { broker, ask } = await openAsked();
    await broker.createTopic("t");
    const policy = (): unknown => broker.describeTopic("t").configs["cleanup.policy"];
    const one = async (operation: number, value: string): Promise<string> => {
      const resources = [topic("t", change("cleanup.policy", operation, value))];
      return said((await ask(incrementalAlterConfigs, version, { resources, validateOnly: false })).responses[0]!);
    };
    strictEqual(await one(append, "delete"), "NONE");
    deepStrictEqual(policy(), { value: "delete", source: "topic" }, "it is in the default already");
    strictEqual(await one(subtract, "compact, nothing"), "NONE");
    deepStrictEqual(policy(), { value: "delete", source: "topic" });
    match(await one(subtract, "delete"), /^INVALID_CONFIG: config 'cleanup.policy' cannot be ''/);
    match(await one(append, "shred"), /^INVALID_CONFIG: config 'cleanup.policy' cannot be 'delete,shred'/);
    deepStrictEqual(policy(), { value: "delete", source: "topic" });
  });

  test(`version ${version} says why a resource stays as it is`, async () => {
    const { broker, ask } = await openAsked();
    for (const name of ["a", "b", "c", "d", "e", "f", "g"]) await broker.createTopic(name);
    for (const validateOnly of [true, false]) {
      const { responses } = await ask(incrementalAlterConfigs, version, {
        resources: [
          topic("never", change("retention.ms", set, "1")),
          topic("a", change("segment.ms", set, "1"), change("retention.ms", append, "1")),
          topic("b", change("retention.ms", subtract, "1")),
          topic("c", change("retention.ms", 4, "1")),
          topic("d", change("retention.ms", set)),
          topic("e", change("retention.ms", set, "1"), change("retention.ms", remove)),
          topic("f", change("colour", append, "red")),
          topic("g", change("retention.msec", remove)),
          { resourceType: 4, resourceName: "7", configs: [change("log.retention.ms", set, "1")] },
        ],
        validateOnly,
      });
      const words = [
        /^UNKNOWN_TOPIC_OR_PARTITION/,
        /^INVALID_CONFIG: config 'retention.ms' is no list, to append to or from/,
        /^INVALID_CONFIG: config 'retention.ms' is no list, to subtract/,
        /^INVALID_REQUEST: config 'retention.ms' has the operation 4/,
        /^INVALID_REQUEST: config 'retention.ms' is given without a value/,
        /^INVALID_REQUEST: config 'retention.ms' is given more than once/,
        /^INVALID_CONFIG: there is no config 'colour'/,
        /^INVALID_CONFIG: there is no config 'retention.msec'; did you mean 'retention.ms'/,
        /^INVALID_REQUEST: a broker's configs can't be changed/,
      ];
      strictEqual(responses.length, words.length);
      for (const [at, one] of responses.entries()) match(said(one), words[at]!);
    }
    for (const { name } of broker.listTopics()) {
      const { configs } = broker.describeTopic(name);
      for (const { source } of Object.values(configs)) strictEqual(source, "default", name);
    }
  });
}

test("a list keeps its order, gets what it lacks, and loses what is named", async () => {
  const after = async (policy: string, operation: number, value: string): Promise<string | null | undefined> => {
    const configs = { "cleanup.policy": { value: policy, source: "topic" } };
    let changed: Record<string, string | null> = {};
    const broker = {
      alterTopic: async (_: string, options: { configs(now: object): Record<string, string | null> }) => {
        changed = options.configs(configs);
      },
    };
    const handler = incrementalAlterConfigsHandler({ broker } as unknown as KafkaFace);
    const resources = [topic("t", change("cleanup.policy", operation, value))];
    const answer = await handler.handle({ resources, validateOnly: false }, {} as RequestContext);
    strictEqual(said({ errorMessage: null, ...answer!.responses[0]! }), "NONE");
    return changed["cleanup.policy"];
  };
  strictEqual(await after("delete", append, "compact"), "delete,compact");
  strictEqual(await after("compact,delete", append, " delete ,, compact"), "compact,delete");
  strictEqual(await after("compact,delete", subtract, "compact"), "delete");
  strictEqual(await after("compact, delete", subtract, "delete"), "compact");
  strictEqual(await after("compact,delete", subtract, "compact,delete"), "");
});
