// @platformatic/kafka as an idempotent producer of one record after the other, for .ci/kafka.mjs: it runs on Node 22 or 24
// only, so it is a program of its own.
//
//   node24 .ci/kafka-platformatic-retry.mjs HOST:PORT TOPIC VALUE...
import { Producer, stringSerializers } from "@platformatic/kafka";

const [bootstrap, topic, ...values] = process.argv.slice(2);
const producer = new Producer({
  ...{ clientId: "platformatic", bootstrapBrokers: [bootstrap], timeout: 10_000, retries: 10, retryDelay: 50 },
  ...{ serializers: stringSerializers, idempotent: true, autocreateTopics: true },
});
for (const value of values) await producer.send({ messages: [{ topic, partition: 0, value }], acks: -1 });
await producer.close();
