import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { createTwinKernel } from "../../../engine/index.ts";
import { openFace } from "../client.test.support.ts";
import { kafkaErrors } from "../errors.ts";
import { apiVersions } from "../schema/api-versions.ts";
import { apis } from "../schema/index.ts";
import type { ApiDefinition } from "../schema/notation.ts";
import { atVersion, sampleOf } from "../schema/sample.test.support.ts";

const topic = "events";
const record = { key: null, value: Uint8Array.of(1), headers: [], timestamp: 5 };
const batch = createTwinKernel().encodeBatch([record], {});

/** A request that is answered well, where a sample of what its fields may hold is not. */
const wellAnswered: Readonly<Record<string, (topicId: string, version: number) => Record<string, unknown>>> = {
  Produce: () => ({
    ...{ transactionalId: null, acks: -1, timeoutMs: 1000 },
    topicData: [{ name: topic, partitionData: [{ index: 0, records: batch }] }],
  }),
  Fetch: (topicId) => ({
    ...{ replicaId: -1, maxWaitMs: 0, minBytes: 0, maxBytes: 1_000_000, isolationLevel: 0, sessionEpoch: 0 },
    topics: [{ topic, topicId, partitions: [{ partition: 0, fetchOffset: 0, partitionMaxBytes: 1_000_000 }] }],
  }),
  ListOffsets: () => ({
    ...{ replicaId: -1, isolationLevel: 0 },
    topics: [{ name: topic, partitions: [{ partitionIndex: 0, timestamp: -1 }] }],
  }),
  Metadata: (topicId, version) => ({ topics: version >= 12 ? [{ topicId, name: null }] : [{ name: topic }] }),
  InitProducerId: () => ({ transactionalId: null, transactionTimeoutMs: 0 }),
  OffsetForLeaderEpoch: () => ({ topics: [{ topic, partitions: [{ partition: 0, leaderEpoch: 0 }] }] }),
};

test("every version that ApiVersions advertises is answered, and none is said to be unknown", async () => {
  const face = await openFace();
  const { id } = await face.broker.createTopic(topic);
  const { apiKeys } = await face.connect().ask(apiVersions, 3, {});
  const asked: string[] = [];
  for (const { apiKey, minVersion, maxVersion } of apiKeys) {
    const api: ApiDefinition | undefined = apis.find(({ key }) => key === apiKey);
    ok(api !== undefined, `API ${apiKey}`);
    for (let version = minVersion; version <= maxVersion; version++) {
      const well = wellAnswered[api.name]?.(id, version);
      const request = well ?? atVersion(api.request, sampleOf(api.request), version);
      const answer: unknown = await face.connect().ask(api, version, request);
      const codes = errorCodesIn(answer);
      ok(!codes.includes(kafkaErrors.UNSUPPORTED_VERSION.code), `${api.name} ${version}`);
      const refused: number[] = api.name === "Produce" && version < 3 ? [43] : [];
      if (well !== undefined) deepStrictEqual(codes.filter(Boolean), refused, `${api.name} ${version}`);
      asked.push(`${api.name} ${version}`);
    }
  }
  for (const [name, count] of Object.entries({
    Produce: 12,
    Fetch: 13,
    ListOffsets: 7,
    Metadata: 13,
    ApiVersions: 5,
  })) {
    strictEqual(asked.filter((one) => one.startsWith(`${name} `)).length, count, name);
  }
  strictEqual(face.broker.offsets(topic, 0).latest, 9, "one produce a version");
  await face.close();
});

function errorCodesIn(value: unknown): number[] {
  if (Array.isArray(value)) return value.flatMap(errorCodesIn);
  if (value === null || typeof value !== "object" || value instanceof Uint8Array) return [];
  return Object.entries(value).flatMap(([name, inner]) =>
    name === "errorCode" ? [inner as number] : errorCodesIn(inner),
  );
}
