// Where replicas may lie, while there is one broker: on it.
//
// Owns: what is said of replication factors, of assignments by hand, and of how many partitions
//   one request may make.
// Never: makes partitions.

import { limits } from "../../../engine/index.ts";
import { Refusal } from "./outcome.ts";

/** What a client sends for "as the broker has it". */
export const byDefault = -1;

/** 1, or -1 for the default, which is 1. */
export function checkReplicationFactor(replicationFactor: number): void {
  if (replicationFactor === 1 || replicationFactor === byDefault) return;
  const why = replicationFactor > 1 ? " needs as many brokers, and there is one" : "";
  throw new Refusal(
    "INVALID_REPLICATION_FACTOR",
    `a replication factor of ${replicationFactor}${why}: choose 1, or -1 for the default`,
  );
}

/** The replicas of one partition are this broker, once. */
export function checkReplicas(partition: number, brokerIds: readonly number[], nodeId: number): void {
  if (brokerIds.length === 1 && brokerIds[0] === nodeId) return;
  const foreign = brokerIds.find((id) => id !== nodeId);
  const fault =
    foreign !== undefined
      ? `broker ${foreign}, and there is none but ${nodeId}`
      : brokerIds.length === 0
        ? "no broker"
        : `broker ${nodeId} more than once`;
  throw new Refusal("INVALID_REPLICA_ASSIGNMENT", `partition ${partition} is assigned to ${fault}`);
}

/** Why so many can't be made at once, or null. Kafka's number, and its error. What is not positive counts for nothing. */
export function refusePartitionsAtOnce(counts: readonly number[]): Refusal | null {
  const sum = counts.reduce((total, count) => total + Math.max(0, count), 0);
  if (sum <= limits.maxPartitionsPerTopic) return null;
  const message = `${sum} partitions in one request: the most is ${limits.maxPartitionsPerTopic}`;
  return new Refusal("POLICY_VIOLATION", message);
}

/** The engine refuses it for this topic, by itself. */
export function isTooMany(count: number): boolean {
  return count > limits.maxPartitionsPerTopic;
}
