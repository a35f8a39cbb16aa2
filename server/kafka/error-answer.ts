// The answer to a request that failed as a whole, an API each: every place that has an error code
// has this one.
//
// Owns: which fields of the request an answer repeats, so that a client finds its own again.
// Never: which code it is (errors.ts); handlers answer by themselves what fails in part.

import { alterConfigs } from "./schema/alter-configs.ts";
import { apiVersions } from "./schema/api-versions.ts";
import { consumerGroupDescribe } from "./schema/consumer-group-describe.ts";
import { consumerGroupHeartbeat } from "./schema/consumer-group-heartbeat.ts";
import { createPartitions } from "./schema/create-partitions.ts";
import { createTopics } from "./schema/create-topics.ts";
import { deleteGroups } from "./schema/delete-groups.ts";
import { deleteRecords } from "./schema/delete-records.ts";
import { deleteTopics } from "./schema/delete-topics.ts";
import { describeCluster } from "./schema/describe-cluster.ts";
import { describeConfigs } from "./schema/describe-configs.ts";
import { describeGroups } from "./schema/describe-groups.ts";
import { describeLogDirs } from "./schema/describe-log-dirs.ts";
import { fetch } from "./schema/fetch.ts";
import { findCoordinator } from "./schema/find-coordinator.ts";
import { heartbeat } from "./schema/heartbeat.ts";
import { incrementalAlterConfigs } from "./schema/incremental-alter-configs.ts";
import { initProducerId } from "./schema/init-producer-id.ts";
import { joinGroup } from "./schema/join-group.ts";
import { leaveGroup } from "./schema/leave-group.ts";
import { listGroups } from "./schema/list-groups.ts";
import { listOffsets } from "./schema/list-offsets.ts";
import { metadata } from "./schema/metadata.ts";
import type { ApiDefinition, RequestOf, ResponseOf } from "./schema/notation.ts";
import { offsetCommit } from "./schema/offset-commit.ts";
import { offsetDelete } from "./schema/offset-delete.ts";
import { offsetFetch } from "./schema/offset-fetch.ts";
import { offsetForLeaderEpoch } from "./schema/offset-for-leader-epoch.ts";
import { produce } from "./schema/produce.ts";
import { syncGroup } from "./schema/sync-group.ts";

type Failed = (request: never, errorCode: number, version: number) => unknown;

const byKey: Map<number, Failed> = new Map();
const noOffset = -1;
const noNode = -1;
const noBytes = new Uint8Array(0);

/** null: the API has no place for it, or its client awaits no answer; the connection has to end. */
export function errorAnswer(api: ApiDefinition, version: number, request: unknown, errorCode: number): unknown {
  return byKey.get(api.key)?.(request as never, errorCode, version) ?? null;
}

function failing<Api extends ApiDefinition>(
  api: Api,
  answer: (request: RequestOf<Api>, errorCode: number, version: number) => ResponseOf<Api> | null,
): void {
  byKey.set(api.key, answer as Failed);
}

failing(produce, ({ acks, topicData }, errorCode) =>
  acks === 0
    ? null
    : {
        responses: topicData.map(({ name, partitionData }) => ({
          name,
          partitionResponses: partitionData.map(({ index }) => ({ index, errorCode, baseOffset: noOffset })),
        })),
      },
);
failing(fetch, ({ topics }, errorCode, version) => ({
  errorCode,
  responses:
    version >= 7
      ? []
      : topics.map(({ topic, topicId, partitions }) => ({
          topic,
          topicId,
          partitions: partitions.map(({ partition }) => ({
            partitionIndex: partition,
            errorCode,
            highWatermark: noOffset,
            records: noBytes,
          })),
        })),
}));
failing(listOffsets, ({ topics }, errorCode) => ({
  topics: topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  })),
}));
// Asked for all topics, it has no place for it: no brokers and no topics would be a lie.
failing(metadata, ({ topics }, errorCode) =>
  topics === null || topics.length === 0
    ? null
    : { brokers: [], topics: topics.map(({ name, topicId }) => ({ errorCode, name, topicId, partitions: [] })) },
);
failing(offsetCommit, ({ topics }, errorCode) => ({
  topics: topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, errorCode })),
  })),
}));
failing(offsetFetch, ({ topics, groups }, errorCode, version) => ({
  errorCode,
  // Version 1 has no other place for it.
  topics:
    version > 1
      ? []
      : (topics ?? []).map(({ name, partitionIndexes }) => ({
          name,
          partitions: partitionIndexes.map((partitionIndex) => ({
            partitionIndex,
            committedOffset: noOffset,
            metadata: "",
            errorCode,
          })),
        })),
  groups: groups.map(({ groupId }) => ({ groupId, topics: [], errorCode })),
}));
failing(findCoordinator, ({ coordinatorKeys }, errorCode) => ({
  errorCode,
  coordinators: coordinatorKeys.map((key) => ({ key, nodeId: noNode, host: "", port: -1, errorCode })),
}));
failing(joinGroup, ({ memberId }, errorCode) => ({ errorCode, protocolName: null, leader: "", memberId, members: [] }));
failing(heartbeat, (_, errorCode) => ({ errorCode }));
failing(leaveGroup, (_, errorCode) => ({ errorCode }));
failing(syncGroup, (_, errorCode) => ({ errorCode, assignment: noBytes }));
failing(describeGroups, ({ groups }, errorCode) => ({
  groups: groups.map((groupId) => ({
    errorCode,
    groupId,
    groupState: "",
    protocolType: "",
    protocolData: "",
    members: [],
  })),
}));
failing(listGroups, (_, errorCode) => ({ errorCode, groups: [] }));
failing(apiVersions, (_, errorCode) => ({ errorCode, apiKeys: [] }));
failing(createTopics, ({ topics }, errorCode) => ({
  topics: topics.map(({ name }) => ({ name, topicId: "0".repeat(32), errorCode })),
}));
failing(deleteTopics, ({ topics, topicNames }, errorCode, version) => ({
  responses:
    version >= 6
      ? topics.map(({ name, topicId }) => ({ name, topicId, errorCode }))
      : topicNames.map((name) => ({ name, topicId: "0".repeat(32), errorCode })),
}));
failing(deleteRecords, ({ topics }, errorCode) => ({
  topics: topics.map(({ name, partitions }) => ({
    name,
    partitions: partitions.map(({ partitionIndex }) => ({ partitionIndex, lowWatermark: noOffset, errorCode })),
  })),
}));
failing(initProducerId, (_, errorCode) => ({ errorCode, producerId: -1, producerEpoch: -1 }));
failing(offsetForLeaderEpoch, ({ topics }, errorCode) => ({
  topics: topics.map(({ topic, partitions }) => ({
    topic,
    partitions: partitions.map(({ partition }) => ({ errorCode, partition })),
  })),
}));
failing(describeConfigs, ({ resources }, errorCode) => ({
  results: resources.map(({ resourceType, resourceName }) => ({ errorCode, resourceType, resourceName, configs: [] })),
}));
failing(alterConfigs, ({ resources }, errorCode) => ({
  responses: resources.map(({ resourceType, resourceName }) => ({ errorCode, resourceType, resourceName })),
}));
failing(incrementalAlterConfigs, ({ resources }, errorCode) => ({
  responses: resources.map(({ resourceType, resourceName }) => ({ errorCode, resourceType, resourceName })),
}));
// Before version 3 there is no place for it.
failing(describeLogDirs, (_, errorCode, version) => (version >= 3 ? { errorCode, results: [] } : null));
failing(createPartitions, ({ topics }, errorCode) => ({ results: topics.map(({ name }) => ({ name, errorCode })) }));
failing(deleteGroups, ({ groupsNames }, errorCode) => ({
  results: groupsNames.map((groupId) => ({ groupId, errorCode })),
}));
failing(offsetDelete, (_, errorCode) => ({ errorCode, topics: [] }));
failing(describeCluster, (_, errorCode) => ({ errorCode, clusterId: "", brokers: [] }));
failing(consumerGroupHeartbeat, (_, errorCode) => ({ errorCode, memberEpoch: 0, heartbeatIntervalMs: 0 }));
failing(consumerGroupDescribe, ({ groupIds }, errorCode) => ({
  groups: groupIds.map((groupId) => ({
    errorCode,
    groupId,
    groupState: "",
    groupEpoch: 0,
    assignmentEpoch: 0,
    assignorName: "",
    members: [],
  })),
}));
