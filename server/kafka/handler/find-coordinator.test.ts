import { deepStrictEqual, match, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { findCoordinator } from "../schema/find-coordinator.ts";
import { nameOf, openAsked, said, versionsOf } from "./admin.test.support.ts";
import { maxNamed } from "./outcome.ts";

for (const version of versionsOf(findCoordinator)) {
  test(`version ${version} finds this broker, where the client can reach it`, async () => {
    const { ask } = await openAsked();
    const answer = await ask(findCoordinator, version, version >= 4 ? { coordinatorKeys: ["g", "h"] } : { key: "g" });
    const found = version >= 4 ? answer.coordinators : [{ ...answer, key: "g" }];
    deepStrictEqual(
      found.map(({ key, errorCode, nodeId, host, port }) => [key, nameOf(errorCode), nodeId, host, port]),
      (version >= 4 ? ["g", "h"] : ["g"]).map((key) => [key, "NONE", 7, "for.this.client", 9092]),
    );
  });

  if (version === 0) continue;
  test(`version ${version} refuses transactions and what it does not know, at once`, async () => {
    const { ask } = await openAsked();
    const refusedOf = async (keyType: number): Promise<string> => {
      const answer = await ask(findCoordinator, version, { key: "k", keyType, coordinatorKeys: ["k"] });
      const { nodeId, host, port, ...rest } = version >= 4 ? answer.coordinators[0]! : answer;
      deepStrictEqual([nodeId, host, port], [-1, "", -1]);
      return said(rest);
    };
    match(await refusedOf(1), /^TRANSACTIONAL_ID_AUTHORIZATION_FAILED: transactions are not served/);
    match(await refusedOf(2), /^INVALID_REQUEST: there is no key type 2/);
    match(await refusedOf(-1), /^INVALID_REQUEST/);
  });
}

test("a request that names too many is refused", async () => {
  const { ask } = await openAsked();
  const coordinatorKeys = Array.from({ length: maxNamed + 1 }, (_, at) => `g${at}`);
  const { coordinators } = await ask(findCoordinator, 4, { coordinatorKeys });
  strictEqual(coordinators.filter(({ errorCode }) => nameOf(errorCode) === "INVALID_REQUEST").length, maxNamed + 1);
});
