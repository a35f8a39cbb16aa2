// @platformatic/kafka in groups of both protocols, for .ci/kafka-groups.mjs: it runs on Node 22 or 24 only, so it is a
// program of its own.
//
//   node24 .ci/kafka-platformatic-group.mjs HOST:PORT TOPIC classic|consumer
//
// The topic is there, empty, and has three partitions. Two members share it, one leaves, and a third comes once all
// have left and reads on where they were. Prints what it saw as JSON.
//
// The client keeps what it has fetched across a rebalance and then starts anew from the committed offset, so that a member
// can be handed a record twice. What has to hold in spite of that is said at `judge`.
import { Admin, Consumer, Producer, stringDeserializers, stringSerializers } from "@platformatic/kafka";
import { commit } from "./kafka-platformatic-commit.mjs";

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

/** Below it somebody has been handed every offset of the partition. */
const seenUpTo = partitions.map(() => 0);
const faults = [];
let repeats = 0;

/**
 * A record follows the last one of its partition, but for the first after the client has set its positions anew, which
 * it does with each rebalance and says as "offsets"; the first time is the assignment itself. Wherever a member starts,
 * it is never beyond what somebody has been handed: a record is committed after that, and the server may skip nothing.
 */
function judge(member, partition, offset) {
  const last = member.last.get(partition);
  if (last !== undefined && offset !== last + 1) {
    member.jumps[partition] += 1;
    if (member.jumps[partition] > member.resets - 1) {
      faults.push(`${offset} after ${last} of partition ${partition}, outside of a rebalance`);
    }
  }
  if (offset > seenUpTo[partition]) faults.push(`${offset} of partition ${partition}, without ${seenUpTo[partition]}`);
  if (offset < seenUpTo[partition]) repeats += 1;
  member.last.set(partition, offset);
  seenUpTo[partition] = Math.max(seenUpTo[partition], offset + 1);
}

/** Reads and commits, one record after the other, until it is closed. */
async function member() {
  const consumer = new Consumer({
    ...{ ...options, groupId, groupProtocol, deserializers: stringDeserializers, maxWaitTime: 200, ...timings },
  });
  const stream = await consumer.consume({
    ...{ topics: [topic], mode: "committed", fallbackMode: "earliest", autocommit: false },
  });
  const one = { seen: [], committed: 0, resets: 0, jumps: partitions.map(() => 0), last: new Map() };
  stream.on("offsets", () => {
    if (consumer.assignments?.length > 0) one.resets += 1;
  });
  const read = (async () => {
    for await (const message of stream) {
      const [partition, offset] = [message.partition, Number(message.offset)];
      judge(one, partition, offset);
      if (message.value !== `${offset}`) faults.push(`${message.value} at ${offset} of partition ${partition}`);
      one.seen.push([partition, offset]);
      await commit(message);
      one.committed += 1;
    }
  })();
  read.catch((error) => faults.push(`a member ended: ${error.stack}`));
  one.close = async () => {
    await until("what was read is not committed", () => one.committed === one.seen.length);
    await consumer.close(true);
    await read.catch(() => {});
  };
  return one;
}

async function until(what, isTrue) {
  const deadline = Date.now() + patienceMs;
  while (!(await isTrue())) {
    if (faults.length > 0) throw new Error(faults.join("\n"));
    if (Date.now() > deadline) throw new Error(`${what}, after ${patienceMs} ms`);
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
}

const everything = (...members) =>
  new Set(members.flatMap(({ seen }) => seen.map(([one, offset]) => `${one} ${offset}`)));
/** Of how many different partitions a member has read what was produced in the last round. */
const partitionsOf = ({ seen }) =>
  new Set(seen.filter(([, offset]) => offset >= (rounds - 1) * perRound).map(([one]) => one)).size;
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
console.error(`${repeats} records twice, of ${rounds * 30}`);
await admin.deleteGroups({ groups: [groupId] });
const gone = (await admin.listGroups()).get(groupId) === undefined;
await Promise.all([producer.close(), admin.close()]);
console.log(
  JSON.stringify({
    all: everything(first, second, third).size === rounds * 30,
    faults,
    resumed: everything(third).size,
    type: listed?.groupType,
    gone,
  }),
);
