// A member of a group by kafkajs, as a process of its own that can be killed.
//
//   node .ci/kafka-member.mjs HOST:PORT GROUP TOPIC
//
// Prints a line a record, "PARTITION OFFSET VALUE", and "joined PARTITION..." when it is assigned. Commits after each
// batch of a partition, once its lines are written.
import { writeSync } from "node:fs";
import kafkajs from "kafkajs";

const [bootstrap, groupId, topic] = process.argv.slice(2);
const client = new kafkajs.Kafka({ clientId: "member", brokers: [bootstrap], logLevel: kafkajs.logLevel.NOTHING });
const consumer = client.consumer({
  ...{ groupId, sessionTimeout: 6000, heartbeatInterval: 300, rebalanceTimeout: 6000 },
  ...{ maxWaitTimeInMs: 200, maxBytesPerPartition: 2000 },
});
consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
  writeSync(1, `joined ${(payload.memberAssignment[topic] ?? []).join(" ")}\n`);
});
process.once("SIGTERM", async () => {
  await consumer.disconnect();
  process.exit(0);
});
await consumer.connect();
await consumer.subscribe({ topics: [topic], fromBeginning: true });
await consumer.run({
  autoCommitThreshold: 1,
  partitionsConsumedConcurrently: 1,
  async eachBatch({ batch, resolveOffset, heartbeat, commitOffsetsIfNecessary }) {
    for (const { offset, value } of batch.messages) {
      writeSync(1, `${batch.partition} ${offset} ${value}\n`);
      resolveOffset(offset);
    }
    await commitOffsetsIfNecessary();
    await heartbeat();
  },
});
