// JoinGroup 0 to 9: a member enters a generation of a classic group, and waits until all have.
//
// Departs from Kafka: none of it waits for group.initial.rebalance.delay.ms unless that is set. The
// reason that a member gives (version 8) is not kept.

import { MemberIdRequiredError } from "../../../engine/index.ts";
import { kafkaErrorCode, kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { joinGroup } from "../schema/join-group.ts";
import { coordinating, groupClient, whileConnected } from "./coordinating.ts";

/** From here on a newcomer is given its id first, so that one whose answer is lost is no member for nothing (KIP-394). */
const firstWithMemberIdRequired = 4;
/** From here on a leader may be told to leave the assignment as it is (KIP-814). */
const firstWithSkipAssignment = 9;

export function joinGroupHandler({ broker }: KafkaFace): Handler<typeof joinGroup> {
  return coordinating(joinGroup, async (request, context) => {
    const { version } = context;
    const joined = broker.groups.joinGroup({
      ...request,
      ...groupClient(context),
      requireKnownMemberId: version >= firstWithMemberIdRequired,
      supportsSkippingAssignment: version >= firstWithSkipAssignment,
    });
    try {
      return { errorCode: kafkaErrors.NONE.code, ...(await whileConnected(joined, context)) };
    } catch (error) {
      if (!(error instanceof MemberIdRequiredError)) throw error;
      const { memberId } = error;
      return { errorCode: kafkaErrorCode(error), protocolName: null, leader: "", memberId, members: [] };
    }
  });
}
