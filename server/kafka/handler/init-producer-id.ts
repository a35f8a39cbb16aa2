// InitProducerId 0 to 5: an id for an idempotent producer.
//
// Owns: that answer. Never: keeps an id; the engine makes each durable before it is handed out.
//
// Departs from Kafka: no transactional ids. One is refused as if its use were forbidden, which a
// client reports at once instead of trying again.

import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { initProducerId } from "../schema/init-producer-id.ts";

export function initProducerIdHandler({ broker }: KafkaFace): Handler<typeof initProducerId> {
  return {
    api: initProducerId,
    async handle({ transactionalId }) {
      if (transactionalId !== null) {
        const name = transactionalId === "" ? "INVALID_REQUEST" : "TRANSACTIONAL_ID_AUTHORIZATION_FAILED";
        return { errorCode: kafkaErrors[name].code, producerEpoch: -1 };
      }
      // Whoever had one before gets another: an epoch is a transactional producer's alone (KIP-360).
      const { producerId, producerEpoch } = await broker.allocateProducer();
      return { errorCode: kafkaErrors.NONE.code, producerId, producerEpoch };
    },
  };
}
