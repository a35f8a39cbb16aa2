// What can be set about groups, with Kafka's name of each.
//
// Owns: defaults. Never: what bounds the engine whatever is set (limits.ts).

import { maxMembersPerGroup } from "../limits.ts";

export interface GroupOptions {
  /**
   * How long the first join of an empty group waits for others; each newcomer prolongs it, up to the rebalance
   * timeout. group.initial.rebalance.delay.ms is 3000 in Kafka; here 0: whoever starts a broker in a test waits for
   * nothing, and others who come during the first rebalance share the second.
   */
  readonly initialRebalanceDelayMs: number;
  /** group.min.session.timeout.ms */
  readonly minSessionTimeoutMs: number;
  /** group.max.session.timeout.ms */
  readonly maxSessionTimeoutMs: number;
  /** A newcomer whose join is still unanswered after this long is let go: its connection may be long gone. */
  readonly newMemberJoinTimeoutMs: number;
  /** group.max.size, and group.consumer.max.size */
  readonly maxSize: number;
  /** offsets.retention.minutes, in milliseconds. */
  readonly offsetsRetentionMs: number;
  /** offsets.retention.check.interval.ms */
  readonly offsetsRetentionCheckIntervalMs: number;
  /** offset.metadata.max.bytes */
  readonly offsetMetadataMaxBytes: number;
  /**
   * offsets.topic.num.partitions: when the topic is made; it cannot change afterwards. 50 in Kafka, so that many
   * brokers share them; each costs files, and a start the time to look at them, so that here they are 8.
   */
  readonly offsetsTopicPartitions: number;
  /** group.consumer.session.timeout.ms */
  readonly consumerSessionTimeoutMs: number;
  /** group.consumer.heartbeat.interval.ms */
  readonly consumerHeartbeatIntervalMs: number;
}

export const defaultGroupOptions: GroupOptions = {
  initialRebalanceDelayMs: 0,
  minSessionTimeoutMs: 6000,
  maxSessionTimeoutMs: 1_800_000,
  newMemberJoinTimeoutMs: 300_000,
  maxSize: maxMembersPerGroup,
  offsetsRetentionMs: 10_080 * 60_000,
  offsetsRetentionCheckIntervalMs: 600_000,
  offsetMetadataMaxBytes: 4096,
  offsetsTopicPartitions: 8,
  consumerSessionTimeoutMs: 45_000,
  consumerHeartbeatIntervalMs: 5000,
};
