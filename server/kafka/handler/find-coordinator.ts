// FindCoordinator 0 to 4: who coordinates a group; from version 4 on many at once.
//
// Departs from Kafka: this broker coordinates every group. A transactional id (key type 1) is
// refused as if its use were forbidden, which a client reports at once instead of trying again.

import { type KafkaErrorName, kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { findCoordinator } from "../schema/find-coordinator.ts";
import { coordinating } from "./coordinating.ts";
import { checkNamed, done, type Outcome } from "./outcome.ts";

const group = 0;
const transaction = 1;
const nobody = { nodeId: -1, host: "", port: -1 };

export function findCoordinatorHandler(face: KafkaFace): Handler<typeof findCoordinator> {
  return coordinating(findCoordinator, ({ keyType, coordinatorKeys }, { version, client }) => {
    checkNamed(coordinatorKeys.length, "keys");
    const { id: nodeId, host, port } = face.nodeFor(client);
    const outcome = outcomeOf(keyType);
    const found = { ...(outcome === done ? { nodeId, host, port } : nobody), ...outcome };
    return version < 4 ? found : { coordinators: coordinatorKeys.map((one) => ({ key: one, ...found })) };
  });
}

function outcomeOf(keyType: number): Outcome {
  if (keyType === group) return done;
  return keyType === transaction
    ? refused("TRANSACTIONAL_ID_AUTHORIZATION_FAILED", "transactions are not served")
    : refused("INVALID_REQUEST", `there is no key type ${keyType}: groups are ${group}`);
}

function refused(name: KafkaErrorName, errorMessage: string): Outcome {
  return { errorCode: kafkaErrors[name].code, errorMessage };
}
