// Groups of Kafka's clients against `serve`, started for real under each runtime.
//
//   node .ci/kafka-groups.mjs [--runtime node]... [--matrix FILE]
//
// The clients are kafkajs, whose members are processes that can be killed, kcat (librdkafka) and @platformatic/kafka,
// which also shares a group with a member over HTTP.
// Without kcat its test is said to be missing, loudly, and under CI=true that is a failure. `--matrix` is as of e2e.mjs.
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { after, before, describe } from "node:test";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import kafkajs from "kafkajs";
import { matrixRows } from "./matrix-rows.mjs";
import { killAll, startServer } from "./moldau.mjs";
import { runtime as runtimeOf } from "./runtimes.mjs";

const { values: flags } = parseArgs({
  options: {
    runtime: { type: "string", multiple: true, default: ["node", "bun", "deno"] },
    matrix: { type: "string" },
  },
});
const { feature } = matrixRows({ file: flags.matrix, runtimes: flags.runtime, section: "Groups of Kafka's clients" });
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

const withKcat = { skip: !hasKcat };

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

/** A member that the server keeps, read by long polls: each commits what the one before it has brought. */
function startHttpMember(server, group, topic) {
  const one = { records: [], error: null, toString: () => `${one.records.length} records over HTTP, ${one.error}` };
  let next = `/v1/groups/${group}/records?topics=${topic}&waitMs=300`;
  let memberId;
  let isLeaving = false;
  const polling = (async () => {
    for (;;) {
      const isLast = isLeaving;
      const answer = await fetch(`${server.url}${next}`);
      const body = await answer.json();
      assert.equal(answer.status, 200, JSON.stringify(body));
      ({ memberId, next } = body);
      // Everything before it is committed; what it has brought is for whoever comes after.
      if (isLast) return;
      one.records.push(...body.records.map(({ partition, offset, value }) => ({ partition, offset, value })));
    }
  })();
  polling.catch((error) => (one.error = error));
  one.leave = async () => {
    isLeaving = true;
    await polling;
    const left = await fetch(`${server.url}/v1/groups/${group}/members/${memberId}`, { method: "DELETE" });
    assert.equal(left.status, 204);
  };
  return one;
}

/** A member of the consumer protocol by @platformatic/kafka. */
function startConsumer(server, group, topic) {
  const args = [script("kafka-platformatic-member.mjs"), server.kafka, group, topic];
  const one = started(runtimeOf("node24").command, args);
  return {
    ...one,
    get records() {
      return recordsIn(one.output);
    },
    leave: async () => {
      one.child.kill("SIGTERM");
      assert.equal((await one.ended).status, 0, one.error);
    },
    toString: () => `${one.output.slice(-1000)}${one.error}`,
  };
}

/** A static member by kcat (librdkafka), which rebalances cooperatively. */
function startKcat(server, group, topic, instance) {
  const settings = [
    ...["auto.offset.reset=earliest", "broker.address.family=v4", "partition.assignment.strategy=cooperative-sticky"],
    ...["session.timeout.ms=30000", "heartbeat.interval.ms=300", `group.instance.id=${instance}`],
  ];
  const args = ["-b", server.kafka, ...settings.flatMap((one) => ["-X", one])];
  const one = started("kcat", [...args, "-u", "-f", "%p %o %s\\n", "-G", group, topic]);
  return {
    ...one,
    get error() {
      return one.error;
    },
    get records() {
      return recordsIn(one.output);
    },
    toString: () => `${one.output.slice(-1000)}${one.error}`,
  };
}

/** Of lines "PARTITION OFFSET VALUE". */
function recordsIn(output) {
  const lines = output.split("\n").slice(0, -1);
  return lines
    .map((line) => line.split(" "))
    .map(([partition, offset, value]) => ({ partition: Number(partition), offset: Number(offset), value }));
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
  // At the same time: most of it is waiting for heartbeats.
  describe(`groups of Kafka's clients, the server on ${runtime}`, { concurrency: true }, () => {
    let server;
    before(async () => {
      server = await startServer(runtime, { kafka: true, flags: ["--num-partitions", "3"] });
    });
    after(async () => {
      for (const child of children) child.kill("SIGKILL");
      await server?.stop();
      killAll();
    });

    feature("of three kafkajs members one is killed, nothing is lost, and a restart resumes", runtime, async () => {
      const [topic, group] = ["killed", "of-three"];
      // Of its own: the others would not outlive a restart.
      let restarting = await startServer(runtime, { kafka: true });
      const resumeAt = await withKafkajs(restarting, async (producer, admin) => {
        await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
        const stream = producing(producer, topic);
        const members = [1, 2, 3].map(() => startMember(restarting, group, topic));
        const told = () => members.join("\n---\n");
        await until("each has one partition", () => members.every((one) => one.partitions.length === 1), told);
        assert.equal(share(members), "0,1,2");
        await stream.send(50);
        await until("all is read", () => seenBy(members).size === 150, told);
        const describedNow = async () => (await admin.describeGroups([group])).groups[0];
        await until("it is stable", async () => (await describedNow()).state === "Stable", told);
        assert.equal((await describedNow()).members.length, 3);

        // In mid load: what it has read and not committed is read again by another.
        const [victim, ...others] = members;
        await until("all are as they were", () => members.every((one) => one.partitions.length === 1), told);
        const [lost] = victim.partitions;
        const before = victim.records.length;
        const assignmentsBefore = others.map((one) => one.assignments.length);
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
        const takenOver = others
          .flatMap((one, at) => one.assignments.slice(assignmentsBefore[at]).flatMap(({ records }) => records))
          .filter(({ partition }) => partition === lost)
          .map(({ offset }) => offset);
        const lastRead = victim.records.findLast(({ partition }) => partition === lost).offset;
        assert.ok(Math.min(...takenOver) <= lastRead + 1, `${Math.min(...takenOver)} follows ${lastRead}`);
        for (const one of others) assert.equal((await one.kill("SIGTERM")).status, 0, one.toString());
        assert.deepEqual(
          await committedBy(admin, group, topic),
          partitions.map(() => stream.each),
        );
        assert.equal((await admin.describeGroups([group])).groups[0].state, "Empty");
        return stream.each;
      });

      await restarting.stop();
      const { folder, port, kafkaPort } = restarting;
      restarting = await startServer(runtime, { folder, port, kafka: kafkaPort });
      await withKafkajs(restarting, async (producer, admin) => {
        assert.deepEqual(
          await committedBy(admin, group, topic),
          partitions.map(() => resumeAt),
        );
        const messages = partitions.map((partition) => ({ partition, value: `${partition}-${resumeAt}` }));
        await producer.send({ topic, messages, acks: -1 });
        const member = startMember(restarting, group, topic);
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
      await restarting.stop();
    });

    feature("kcat in a group reads all, and then what is new", runtime, withKcat, async () => {
      const [topic, group] = ["by-kcat", "of-kcat"];
      const read = async () => {
        const settings = ["auto.offset.reset=earliest", "broker.address.family=v4", "session.timeout.ms=30000"];
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

    feature("a member over HTTP and one of @platformatic/kafka share a group", runtime, async () => {
      const [topic, group] = ["over-both", "of-both"];
      const ask = async (path) => (await fetch(`${server.url}/v1/groups/${group}${path}`)).json();
      await withKafkajs(server, async (producer, admin) => {
        await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
        const stream = producing(producer, topic);
        const everyone = [];
        const told = () => everyone.join("\n---\n");
        /** Each of so many members has something, all of it is assigned, and nobody is on the way. */
        const shared = (count) =>
          until(
            `${count} share the group`,
            async () => {
              const { state, members = [] } = await ask("");
              const counts = members.map(({ assignment }) => assignment.flatMap((one) => one.partitions).length);
              const sum = counts.reduce((all, one) => all + one, 0);
              return state === "Stable" && counts.length === count && !counts.includes(0) && sum === 3;
            },
            told,
          );
        const allCommitted = () =>
          until(
            "all is read and committed",
            async () => {
              const { offsets = [] } = await ask("/offsets");
              return offsets.length === 3 && offsets.every(({ offset, lag }) => offset === stream.each && lag === 0);
            },
            told,
          );
        /** What is sent now is read and committed, by these and nobody else, each record once. */
        const read = async (count, ...members) => {
          // A fetch that waited when its partition went may still bring the client something: maxWaitTime.
          await new Promise((resolve) => setTimeout(resolve, 1000));
          const before = everyone.map((one) => one.records.length);
          const from = stream.each;
          await stream.send(count);
          await allCommitted();
          const got = everyone.map((one, at) => one.records.slice(before[at]));
          for (const [at, one] of everyone.entries()) assert.equal(got[at].length > 0, members.includes(one), told());
          const expected = partitions.flatMap((one) => Array.from({ length: count }, (_, at) => `${one}-${from + at}`));
          assert.deepEqual(
            got
              .flat()
              .map(({ value }) => value)
              .sort(),
            expected.sort(),
          );
          for (const { partition, offset, value } of got.flat()) assert.equal(value, `${partition}-${offset}`);
          for (const records of got) {
            for (const one of partitions) {
              const offsets = records.filter(({ partition }) => partition === one).map(({ offset }) => offset);
              // A partition is one member's.
              if (offsets.length > 0)
                assert.deepEqual(
                  offsets,
                  Array.from({ length: count }, (_, at) => from + at),
                );
            }
          }
          assert.deepEqual(
            await committedBy(admin, group, topic),
            partitions.map(() => stream.each),
          );
        };

        const overHttp = startHttpMember(server, group, topic);
        everyone.push(overHttp);
        await read(40, overHttp);
        const byKafka = startConsumer(server, group, topic);
        everyone.push(byKafka);
        await shared(2);
        await read(100, overHttp, byKafka);
        await byKafka.leave();
        await shared(1);
        await read(20, overHttp);

        // In mid load one comes and the other goes: a record may come twice then, and none is lost.
        const another = startConsumer(server, group, topic);
        everyone.push(another);
        let isDone = false;
        const load = (async () => {
          while (!isDone) {
            await stream.send(5);
            await new Promise((resolve) => setTimeout(resolve, 20));
          }
        })();
        try {
          await shared(2);
          await until("both read", () => another.records.length > 20, told);
          await overHttp.leave();
          await shared(1);
        } finally {
          isDone = true;
          await load;
        }
        await allCommitted();
        assert.equal(seenBy(everyone).size, stream.each * 3, told());
        await read(30, another);
        await another.leave();
        assert.equal(overHttp.error, null);
        assert.equal((await ask("")).state, "Empty");
      });
    });

    feature(
      "kcat shares cooperatively, and a static member that starts again has what it had",
      runtime,
      withKcat,
      async () => {
        const [topic, group] = ["by-kcat-static", "of-kcat-static"];
        await withKafkajs(server, async (producer, admin) => {
          await admin.createTopics({ topics: [{ topic, numPartitions: 3 }] });
          const stream = producing(producer, topic);
          const started = { one: startKcat(server, group, topic, "one") };
          const told = () => Object.values(started).join("\n---\n");
          /** By instance; null while the group is on its way. */
          const described = async () => {
            const { state, epoch, members } = await (await fetch(`${server.url}/v1/groups/${group}`)).json();
            if (state !== "Stable") return null;
            return { epoch, ...Object.fromEntries(members.map((member) => [member.instanceId, member])) };
          };
          const held = (member) => (member?.assignment ?? []).flatMap(({ partitions: own }) => own);
          await until("one has all", async () => held((await described())?.one).length === 3, told);
          started.two = startKcat(server, group, topic, "two");
          await until(
            "both have something",
            async () => {
              const now = await described();
              return held(now?.one).length > 0 && held(now?.two).length > 0;
            },
            told,
          );
          assert.match(started.one.error, /COOPERATIVE/);
          await stream.send(20);
          await until("all is read", () => seenBy(Object.values(started)).size === 60, told);
          const before = await described();
          const first = started.two;
          first.child.kill("SIGKILL");
          await first.ended;
          started.two = startKcat(server, group, topic, "two");
          await until(
            "it is back",
            async () => ((await described())?.two.memberId ?? before.two.memberId) !== before.two.memberId,
            told,
          );
          const after = await described();
          assert.equal(after.epoch, before.epoch, "nobody rebalanced");
          assert.deepEqual(held(after.two), held(before.two));
          assert.equal(after.one.memberId, before.one.memberId);
          await stream.send(20);
          await until("what is new is read", () => seenBy([...Object.values(started), first]).size === 120, told);
          for (const { partition } of started.two.records) assert.ok(held(after.two).includes(partition));
        });
      },
    );

    for (const protocol of ["classic", "consumer"]) {
      feature(`@platformatic/kafka in a group of the ${protocol} protocol`, runtime, async () => {
        const topic = `by-platformatic-${protocol}`;
        await withKafkajs(server, (_, admin) => admin.createTopics({ topics: [{ topic, numPartitions: 3 }] }));
        const args = [script("kafka-platformatic-group.mjs"), server.kafka, topic, protocol];
        const said = JSON.parse(await ran(runtimeOf("node24").command, args));
        assert.deepEqual(said, { all: true, faults: [], resumed: 30, type: protocol, gone: true });
      });
    }
  });
}
