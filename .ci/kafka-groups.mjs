// Groups of Kafka's clients against `serve`, started for real under each runtime.
//
//   node .ci/kafka-groups.mjs [--runtime node]...
//
// The clients are kafkajs, whose members are processes that can be killed, kcat (librdkafka) and @platformatic/kafka.
// Without kcat its test is said to be missing, loudly, and under CI=true that is a failure.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import kafkajs from "kafkajs";
import { killAll, startServer } from "./moldau.mjs";
import { runtime as runtimeOf } from "./runtimes.mjs";

const { values: flags } = parseArgs({
  options: { runtime: { type: "string", multiple: true, default: ["node", "bun", "deno"] } },
});
const partitions = [0, 1, 2];
const patienceMs = 60_000;
const children = new Set();
process.on("exit", () => {
  for (const child of children) child.kill("SIGKILL");
});

const hasKcat = spawnSync("kcat", ["-V"]).error === undefined;
if (!hasKcat) {
  console.error(
    `\n${"!".repeat(80)}\n!! kcat is not installed: groups of librdkafka are NOT TESTED.\n${"!".repeat(80)}\n`,
  );
  if (process.env.CI === "true") process.exit(1);
}

const script = (name) => fileURLToPath(new URL(name, import.meta.url));

function started(command, args) {
  const child = spawn(command, args, { stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  const one = { child, output: "", error: "" };
  child.stdout.on("data", (chunk) => (one.output += chunk));
  child.stderr.on("data", (chunk) => (one.error += chunk));
  one.ended = new Promise((resolve) =>
    child.once("close", (status, signal) => {
      children.delete(child);
      resolve({ status, signal });
    }),
  );
  return one;
}

/** Runs a client to its end; resolves to what it printed. */
async function ran(command, args) {
  const one = started(command, args);
  const timer = setTimeout(() => one.child.kill("SIGKILL"), patienceMs);
  const { status, signal } = await one.ended;
  clearTimeout(timer);
  assert.equal(status, 0, `${command} ${args.join(" ")}: ${signal ?? status}\n${one.error}${one.output.slice(-2000)}`);
  return one.output;
}

/** A member of a group by kafkajs. `assignments`: what it has read since each time that partitions were assigned to it. */
function startMember(server, group, topic) {
  const one = started(process.execPath, [script("kafka-member.mjs"), server.kafka, group, topic]);
  return {
    ...one,
    kill: (signal) => {
      one.child.kill(signal);
      return one.ended;
    },
    get assignments() {
      const assignments = [];
      // What was killed may have left half a line.
      for (const line of one.output.split("\n").slice(0, -1)) {
        const [head, ...rest] = line.split(" ");
        if (head === "joined") assignments.push({ partitions: rest.filter(Boolean).map(Number), records: [] });
        else assignments.at(-1).records.push({ partition: Number(head), offset: Number(rest[0]), value: rest[1] });
      }
      return assignments;
    },
    /** Of its present assignment. */
    get partitions() {
      return this.assignments.at(-1)?.partitions ?? [];
    },
    get records() {
      return this.assignments.flatMap(({ records }) => records);
    },
    toString: () => `${one.output.slice(-1000)}${one.error}`,
  };
}

async function until(what, isTrue, told = () => "") {
  const deadline = Date.now() + patienceMs;
  while (!(await isTrue())) {
    if (Date.now() > deadline) assert.fail(`not within ${patienceMs} ms: ${what}\n${told()}`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

async function withKafkajs(server, use) {
  const client = new kafkajs.Kafka({
    ...{ brokers: [server.kafka], clientId: "groups", logLevel: kafkajs.logLevel.NOTHING, retry: { retries: 5 } },
  });
  const [producer, admin] = [client.producer(), client.admin()];
  await Promise.all([producer.connect(), admin.connect()]);
  try {
    return await use(producer, admin);
  } finally {
    await Promise.all([producer.disconnect(), admin.disconnect()]);
  }
}

/** The same number for each partition; a value is its partition's and its offset's. */
function producing(producer, topic) {
  let next = 0;
  return {
    get each() {
      return next;
    },
    async send(count) {
      const messages = partitions.flatMap((partition) =>
        Array.from({ length: count }, (_, at) => ({ partition, value: `${partition}-${next + at}` })),
      );
      next += count;
      await producer.send({ topic, messages, acks: -1 });
    },
  };
}

const seenBy = (members) =>
  new Set(members.flatMap((member) => member.records.map(({ partition, offset }) => `${partition} ${offset}`)));

/** Nothing skipped: within an assignment a partition's offsets follow one another. */
function checkOrder(members) {
  for (const member of members) {
    for (const { partitions: assigned, records } of member.assignments) {
      const last = new Map();
      for (const { partition, offset, value } of records) {
        assert.ok(assigned.includes(partition), `partition ${partition} of ${assigned}`);
        assert.equal(value, `${partition}-${offset}`);
        if (last.has(partition)) assert.equal(offset, last.get(partition) + 1, `partition ${partition}`);
        last.set(partition, offset);
      }
    }
  }
}

function share(members) {
  return members
    .flatMap((member) => member.partitions)
    .sort()
    .join();
}

const committedBy = async (admin, groupId, topic) => {
  const [answer] = await admin.fetchOffsets({ groupId, topics: [topic] });
  return answer.partitions.sort((one, other) => one.partition - other.partition).map(({ offset }) => Number(offset));
};

for (const runtime of flags.runtime) {
  describe(`groups of Kafka's clients, the server on ${runtime}`, () => {
    let server;
    before(async () => {
      server = await startServer(runtime, { kafka: true, flags: ["--num-partitions", "3"] });
    });
    after(async () => {
      for (const child of children) child.kill("SIGKILL");
      await server?.stop();
      killAll();
    });

    test(`${runtime}: of three kafkajs members one is killed, nothing is lost, and a restart resumes`, async () => {
      const [topic, group] = ["killed", "of-three"];
      const resumeAt = await withKafkajs(server, async (producer, admin) => {
        await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
        const stream = producing(producer, topic);
        const members = [1, 2, 3].map(() => startMember(server, group, topic));
        const told = () => members.join("\n---\n");
        await until("each has one partition", () => members.every((one) => one.partitions.length === 1), told);
        assert.equal(share(members), "0,1,2");
        await stream.send(50);
        await until("all is read", () => seenBy(members).size === 150, told);
        const described = (await admin.describeGroups([group])).groups[0];
        assert.deepEqual([described.state, described.members.length], ["Stable", 3]);

        // In mid load: what it has read and not committed is read again by another.
        const [victim, ...others] = members;
        const [lost] = victim.partitions;
        const before = victim.records.length;
        let isKilled = false;
        const load = (async () => {
          while (!isKilled || stream.each < 400) {
            await stream.send(20);
            if (stream.each >= 2000) break;
            await new Promise((resolve) => setTimeout(resolve, 30));
          }
        })();
        await until("the victim reads", () => victim.records.length > before + 20, told);
        await victim.kill("SIGKILL");
        isKilled = true;
        await load;
        await until("two share what the victim had", () => share(others) === "0,1,2", told);
        await until("all is read", () => seenBy(members).size === stream.each * 3, told);
        checkOrder(members);
        const takenOver = others.flatMap((one) => one.assignments.at(-1).records).find((one) => one.partition === lost);
        const lastRead = victim.records.at(-1).offset;
        assert.ok(takenOver.offset <= lastRead + 1, `${takenOver.offset} follows ${lastRead}`);
        for (const one of others) assert.equal((await one.kill("SIGTERM")).status, 0, one.toString());
        assert.deepEqual(
          await committedBy(admin, group, topic),
          partitions.map(() => stream.each),
        );
        assert.equal((await admin.describeGroups([group])).groups[0].state, "Empty");
        return stream.each;
      });

      await server.stop();
      const { folder, port, kafkaPort } = server;
      server = await startServer(runtime, { folder, port, kafka: kafkaPort });
      await withKafkajs(server, async (producer, admin) => {
        assert.deepEqual(
          await committedBy(admin, group, topic),
          partitions.map(() => resumeAt),
        );
        const messages = partitions.map((partition) => ({ partition, value: `${partition}-${resumeAt}` }));
        await producer.send({ topic, messages, acks: -1 });
        const member = startMember(server, group, topic);
        await until(
          "what is new is read",
          () => seenBy([member]).size === 3,
          () => member.toString(),
        );
        checkOrder([member]);
        assert.ok(
          member.records.every(({ offset }) => offset === resumeAt),
          "and nothing else",
        );
        assert.equal((await member.kill("SIGTERM")).status, 0);
        await admin.resetOffsets({ groupId: group, topic, earliest: true });
        assert.deepEqual(await committedBy(admin, group, topic), [0, 0, 0]);
        await admin.setOffsets({ groupId: group, topic, partitions: [{ partition: 1, offset: "7" }] });
        assert.equal((await committedBy(admin, group, topic))[1], 7);
        assert.deepEqual(
          (await admin.listGroups()).groups.filter(({ groupId }) => groupId === group),
          [{ groupId: group, protocolType: "consumer" }],
        );
        assert.deepEqual(await admin.deleteGroups([group]), [{ groupId: group, errorCode: 0 }]);
        assert.deepEqual(await committedBy(admin, group, topic), [-1, -1, -1]);
      });
    });

    test(`${runtime}: kcat in a group reads all, and then what is new`, { skip: !hasKcat }, async () => {
      const [topic, group] = ["by-kcat", "of-kcat"];
      const read = async () => {
        const settings = ["auto.offset.reset=earliest", "broker.address.family=v4", "session.timeout.ms=6000"];
        const args = ["-b", server.kafka, ...settings.flatMap((one) => ["-X", one])];
        const printed = await ran("kcat", [...args, "-e", "-q", "-f", "%s\\n", "-G", group, topic]);
        return printed.split("\n").slice(0, -1).sort();
      };
      await withKafkajs(server, async (producer, admin) => {
        await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
        for (const [from, count] of [
          [0, 100],
          [100, 5],
        ]) {
          const values = partitions.flatMap((partition) =>
            Array.from({ length: count }, (_, at) => ({ partition, value: `${partition}-${from + at}` })),
          );
          await producer.send({ topic, messages: values, acks: -1 });
          assert.deepEqual(await read(), values.map(({ value }) => value).sort());
          assert.deepEqual(
            await committedBy(admin, group, topic),
            partitions.map(() => from + count),
          );
        }
      });
    });

    for (const protocol of ["classic", "consumer"]) {
      test(`${runtime}: @platformatic/kafka in a group of the ${protocol} protocol`, async () => {
        const topic = `by-platformatic-${protocol}`;
        await withKafkajs(server, (_, admin) => admin.createTopics({ topics: [{ topic, numPartitions: 3 }] }));
        const args = [script("kafka-platformatic-group.mjs"), server.kafka, topic, protocol];
        const said = JSON.parse(await ran(runtimeOf("node24").command, args));
        assert.deepEqual(said, { all: true, inOrder: true, resumed: 30, type: protocol, gone: true });
      });
    }
  });
}
