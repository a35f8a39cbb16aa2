// Groups as administrators see them: DescribeGroups, ListGroups and DeleteGroups, in every version.

import { deepStrictEqual, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { consumerGroupHeartbeat } from "../schema/consumer-group-heartbeat.ts";
import { deleteGroups } from "../schema/delete-groups.ts";
import { describeGroups } from "../schema/describe-groups.ts";
import { listGroups } from "../schema/list-groups.ts";
import { nameOf, openAsked, versionsOf } from "./admin.test.support.ts";
import { committed, left, offsetOf, onlyMember, textOf } from "./groups.test.support.ts";
import { maxNamed } from "./outcome.ts";

for (const version of versionsOf(describeGroups)) {
  test(`DescribeGroups ${version} shows members, and the dead as dead`, async () => {
    const { ask } = await openAsked();
    const { memberId } = await onlyMember({ ask }, { groupInstanceId: "i" });
    const { groups } = await ask(describeGroups, version, {
      groups: ["g", "nobody's", "g", "g".repeat(513)],
      includeAuthorizedOperations: true,
    });
    deepStrictEqual(
      groups.map((one) => [one.groupId.slice(0, 8), nameOf(one.errorCode), one.groupState, one.protocolData]),
      [
        ["g", "NONE", "Stable", "range"],
        ["nobody's", "NONE", "Dead", ""],
        ["gggggggg", "INVALID_GROUP_ID", "", ""],
      ],
    );
    deepStrictEqual(
      groups[0]!.members.map(({ memberMetadata, memberAssignment, ...member }) => ({
        ...member,
        ...{ memberMetadata: textOf(memberMetadata), memberAssignment: textOf(memberAssignment) },
      })),
      [
        {
          ...{ memberId, groupInstanceId: version >= 4 ? "i" : null, clientId: "test", clientHost: "/127.0.0.1" },
          ...{ memberMetadata: "what it reads", memberAssignment: "all of it" },
        },
      ],
    );
    strictEqual(groups[0]!.protocolType, "consumer");
    strictEqual(groups[0]!.authorizedOperations, version >= 3 ? 0b1_0100_1000 : -(2 ** 31));
    const unasked = await ask(describeGroups, version, { groups: ["g"] });
    strictEqual(unasked.groups[0]!.authorizedOperations, -(2 ** 31));
  });
}

for (const version of versionsOf(listGroups)) {
  test(`ListGroups ${version}${version >= 4 ? ", by state" : ""}${version >= 5 ? " and type" : ""}`, async () => {
    const { ask, broker, connect } = await openAsked();
    await broker.createTopic("t");
    await onlyMember({ ask });
    strictEqual(await committed({ ask }, 1, { groupId: "of offsets" }), "NONE");
    await connect().ask(consumerGroupHeartbeat, 0, {
      ...{ groupId: "new", memberId: "", memberEpoch: 0, rebalanceTimeoutMs: 1000 },
      ...{ subscribedTopicNames: ["t"], topicPartitions: [] },
    });
    const listed = async (filter: object): Promise<string[]> => {
      const { errorCode, groups } = await ask(listGroups, version, filter);
      strictEqual(nameOf(errorCode), "NONE");
      return groups.map((one) => [one.groupId, one.protocolType, one.groupState, one.groupType].join("|"));
    };
    const shown = (group: string, state: string, type: string): string =>
      `${group}|${version >= 4 ? state : ""}|${version >= 5 ? type : ""}`;
    const [g, fresh, offsets] = [
      shown("g|consumer", "Stable", "classic"),
      shown("new|consumer", "Stable", "consumer"),
      shown("of offsets|", "Empty", "classic"),
    ];
    deepStrictEqual(await listed({}), [g, fresh, offsets]);
    if (version >= 4) {
      deepStrictEqual(await listed({ statesFilter: ["empty", "Dead"] }), [offsets]);
      deepStrictEqual(await listed({ statesFilter: ["no state"] }), []);
    }
    if (version < 5) return;
    deepStrictEqual(await listed({ typesFilter: ["Consumer"] }), [fresh]);
    deepStrictEqual(await listed({ typesFilter: ["classic"], statesFilter: ["Stable"] }), [g]);
  });
}

for (const version of versionsOf(deleteGroups)) {
  test(`DeleteGroups ${version} removes groups without members, and their offsets`, async () => {
    const { ask, broker } = await openAsked();
    await broker.createTopic("t");
    strictEqual(await committed({ ask }, 3), "NONE");
    const member = await onlyMember({ ask });
    const deleted = async (...groupsNames: string[]): Promise<string[]> =>
      (await ask(deleteGroups, version, { groupsNames })).results.map(({ errorCode }) => nameOf(errorCode));
    deepStrictEqual(await deleted("g", "none", "g"), ["NON_EMPTY_GROUP", "GROUP_ID_NOT_FOUND"]);
    strictEqual(await offsetOf({ ask }), 3);
    strictEqual(await left({ ask }, member), "NONE");
    deepStrictEqual(await deleted("g"), ["NONE"]);
    strictEqual(await offsetOf({ ask }), -1);
    deepStrictEqual(await broker.groups.listGroups(), []);
    const many = Array.from({ length: maxNamed + 1 }, (_, at) => `g${at}`);
    deepStrictEqual([...new Set(await deleted(...many))], ["INVALID_REQUEST"]);
  });
}
