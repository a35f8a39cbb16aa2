import { deepStrictEqual, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import { serveApis } from "./api-versions.ts";
import type { Handler } from "./handler.ts";
import { heartbeat } from "./schema/heartbeat.ts";
import { apis } from "./schema/index.ts";
import { produce } from "./schema/produce.ts";

const heartbeats: Handler<typeof heartbeat> = { api: heartbeat, handle: () => ({ errorCode: 0 }) };
const produces: Handler<typeof produce> = { api: produce, handle: () => null };

test("what has a handler is advertised, in the order of the keys, and nothing else", () => {
  const { byKey, answer } = serveApis([heartbeats, produces]);
  deepStrictEqual(answer(), {
    errorCode: 0,
    apiKeys: [
      { apiKey: 0, minVersion: 0, maxVersion: 11 },
      { apiKey: 12, minVersion: 0, maxVersion: 4 },
      { apiKey: 18, minVersion: 0, maxVersion: 4 },
    ],
  });
  deepStrictEqual([...byKey.keys()].sort(), [0, 12, 18]);
  strictEqual(answer(35).errorCode, 35);
});

test("an API has one handler", () => {
  throws(() => serveApis([produces, produces]), /two handlers for Produce, API 0/);
});

test("the versions are those that are safe with every client", () => {
  // The table of the design: Kafka's facts of 2024-10 know one version less of ConsumerGroupDescribe.
  const table: Readonly<Record<string, string>> = {
    Produce: "0-11",
    Fetch: "4-16",
    ListOffsets: "1-7",
    Metadata: "0-12",
    OffsetCommit: "2-9",
    OffsetFetch: "1-9",
    FindCoordinator: "0-4",
    JoinGroup: "0-9",
    Heartbeat: "0-4",
    LeaveGroup: "0-5",
    SyncGroup: "0-5",
    DescribeGroups: "0-5",
    ListGroups: "0-5",
    ApiVersions: "0-4",
    CreateTopics: "2-7",
    DeleteTopics: "1-6",
    DeleteRecords: "0-2",
    InitProducerId: "0-5",
    OffsetForLeaderEpoch: "2-4",
    DescribeConfigs: "1-4",
    AlterConfigs: "0-2",
    DescribeLogDirs: "1-4",
    CreatePartitions: "0-3",
    DeleteGroups: "0-2",
    IncrementalAlterConfigs: "0-1",
    OffsetDelete: "0-0",
    DescribeCluster: "0-1",
    ConsumerGroupHeartbeat: "0-1",
    ConsumerGroupDescribe: "0-0",
  };
  deepStrictEqual(Object.fromEntries(apis.map(({ name, versions }) => [name, versions.join("-")])), table);
});
