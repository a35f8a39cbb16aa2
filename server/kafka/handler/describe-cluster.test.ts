import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { describeCluster } from "../schema/describe-cluster.ts";
import { openAsked, said, versionsOf } from "./admin.test.support.ts";

for (const version of versionsOf(describeCluster)) {
  test(`version ${version} tells the cluster and its broker, where this client reaches it`, async () => {
    const { ask } = await openAsked();
    deepStrictEqual(await ask(describeCluster, version, { includeClusterAuthorizedOperations: false }), {
      ...{ throttleTimeMs: 0, errorCode: 0, errorMessage: null, endpointType: 1 },
      ...{ clusterId: "a-cluster", controllerId: 7, clusterAuthorizedOperations: -2_147_483_648 },
      brokers: [{ brokerId: 7, host: "for.this.client", port: 9092, rack: null }],
    });
  });

  test(`version ${version} tells what everybody may do, when it is asked`, async () => {
    const { ask } = await openAsked();
    const { clusterAuthorizedOperations: bits } = await ask(describeCluster, version, {
      includeClusterAuthorizedOperations: true,
    });
    // As a Kafka without an authorizer says it.
    strictEqual(bits, 8096);
  });
}

test("there is no controller to ask, and nothing else", async () => {
  const { ask } = await openAsked();
  const asked = async (endpointType: number): Promise<string> => {
    const answer = await ask(describeCluster, 1, { includeClusterAuthorizedOperations: false, endpointType });
    deepStrictEqual([answer.brokers, answer.endpointType], [[], endpointType]);
    return said(answer);
  };
  match(await asked(2), /^MISMATCHED_ENDPOINT_TYPE: this is a broker/);
  match(await asked(9), /^UNSUPPORTED_ENDPOINT_TYPE: there is no endpoint type 9/);
});
