// Whether a client and the broker speak of the same leader (KIP-320).
//
// Owns: the comparison. Never: an answer.

import type { Broker } from "../../engine/index.ts";
import { kafkaErrors } from "./errors.ts";

/** The code of the error that a client is told whose leader epoch (-1: it has none) is not the partition's. */
export function leaderEpochError(broker: Broker, topic: string, partition: number, epoch: number): number {
  if (epoch < 0) return kafkaErrors.NONE.code;
  const current = broker.leaderEpoch(topic, partition);
  if (epoch < current) return kafkaErrors.FENCED_LEADER_EPOCH.code;
  return epoch > current ? kafkaErrors.UNKNOWN_LEADER_EPOCH.code : kafkaErrors.NONE.code;
}
