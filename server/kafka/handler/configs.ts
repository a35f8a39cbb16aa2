// Configs as Kafka's messages carry them.
//
// Owns: Kafka's numbers for what a config belongs to, where its value comes from and what type it
//   has; which resources have configs here.
// Never: says what a config may be (the engine).

import type { Broker, ConfigType, TopicConfigValue, TopicPlan } from "../../../engine/index.ts";
import type { KafkaNode } from "../face.ts";
import { Refusal } from "./outcome.ts";

/** What configs belong to. */
export const resourceType = { topic: 2, broker: 4 } as const;

/** By where our own value comes from. */
export const configSource: Readonly<Record<TopicConfigValue["source"] | "start", number>> = {
  topic: 1,
  start: 4,
  default: 5,
};

export const configType: Readonly<Record<ConfigType | "boolean", number>> = {
  boolean: 1,
  string: 2,
  int: 3,
  long: 5,
  double: 6,
  list: 7,
};

export interface Resource {
  readonly resourceType: number;
  readonly resourceName: string;
}

/** To people. */
export function nameOfResource({ resourceType: type, resourceName }: Resource): string {
  if (type === resourceType.topic) return `topic '${resourceName}'`;
  return type === resourceType.broker ? `broker '${resourceName}'` : `resource '${resourceName}' of type ${type}`;
}

/** Its number of partitions and its configs, without a look at each partition: what it would be with nothing altered. */
export function topicAsItIs(broker: Broker, name: string): TopicPlan {
  return broker.planAlteration(name, {});
}

/** Throws INVALID_REQUEST unless its configs are told of here. "" are all brokers. */
export function checkResource({ resourceType: type, resourceName }: Resource, node: KafkaNode): void {
  if (type === resourceType.topic) return;
  if (type !== resourceType.broker) {
    throw new Refusal(
      "INVALID_REQUEST",
      `resources of type ${type} have no configs here: topics (${resourceType.topic}) and brokers (${resourceType.broker}) have`,
    );
  }
  if (resourceName === "" || resourceName === String(node.id)) return;
  throw new Refusal("INVALID_REQUEST", `there is no broker '${resourceName}': this one is ${node.id}`);
}

/** A broker's configs are its command line. */
export function refuseBrokerChange(names: readonly string[]): void {
  if (names.length === 0) return;
  throw new Refusal(
    "INVALID_REQUEST",
    `a broker's configs can't be changed while it runs: start it with others, or alter topics (asked for: ${names.join(", ")})`,
  );
}

/** Refuses a name that comes twice. */
export function checkDistinct(names: readonly string[]): void {
  const seen: Set<string> = new Set();
  for (const name of names) {
    if (seen.has(name)) throw new Refusal("INVALID_REQUEST", `config '${name}' is given more than once`);
    seen.add(name);
  }
}

/** Refuses a name that comes twice, and one without a value. */
export function configsByName(
  configs: readonly { readonly name: string; readonly value: string | null }[],
): Readonly<Record<string, string>> {
  checkDistinct(configs.map(({ name }) => name));
  return Object.fromEntries(configs.map(({ name, value }) => [name, valueOf(name, value)]));
}

export function valueOf(name: string, value: string | null): string {
  if (value === null) throw new Refusal("INVALID_REQUEST", `config '${name}' is given without a value`);
  return value;
}
