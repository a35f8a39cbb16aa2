// @platformatic/kafka as a producer and as a reader without a group, for .ci/kafka.mjs: it runs on
// Node 22 or 24 only, so it is a program of its own.
//
//   node24 .ci/kafka-platformatic.mjs HOST:PORT TOPIC
//
// The topic is there, empty, and has one partition. Produces with every codec, idempotently and not,
// reads all of it back through fetch sessions, looks offsets up, and prints what it saw as JSON.
import { Consumer, ListOffsetTimestamps, Producer, stringSerializers } from "@platformatic/kafka";

const [bootstrap, topic] = process.argv.slice(2);
const options = { clientId: "platformatic", bootstrapBrokers: [bootstrap], timeout: 10_000, retries: 1 };
const codecs = ["none", "gzip", "snappy", "lz4", "zstd"];
const firstTime = 1_767_000_000_000;
const perSend = 20;
const sent = [];

for (const idempotent of [false, true]) {
  const producer = new Producer({ ...options, serializers: stringSerializers, idempotent });
  for (const compression of codecs) {
    const messages = Array.from({ length: perSend }, (_, at) => ({
      topic,
      partition: 0,
      key: `k${at}`,
      value: `${compression} ${idempotent} ${at}`,
      headers: { h: `v${at}` },
      timestamp: BigInt(firstTime + sent.length + at),
    }));
    const { offsets } = await producer.send({ messages, compression, acks: -1 });
    if (offsets[0].offset !== BigInt(sent.length)) throw new Error(`${compression}: at ${offsets[0].offset}`);
    sent.push(...messages.map(({ value }) => value));
  }
  await producer.close();
}

const consumer = new Consumer({ ...options, groupId: "none", maxWaitTime: 500 });
const metadata = await consumer.metadata({ topics: [topic] });
const { id: topicId } = metadata.topics.get(topic);
const read = [];
let fetches = 0;
while (read.length < sent.length && fetches < 100) {
  const partition = {
    partition: 0,
    fetchOffset: BigInt(read.length),
    partitionMaxBytes: 700,
    currentLeaderEpoch: metadata.topics.get(topic).partitions[0].leaderEpoch,
    lastFetchedEpoch: -1,
  };
  const { responses } = await consumer.fetch({ node: 0, topics: [{ topicId, partitions: [partition] }] });
  fetches += 1;
  for (const { firstOffset, records } of (responses[0]?.partitions ?? []).flatMap((one) => one.records ?? [])) {
    for (const record of records) {
      const offset = Number(firstOffset) + record.offsetDelta;
      if (offset !== read.length) continue;
      read.push(record.value.toString());
    }
  }
}
const latest = await consumer.listOffsets({ topics: [topic], timestamp: ListOffsetTimestamps.LATEST });
const byTime = await consumer.listOffsets({ topics: [topic], timestamp: BigInt(firstTime + 30) });
await consumer.close();
console.log(
  JSON.stringify({
    sent: sent.length,
    equal: JSON.stringify(read) === JSON.stringify(sent),
    fetches,
    latest: Number(latest.get(topic)[0]),
    byTime: Number(byTime.get(topic)[0]),
  }),
);
