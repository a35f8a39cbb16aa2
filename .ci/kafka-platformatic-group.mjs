// @platformatic/kafka in groups of both protocols, for .ci/kafka-groups.mjs: it runs on Node 22 or 24 only, so it is a
// program of its own.
//
//   node24 .ci/kafka-platformatic-group.mjs HOST:PORT TOPIC classic|consumer
//
// The topic is there, empty, and has three partitions. Two members share it, one leaves, and a third comes once all
// have left and reads on where they were. Prints what it saw as JSON.
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka";

const [bootstrap, topic, groupProtocol] = process.argv.slice(2);
const options = { clientId: "platformatic", bootstrapBrokers: [bootstrap], timeout: 10_000, retries: 3 };
const groupId = `${topic}-${groupProtocol}`;
const partitions = [0, 1, 2];
const perRound = 10;
const patienceMs = 40_000;
const timings = groupProtocol === "consumer" ? {} : { sessionTimeout: 6000, heartbeatInterval: 300 };
const admin = new Admin(options);
const producer = new Producer({ ...options, serializers: stringSerializers });
let rounds = 0;

async function produce() {
  const messages = partitions.flatMap((partition) =>
    Array.from({ length: perRound }, (_, at) => ({ topic, partition, value: `${rounds * perRound + at}` })),
  );
  rounds += 1;
  await producer.send({ messages, acks: -1 });
}

/** Reads and commits, one record after the other, until it is closed. */
async function member() {
  const consumer = new Consumer({
    ...{ ...options, groupId, groupProtocol, deserializers: stringDeserializers, maxWaitTime: 200, ...timings },
  });
  const seen = [];
  const stream = await consumer.consume({
    ...{ topics: [topic], mode: "committed", fallbackMode: "earliest", autocommit: false },
  });
  const read = (async () => {
    for await (const message of stream) {
      await message.commit();
      seen.push([message.partition, Number(message.offset), message.value]);
    }
  })();
  return {
    seen,
    async close() {
      await consumer.close(true);
      await read.catch(() => {});
    },
  };
}

async function until(what, isTrue) {
  const deadline = Date.now() + patienceMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`${what}, after ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const everything = (...members) =>
  new Set(members.flatMap(({ seen }) => seen.map(([one, offset]) => `${one} ${offset}`)));
/** Of how many different partitions a member has read what was produced in the last round. */
const partitionsOf = ({ seen }) =>
  new Set(seen.filter(([, offset]) => offset >= (rounds - 1) * perRound).map(([one]) => one)).size;
const isInOrder = ({ seen }) =>
  partitions.every((one) => {
    const offsets = seen.filter(([partition]) => partition === one).map(([, offset]) => offset);
    return offsets.every((offset, at) => at === 0 || offset > offsets[at - 1]);
  });

const first = await member();
await produce();
await until("the first member has not read all", () => everything(first).size === 30);
const second = await member();
await until("they do not share the partitions", async () => {
  await produce();
  await new Promise((resolve) => setTimeout(resolve, 700));
  return partitionsOf(first) > 0 && partitionsOf(second) > 0 && partitionsOf(first) + partitionsOf(second) === 3;
});
await until("the two have not read all", () => everything(first, second).size === rounds * 30);
const listed = (await admin.listGroups({ types: ["classic", "consumer"] })).get(groupId);
await first.close();
await produce();
await until("the second has not taken over", () => everything(first, second).size === rounds * 30);
await second.close();
await produce();
const third = await member();
await until("the third has not read what is new", () => everything(third).size === 30);
await third.close();
await admin.deleteGroups({ groups: [groupId] });
const gone = (await admin.listGroups()).get(groupId) === undefined;
await Promise.all([producer.close(), admin.close()]);
console.log(
  JSON.stringify({
    all: everything(first, second, third).size === rounds * 30,
    inOrder: [first, second, third].every(isInOrder),
    resumed: third.seen.length,
    type: listed?.groupType,
    gone,
  }),
);
