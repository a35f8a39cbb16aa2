// Topics that are the broker's own.
//
// Owns: their names and configs, and that clients do not write them: a foreign record would be read
//   as a group's.
// Never: makes them (group-log.ts).

import { MoldauError } from "../errors.ts";
import { maxRunBytes } from "../limits.ts";
import type { ConfigInput } from "./types.ts";

export const offsetsTopicName = "__consumer_offsets";

/**
 * As Kafka's, but for the policy: until a topic can be compacted nothing of this one is ever deleted. When it can,
 * this becomes "compact", here and nowhere else; topics made before keep theirs until they are altered.
 */
export const offsetsTopicConfigs: ConfigInput = {
  "cleanup.policy": "delete",
  "retention.ms": -1,
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
