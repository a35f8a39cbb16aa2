// The handlers for groups: who is a member, what it has, how far a group has read, and what groups there are.
//
// Owns: the list. Never: an answer.

import type { KafkaFace } from "../face.ts";
import type { AnyHandler } from "../handler.ts";
import { consumerGroupDescribeHandler } from "./consumer-group-describe.ts";
import { consumerGroupHeartbeatHandler } from "./consumer-group-heartbeat.ts";
import { deleteGroupsHandler } from "./delete-groups.ts";
import { describeGroupsHandler } from "./describe-groups.ts";
import { findCoordinatorHandler } from "./find-coordinator.ts";
import { heartbeatHandler } from "./heartbeat.ts";
import { joinGroupHandler } from "./join-group.ts";
import { leaveGroupHandler } from "./leave-group.ts";
import { listGroupsHandler } from "./list-groups.ts";
import { offsetCommitHandler } from "./offset-commit.ts";
import { offsetDeleteHandler } from "./offset-delete.ts";
import { offsetFetchHandler } from "./offset-fetch.ts";
import { syncGroupHandler } from "./sync-group.ts";

export function groupHandlers(face: KafkaFace): AnyHandler[] {
  return [
    offsetCommitHandler(face),
    offsetFetchHandler(face),
    findCoordinatorHandler(face),
    joinGroupHandler(face),
    heartbeatHandler(face),
    leaveGroupHandler(face),
    syncGroupHandler(face),
    describeGroupsHandler(face),
    listGroupsHandler(face),
    deleteGroupsHandler(face),
    offsetDeleteHandler(face),
    consumerGroupHeartbeatHandler(face),
    consumerGroupDescribeHandler(face),
  ];
}
