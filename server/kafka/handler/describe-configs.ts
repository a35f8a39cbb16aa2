// DescribeConfigs 1-4, of topics and of this broker.
//
// Departs from Kafka: a broker's configs can't be changed while it runs, so that there are no
// dynamic ones, and none for all brokers (""); broker loggers, client metrics and groups have none.

import { configDefinitions, type TopicConfigValue } from "../../../engine/index.ts";
import type { KafkaFace } from "../face.ts";
import type { Client, Handler } from "../handler.ts";
import { describeConfigs } from "../schema/describe-configs.ts";
import type { RequestOf, ResponseOf } from "../schema/notation.ts";
import { brokerConfigName, brokerConfigs } from "./broker-configs.ts";
import { checkResource, configSource, configType, nameOfResource, resourceType, topicAsItIs } from "./configs.ts";
import { answerEach, done } from "./outcome.ts";

type Request = RequestOf<typeof describeConfigs>;
type Resource = Request["resources"][number];
type Entry = ResponseOf<typeof describeConfigs>["results"][number]["configs"][number];

export function describeConfigsHandler(face: KafkaFace): Handler<typeof describeConfigs> {
  return {
    api: describeConfigs,
    async handle(request, { client }) {
      return {
        results: await answerEach(face, {
          what: "resources",
          items: request.resources,
          nameOf: nameOfResource,
          answer: (resource) => ({
            ...done,
            resourceType: resource.resourceType,
            resourceName: resource.resourceName,
            configs: wantedOf(entriesOf(resource, face, client), resource, request),
          }),
          refused: ({ resourceType: type, resourceName }, outcome) => ({
            ...outcome,
            resourceType: type,
            resourceName,
            configs: [],
          }),
        }),
      };
    },
  };
}

function entriesOf(resource: Resource, face: KafkaFace, client: Client): Entry[] {
  checkResource(resource, face.node);
  const { resourceName } = resource;
  if (resource.resourceType === resourceType.topic) {
    const { configs } = topicAsItIs(face.broker, resourceName);
    return Object.entries(configs).map(([name, value]) => topicEntry(name, value));
  }
  return resourceName === "" ? [] : brokerConfigs(face, face.nodeFor(client)).map(brokerEntry);
}

/** All of them, unless some are named. */
function wantedOf(
  entries: readonly Entry[],
  { configurationKeys }: Resource,
  { includeSynonyms, includeDocumentation }: Request,
): Entry[] {
  const wanted = configurationKeys === null || configurationKeys.length === 0 ? null : new Set(configurationKeys);
  return entries
    .filter(({ name }) => wanted === null || wanted.has(name))
    .map((entry) => ({
      ...entry,
      ...(includeSynonyms ? {} : { synonyms: [] }),
      ...(includeDocumentation ? {} : { documentation: null }),
    }));
}

function topicEntry(name: string, { value, source }: TopicConfigValue): Entry {
  const { type, byDefault, documentation } = configDefinitions.get(name)!;
  const fallback = { name: brokerConfigName(name), value: byDefault, source: configSource.default };
  return {
    name,
    value,
    readOnly: false,
    configSource: configSource[source],
    isSensitive: false,
    synonyms: source === "topic" ? [{ name, value, source: configSource.topic }, fallback] : [fallback],
    configType: configType[type],
    documentation,
  };
}

function brokerEntry({ name, value, source, type, documentation }: ReturnType<typeof brokerConfigs>[number]): Entry {
  return {
    name,
    value,
    readOnly: true,
    configSource: source,
    isSensitive: false,
    synonyms: [{ name, value, source }],
    configType: type,
    documentation,
  };
}
