// InitProducerId: an id and an epoch for an idempotent producer.

export const initProducerId = {
  key: 22,
  name: "InitProducerId",
  versions: [0, 5],
  flexible: 2,
  request: {
    transactionalId: "string?",
    transactionTimeoutMs: "int32",
    producerId: "int64 3+ = -1",
    producerEpoch: "int16 3+ = -1",
  },
  response: {
    throttleTimeMs: "int32 = 0",
    errorCode: "int16",
    producerId: "int64 = -1",
    producerEpoch: "int16",
  },
} as const;
