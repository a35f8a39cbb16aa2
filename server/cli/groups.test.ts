import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { type TestContext, test } from "node:test";
import type { Broker } from "../../engine/index.ts";
import { testApp } from "../http/app.test.support.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { run } from "./program.ts";

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

interface Started {
  readonly broker: Broker;
  readonly sessions: { readonly count: number };
  moldau(...args: string[]): Promise<Ran>;
  /** Its output. */
  does(...args: string[]): Promise<string>;
}

/** The real commands against a real broker, over a socket. */
async function start(t: TestContext): Promise<Started> {
  const { app, broker, sessions } = await testApp(t);
  const server = http.createServer(async (request, response) => {
    const chunks: Uint8Array[] = [];
    for await (const chunk of request) chunks.push(chunk as Uint8Array);
    const gone = new AbortController();
    response.on("close", () => gone.abort());
    const { method = "GET", url = "/" } = request;
    const body = chunks.length === 0 ? {} : { body: Buffer.concat(chunks) };
    const headers = request.headers as Record<string, string>;
    const asked = new Request(`http://test${url}`, { method, headers, signal: gone.signal, ...body });
    const answer = await app.fetch(asked);
    response.writeHead(answer.status, Object.fromEntries(answer.headers));
    response.end(Buffer.from(await answer.arrayBuffer()));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const moldau = async (...args: string[]): Promise<Ran> => {
    let out = "";
    let error = "";
    const process = {
      args: [...args, "--url", url],
      ...{ env: {}, stdoutIsTerminal: false, stderrIsTerminal: false, stdinIsTerminal: false },
      writeOut: async (bytes: Uint8Array) => void (out += new TextDecoder().decode(bytes)),
      writeError: (text: string) => void (error += text),
      onSignal: () => {},
      exit: () => assert.fail("exited"),
    };
    const status = await run({ name: "node", version: "0", process } as unknown as Runtime, "1.2.3");
    return { status, out, error };
  };
  const does = async (...args: string[]): Promise<string> => {
    const { status, out, error } = await moldau(...args);
    assert.equal(status, 0, `${args.join(" ")}: ${error}`);
    return out;
  };
  await broker.createTopic("events", { partitions: 2 });
  for (const [at, value] of ["a", "b", "c", "d"].entries())
    await broker.produce("events", [{ key: "k", value }], { partition: at % 2 });
  return { broker, sessions, moldau, does };
}

const lines = (text: string): string[] => text.split("\n").filter((line) => line !== "");

test("consume --group: what was written out is committed, and the next goes on there", async (t) => {
  const { broker, sessions, does } = await start(t);
  const first = lines(await does("consume", "events", "--group", "billing", "-n", "3"));
  assert.equal(first.length, 3);
  const second = lines(await does("consume", "events", "--group", "billing"));
  assert.deepEqual([...first, ...second].sort(), ["a", "b", "c", "d"]);
  assert.equal(await does("consume", "events", "-g", "billing"), "");
  assert.equal(sessions.count, 0, "all have left");
  await broker.produce("events", [{ key: "k", value: Uint8Array.of(255), headers: [["h", null]] }], { partition: 1 });
  const record = JSON.parse(await does("consume", "events", "-g", "billing", "--format", "json")) as object;
  const { timestamp: _, ...rest } = record as { timestamp: number };
  assert.deepEqual(rest, {
    ...{ topic: "events", partition: 1, offset: 2, key: "k", value: { base64: "/w==" }, headers: [["h", null]] },
  });
});

test("several share a group: each record is written once", async (t) => {
  const { broker, does } = await start(t);
  const values = Array.from({ length: 500 }, (_, at) => `more ${at}`);
  await broker.produce(
    "events",
    values.map((value) => ({ value })),
  );
  const outputs = await Promise.all([1, 2].map(() => does("consume", "events", "-g", "shared")));
  assert.deepEqual(outputs.flatMap(lines).sort(), ["a", "b", "c", "d", ...values].sort());
});

test("groups are listed, described, reset and deleted", async (t) => {
  const { broker, moldau, does } = await start(t);
  await does("consume", "events", "-g", "billing");
  assert.match(await does("groups", "list"), /^GROUP +PROTOCOL +STATE\nbilling +consumer +Empty\n$/);
  const described = await does("groups", "describe", "billing");
  assert.match(described, /^billing {2}consumer, Empty/);
  assert.match(described, /^events +0 +2 +2 +0 +-$/m);
  const offsets = async (): Promise<number[]> => {
    const group = JSON.parse(await does("groups", "describe", "billing", "--format", "json")) as {
      offsets: { offset: number }[];
    };
    return group.offsets.map(({ offset }) => offset);
  };
  assert.deepEqual(await offsets(), [2, 2]);
  assert.match(await does("groups", "reset-offsets", "billing", "--to", "earliest", "--dry-run"), /dry run/);
  assert.deepEqual(await offsets(), [2, 2], "a dry run sets nothing");
  const set = await does("groups", "reset-offsets", "billing", "--to", "earliest", "--format", "json");
  assert.deepEqual(JSON.parse(set), [
    { topic: "events", partition: 0, from: 2, to: 0 },
    { topic: "events", partition: 1, from: 2, to: 0 },
  ]);
  assert.deepEqual(await offsets(), [0, 0]);
  await does("groups", "reset-offsets", "billing", "--to", "1", "--topic", "events:1");
  assert.deepEqual(await offsets(), [0, 1]);
  await does("groups", "reset-offsets", "billing", "--to", "99", "-t", "events");
  assert.deepEqual(await offsets(), [2, 2], "no further than the end");
  await does("groups", "reset-offsets", "billing", "--to", "-1");
  assert.deepEqual(await offsets(), [1, 1]);
  await does("groups", "reset-offsets", "billing", "--to", "@1");
  assert.deepEqual(await offsets(), [0, 0]);
  await does("groups", "reset-offsets", "billing", "--to", "latest");
  assert.equal(await does("consume", "events", "-g", "billing"), "");
  // A new one, before its first member.
  await does("groups", "reset-offsets", "fresh", "--to", "latest", "--topic", "events");
  assert.equal(await does("consume", "events", "-g", "fresh"), "");
  const nothing = await moldau("groups", "reset-offsets", "nobody", "--to", "latest");
  assert.deepEqual([nothing.status, /--topic/.test(nothing.error)], [1, true]);

  const join = { groupId: "billing", memberId: "m", memberEpoch: 0, rebalanceTimeoutMs: 1000 };
  await broker.groups.consumerGroupHeartbeat({ ...join, subscribedTopicNames: ["events"], topicPartitions: [] });
  assert.match(await does("groups", "describe", "billing"), /^events +0 +2 +2 +0 +m$/m);
  const busy = await moldau("groups", "reset-offsets", "billing", "--to", "earliest");
  assert.deepEqual([busy.status, /1 member:/.test(busy.error)], [1, true], busy.error);
  assert.match((await moldau("groups", "delete", "billing")).error, /has members/);
  await broker.groups.consumerGroupHeartbeat({ groupId: "billing", memberId: "m", memberEpoch: -1 });
  assert.equal(await does("groups", "delete", "billing", "fresh"), "deleted billing\ndeleted fresh\n");
  assert.deepEqual(JSON.parse(await does("groups", "list", "--format", "json")), []);
  assert.match((await moldau("groups", "describe", "billing")).error, /billing/);
});
