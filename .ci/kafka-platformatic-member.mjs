// A member of a group of the consumer protocol (KIP-848) by @platformatic/kafka, as a process of its own: it runs on
// Node 22 or 24 only.
//
//   node24 .ci/kafka-platformatic-member.mjs HOST:PORT GROUP TOPIC
//
// Prints a line a record, "PARTITION OFFSET VALUE", and commits each. Leaves its group on SIGTERM.
import { writeSync } from "node:fs";
import { Consumer, stringDeserializers } from "@platformatic/kafka";
import { commit } from "./kafka-platformatic-commit.mjs";

const [bootstrap, groupId, topic] = process.argv.slice(2);
const consumer = new Consumer({
  ...{ clientId: "member", bootstrapBrokers: [bootstrap], timeout: 10_000, retries: 3 },
  ...{ groupId, groupProtocol: "consumer", deserializers: stringDeserializers, maxWaitTime: 200 },
});
const stream = await consumer.consume({
  ...{ topics: [topic], mode: "committed", fallbackMode: "earliest", autocommit: false },
});
process.once("SIGTERM", async () => {
  await consumer.close(true);
  process.exit(0);
});
for await (const message of stream) {
  writeSync(1, `${message.partition} ${message.offset} ${message.value}\n`);
  await commit(message);
}
