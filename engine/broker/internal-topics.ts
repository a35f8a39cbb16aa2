// Topics that are the broker's own.
//
// Owns: their names and configs, and that clients do not write them: a foreign record would be read
//   as a group's.
// Never: makes them (group-log.ts).

import { MoldauError } from "../errors.ts";
import { maxRunBytes } from "../limits.ts";
import type { ConfigInput } from "./types.ts";

export const offsetsTopicName = "__consumer_offsets";

/** As Kafka's. */
export const offsetsTopicConfigs: ConfigInput = {
  "cleanup.policy": "compact",
  "segment.bytes": 104_857_600,
  "max.message.bytes": maxRunBytes,
};

export function isInternalTopic(name: string): boolean {
  return name === offsetsTopicName;
}

export function internalFlag(name: string): { readonly internal?: true } {
  return isInternalTopic(name) ? { internal: true } : {};
}

/** INVALID_TOPIC_EXCEPTION, as Kafka. */
export function refuseInternalTopic(name: string): void {
  if (!isInternalTopic(name)) return;
  throw new MoldauError("INVALID_TOPIC_EXCEPTION", `topic '${name}' is the broker's own: it can only be read`);
}
