import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { Budget, type Clock, MoldauError } from "../../engine/index.ts";
import { serveApis } from "./api-versions.ts";
import { Connection, type ConnectionOptions } from "./connection.ts";
import type { AnyHandler, Handler, RequestContext } from "./handler.ts";
import { apiVersions } from "./schema/api-versions.ts";
import { readResponse, writeRequest } from "./schema/codec.ts";
import { describeLogDirs } from "./schema/describe-log-dirs.ts";
import { fetch } from "./schema/fetch.ts";
import { heartbeat } from "./schema/heartbeat.ts";
import { metadata } from "./schema/metadata.ts";
import type { ApiDefinition, ResponseOf } from "./schema/notation.ts";
import { produce } from "./schema/produce.ts";

type HeartbeatAnswer = ResponseOf<typeof heartbeat>;

const clientId = "test";
function concat(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
const turn = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 0));

/** A wire that keeps what it is given, and a clock that goes by hand. */
function open(handlers: readonly AnyHandler[], options: Partial<ConnectionOptions> = {}) {
  const written: Uint8Array[] = [];
  const calls: string[] = [];
  const logged: string[] = [];
  const unsent: (() => void)[] = [];
  const timers = new Set<() => void>();
  const state = { hasRoom: true, isPaused: false };
  const clock: Clock = {
    now: () => 0,
    monotonic: () => 0,
    schedule(_, run) {
      timers.add(run);
      return () => void timers.delete(run);
    },
  };
  const connection = new Connection({
    apis: serveApis(handlers),
    client: { address: "127.0.0.1:1" },
    logger: { log: (level, message) => void logged.push(`${level}: ${message}`) },
    clock,
    budget: new Budget(64 * 1024 * 1024),
    decoded: new Budget(64 * 1024 * 1024),
    answers: { totalBytes: 64 * 1024 * 1024, usedBytes: 0 },
    wire: {
      write(chunks, sent) {
        ok(!calls.includes("end"), "a write after the end");
        ok(chunks.length > 0, "a write of nothing");
        written.push(...chunks);
        unsent.push(sent);
        return state.hasRoom;
      },
      pause: () => void (state.isPaused = true),
      resume: () => void (state.isPaused = false),
      end: () => void calls.push("end"),
    },
    ...options,
  });
  /** Answers written since the last call: their correlation ids, with what was read of each. */
  function answers(): Uint8Array[] {
    const frames: Uint8Array[] = [];
    const stream = concat(written.splice(0));
    for (let at = 0; at < stream.length; ) {
      const size = new DataView(stream.buffer, at).getInt32(0);
      frames.push(stream.subarray(at + 4, at + 4 + size));
      at += 4 + size;
    }
    return frames;
  }
  return {
    connection,
    state,
    calls,
    logged,
    written,
    answers,
    ids: () => answers().map((frame) => new DataView(frame.buffer, frame.byteOffset).getInt32(0)),
    sendAll: () => unsent.splice(0).map((sent) => sent()),
    tick: () => [...timers].map((run) => (timers.delete(run), run())),
    timers,
  };
}

/** Heartbeats that are answered when the test says so, in the order of their coming. */
function heldHeartbeats() {
  const held: { context: RequestContext; answer(response?: HeartbeatAnswer): void; fail(error: unknown): void }[] = [];
  const handler: Handler<typeof heartbeat> = {
    api: heartbeat,
    handle: (_, context) =>
      new Promise((resolve, reject) => {
        held.push({ context, answer: (response = { errorCode: 0 }) => resolve(response), fail: reject });
      }),
  };
  return { held, handler };
}

const beat = (correlationId: number, groupId = "g"): Uint8Array =>
  concat(writeRequest(heartbeat, 4, { correlationId, clientId }, { groupId, generationId: 1, memberId: "m" }));
const produced = (correlationId: number, acks: number, bytes: Uint8Array = Uint8Array.of(1, 2, 3), version = 9) =>
  concat(
    writeRequest(
      produce,
      version,
      { correlationId, clientId },
      { acks, timeoutMs: 1, topicData: [{ name: "t", partitionData: [{ index: 0, records: bytes }] }] },
    ),
  );

const fetched = (records: Uint8Array): ResponseOf<typeof fetch> => ({
  responses: [
    {
      topic: "t",
      topicId: "0".repeat(32),
      partitions: [{ partitionIndex: 0, errorCode: 0, highWatermark: 0, records }],
    },
  ],
});

test("requests are handled side by side, and answered in their order", async () => {
  let outOfOrder = 0;
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 12 }).chain((count) =>
        fc.record({
          order: fc.shuffledSubarray(
            Array.from({ length: count }, (_, index) => index),
            { minLength: count, maxLength: count },
          ),
          cuts: fc.array(fc.integer({ min: 1, max: 40 }), { minLength: 1, maxLength: 5 }),
          stalls: fc.array(fc.boolean(), { minLength: count, maxLength: count }),
        }),
      ),
      async ({ order, cuts, stalls }) => {
        const { held, handler } = heldHeartbeats();
        const { connection, ids, state } = open([handler]);
        const stream = concat(order.map((_, index) => beat(index)));
        for (let at = 0, turnOf = 0; at < stream.length; turnOf++) {
          const size = cuts[turnOf % cuts.length]!;
          connection.receive(stream.slice(at, at + size));
          at += size;
        }
        strictEqual(held.length, order.length);
        const seen: number[] = [];
        for (const [step, index] of order.entries()) {
          if (index !== step) outOfOrder += 1;
          state.hasRoom = !stalls[step]!;
          held[index]!.answer();
          await turn();
          seen.push(...ids());
          connection.drained();
          seen.push(...ids());
        }
        deepStrictEqual(seen, [...order.keys()]);
      },
    ),
    { numRuns: 60 },
  );
  ok(outOfOrder > 100, `${outOfOrder} out of order`);
});

test("an answer is what the handler said, to the version that was asked in", async () => {
  const handler: Handler<typeof produce> = {
    api: produce,
    async handle(request, context) {
      strictEqual(context.clientId, clientId);
      strictEqual(context.client.address, "127.0.0.1:1");
      deepStrictEqual(request.topicData[0]?.partitionData[0]?.records, Uint8Array.of(1, 2, 3));
      return {
        responses: [
          {
            name: "t",
            partitionResponses: [{ index: 0, errorCode: 0, baseOffset: context.version, logStartOffset: 5 }],
          },
        ],
      };
    },
  };
  const { connection, answers } = open([handler]);
  for (const version of [3, 5, 9, 11]) {
    connection.receive(produced(version, -1, undefined, version));
    await turn();
    const { correlationId, response } = readResponse(produce, version, answers()[0]!);
    strictEqual(correlationId, version);
    const [partition] = response.responses[0]!.partitionResponses;
    deepStrictEqual([partition?.baseOffset, partition?.logStartOffset], [version, version >= 5 ? 5 : -1]);
  }
});

test("record batches leave by reference, and are given back once they have left", async () => {
  const records = new Uint8Array(10_000);
  let returned = 0;
  const handler: Handler<typeof fetch> = {
    api: fetch,
    handle(request, context) {
      context.onSent(() => void (returned += 1));
      const [{ topicId, partitions }] = request.topics as [(typeof request.topics)[0]];
      return {
        responses: [
          {
            topic: "",
            topicId,
            partitions: [{ partitionIndex: partitions[0]!.partition, errorCode: 0, highWatermark: 9, records }],
          },
        ],
      };
    },
  };
  const { connection, written, sendAll } = open([handler]);
  const topicId = "0123456789abcdef0123456789abcdef";
  const partitions = [{ partition: 3, fetchOffset: 0, partitionMaxBytes: 1 }];
  const topics = [{ topic: "", topicId, partitions }];
  const header = { correlationId: 1, clientId };
  connection.receive(concat(writeRequest(fetch, 13, header, { maxWaitMs: 1, minBytes: 1, topics })));
  ok(written.some((chunk) => chunk === records));
  strictEqual(returned, 0);
  sendAll();
  strictEqual(returned, 1);
});

test("a produce without acknowledgement has no answer, and those behind it have", async () => {
  const { held, handler } = heldHeartbeats();
  const produces: Handler<typeof produce> = { api: produce, handle: async () => null };
  const { connection, ids, calls } = open([handler, produces]);
  connection.receive(concat([produced(1, 0), beat(2), produced(3, 0)]));
  held[0]!.answer();
  await turn();
  deepStrictEqual(ids(), [2]);
  strictEqual(connection.requests, 0);
  deepStrictEqual(calls, []);
});

test("ApiVersions in a version that nobody knows is answered in version 0 with what there is", () => {
  const { connection, answers, calls } = open([heldHeartbeats().handler]);
  const request = concat(writeRequest(apiVersions, 0, { correlationId: 5, clientId }, {}));
  request[7] = 99;
  connection.receive(request);
  const { correlationId, response } = readResponse(apiVersions, 0, answers()[0]!);
  strictEqual(correlationId, 5);
  strictEqual(response.errorCode, 35);
  deepStrictEqual(
    response.apiKeys.map(({ apiKey }) => apiKey),
    [12, 18],
  );
  deepStrictEqual(calls, []);
});

test("ApiVersions is answered in every version, under a header of version 0", () => {
  const { connection, answers } = open([heldHeartbeats().handler]);
  for (const version of [0, 1, 2, 3, 4]) {
    connection.receive(concat(writeRequest(apiVersions, version, { correlationId: version, clientId: null }, {})));
    const { correlationId, response } = readResponse(apiVersions, version, answers()[0]!);
    strictEqual(correlationId, version);
    strictEqual(response.apiKeys.length, 2);
  }
});

test("what cannot be read ends the connection, after the answers before it, and the log says why", async () => {
  const unknownApi = beat(9);
  unknownApi[5] = 77;
  const unknownVersion = beat(9);
  unknownVersion[7] = 5;
  const short = beat(9).slice();
  short[3] = 12;
  const cases: readonly (readonly [Uint8Array, RegExp])[] = [
    [unknownApi, /API 77, which is not served/],
    [unknownVersion, /Heartbeat in version 5: 0 to 4 are served/],
    [short.subarray(0, 16), /needs/],
    [Uint8Array.of(0, 0, 0, 2, 1, 1), /needs 2 bytes|needs 1 bytes/],
    [new TextEncoder().encode("GET / HTTP/1.1\r\n\r\n"), /this is a Kafka port, and what came is an HTTP request/],
    [Uint8Array.of(0x7f, 0, 0, 0), /a frame of 2130706432 bytes/],
  ];
  for (const [came, words] of cases) {
    const { held, handler } = heldHeartbeats();
    const { connection, ids, calls, logged } = open([handler]);
    connection.receive(concat([beat(1), came, beat(2)]));
    strictEqual(held.length, 1, String(words));
    // Whoever waits is told.
    strictEqual(held[0]!.context.signal.aborted, true);
    deepStrictEqual(calls, []);
    held[0]!.answer();
    await turn();
    deepStrictEqual(ids(), [1], String(words));
    deepStrictEqual(calls, ["end"]);
    strictEqual(logged.length, 1);
    match(logged[0]!, words);
    connection.receive(beat(3));
    strictEqual(held.length, 1);
  }
});

test("what a handler throws is Kafka's error, and what nobody foresaw is in the log", async () => {
  const thrown: unknown[] = [
    new MoldauError("KAFKA_STORAGE_ERROR", "the disk is full"),
    new TypeError("no such thing"),
    new MoldauError("REQUEST_TIMED_OUT", "late"),
  ];
  const codes = [56, -1, 7];
  for (const isAsync of [false, true]) {
    const errors = [...thrown];
    const handler: Handler<typeof heartbeat> = {
      api: heartbeat,
      handle() {
        const error = errors.shift();
        if (isAsync) return Promise.reject(error);
        throw error;
      },
    };
    const { connection, answers, logged, calls } = open([handler]);
    connection.receive(concat([beat(0), beat(1), beat(2)]));
    await turn();
    deepStrictEqual(
      answers().map((frame) => readResponse(heartbeat, 4, frame).response.errorCode),
      codes,
    );
    strictEqual(logged.length, 1);
    match(logged[0]!, /error: Heartbeat 4 failed: no such thing/);
    deepStrictEqual(calls, []);
  }
});

test("an answer that is none becomes an error, not a crash", async () => {
  const answers: unknown[] = [{ errorCode: 2 ** 20 }, undefined, { errorCode: "no" }, {}];
  const handler: AnyHandler = { api: heartbeat, handle: async () => answers.shift() };
  const opened = open([handler]);
  opened.connection.receive(concat([beat(0), beat(1), beat(2), beat(3)]));
  await turn();
  deepStrictEqual(
    opened.answers().map((frame) => readResponse(heartbeat, 4, frame).response.errorCode),
    [-1, -1, -1, 0],
  );
  strictEqual(opened.logged.length, 3);
  match(opened.logged[0]!, /no answer can be made: errorCode is 1048576/);
});

test("an error that has no place in an answer ends the connection there", async () => {
  const { held, handler } = heldHeartbeats();
  const fails = (api: ApiDefinition): AnyHandler => ({
    api,
    handle: async () => {
      throw new MoldauError("KAFKA_STORAGE_ERROR", "the disk is full");
    },
  });
  const dirs = writeRequest(describeLogDirs, 1, { correlationId: 2, clientId }, { topics: null });
  for (const silent of [produced(2, 0), concat(dirs)]) {
    held.length = 0;
    const { connection, ids, calls, logged } = open([handler, fails(produce), fails(describeLogDirs)]);
    connection.receive(concat([beat(1), silent, beat(3)]));
    await turn();
    deepStrictEqual(calls, []);
    held[1]!.answer();
    held[0]!.answer();
    await turn();
    deepStrictEqual(ids(), [1]);
    deepStrictEqual(calls, ["end"]);
    match(logged[0]!, /failed, and has no answer to say so: the disk is full/);
  }
});

test("no more requests are in hand than may be, and reading goes on where it was", async () => {
  const { held, handler } = heldHeartbeats();
  const { connection, ids, state } = open([handler], { maxRequests: 3 });
  connection.receive(concat(Array.from({ length: 8 }, (_, index) => beat(index))));
  strictEqual(held.length, 3);
  strictEqual(state.isPaused, true);
  held[1]!.answer();
  await turn();
  strictEqual(held.length, 3, "the first holds the others up");
  held[0]!.answer();
  await turn();
  strictEqual(held.length, 5);
  strictEqual(state.isPaused, true);
  for (let at = 2; at < 8; at++) {
    held[at]!.answer();
    await turn();
  }
  strictEqual(held.length, 8);
  strictEqual(state.isPaused, false);
  deepStrictEqual(ids(), [0, 1, 2, 3, 4, 5, 6, 7]);
});

test("requests and waiting answers hold no more bytes than they may, and one request always passes", async () => {
  let handled = 0;
  const answers: ((bytes: Uint8Array) => void)[] = [];
  const handler: Handler<typeof fetch> = {
    api: fetch,
    handle: () =>
      new Promise((resolve) => {
        handled += 1;
        answers.push((records) => resolve(fetched(records)));
      }),
  };
  const request = (correlationId: number): Uint8Array =>
    concat(writeRequest(fetch, 4, { correlationId, clientId }, { maxWaitMs: 1, minBytes: 1, topics: [] }));
  const { connection, state, written } = open([handler], { maxBytes: 10_000 });
  connection.receive(concat([request(0), request(1)]));
  // The second's answer waits for the first's, and takes all the room there is.
  answers[1]!(new Uint8Array(20_000));
  await turn();
  connection.receive(request(2));
  strictEqual(handled, 2);
  strictEqual(state.isPaused, true);
  answers[0]!(new Uint8Array(10));
  await turn();
  strictEqual(handled, 3);
  strictEqual(state.isPaused, false);
  ok(written.length > 0);
});

test("a request larger than the bound passes alone", async () => {
  const { held, handler } = heldHeartbeats();
  const { connection } = open([handler], { maxBytes: 100 });
  connection.receive(concat([beat(0, "g".repeat(500)), beat(1, "g".repeat(500))]));
  strictEqual(held.length, 1);
  held[0]!.answer();
  await turn();
  strictEqual(held.length, 2);
});

test("a request whose reading we hold up ourselves has not stalled", async () => {
  const answers: ((bytes: Uint8Array) => void)[] = [];
  const handler: AnyHandler = {
    api: fetch,
    handle: () => new Promise((resolve) => answers.push((records) => resolve(fetched(records)))),
  };
  const { connection, state, tick, timers, calls } = open([handler], { maxBytes: 10_000 });
  const request = (correlationId: number): Uint8Array =>
    concat(writeRequest(fetch, 4, { correlationId, clientId }, { maxWaitMs: 1, minBytes: 1, topics: [] }));
  connection.receive(concat([request(0), request(1), request(2).subarray(0, 12)]));
  strictEqual(state.isPaused, false);
  answers[1]!(new Uint8Array(20_000));
  await turn();
  strictEqual(state.isPaused, true);
  tick();
  deepStrictEqual(calls, []);
  strictEqual(timers.size, 1);
  answers[0]!(new Uint8Array(1));
  await turn();
  strictEqual(state.isPaused, false);
  tick();
  deepStrictEqual(calls, ["end"], "and then it has");
});

test("any number of requests in one piece takes no more of the stack than one", () => {
  const { connection, answers, calls } = open([]);
  const one = concat(writeRequest(apiVersions, 0, { correlationId: 1, clientId }, {}));
  const many = new Uint8Array(30_000 * one.length);
  for (let at = 0; at < many.length; at += one.length) many.set(one, at);
  connection.receive(many);
  strictEqual(answers().length, 30_000);
  deepStrictEqual(calls, []);
});

test("a wire that is full is written to no further, and holds up reading at the bounds", async () => {
  const { held, handler } = heldHeartbeats();
  const { connection, ids, state } = open([handler], { maxRequests: 2 });
  state.hasRoom = false;
  connection.receive(concat([beat(0), beat(1), beat(2), beat(3), beat(4)]));
  held[0]!.answer();
  await turn();
  deepStrictEqual(ids(), [0]);
  held[1]!.answer();
  held[2]!.answer();
  await turn();
  deepStrictEqual(ids(), []);
  strictEqual(held.length, 3);
  strictEqual(state.isPaused, true);
  state.hasRoom = true;
  connection.drained();
  deepStrictEqual(ids(), [1, 2]);
  strictEqual(held.length, 5);
});

test("a request waits for its share of the budget before its bytes are gathered", async () => {
  const budget = new Budget(1000);
  const release = budget.tryReserve(900);
  const { held, handler } = heldHeartbeats();
  const { connection, state } = open([handler], { budget });
  const large = beat(1, "g".repeat(500));
  connection.receive(large.slice(0, 10));
  strictEqual(state.isPaused, true);
  connection.receive(large.slice(10));
  strictEqual(held.length, 0);
  release?.();
  await turn();
  strictEqual(held.length, 1);
  strictEqual(state.isPaused, false);
  ok(budget.usedBytes > 500);
  held[0]!.answer();
  await turn();
  strictEqual(budget.usedBytes, 0);
});

test("each request has a signal of its own, and all of them end with the connection", async () => {
  const signals: AbortSignal[] = [];
  const handler: AnyHandler = {
    api: heartbeat,
    handle: (_, { signal }) =>
      new Promise((_resolve, reject) => {
        signals.push(signal);
        signal.addEventListener("abort", () => reject(signal.reason));
      }),
  };
  const { connection } = open([handler]);
  connection.receive(concat([beat(0), beat(1), beat(2)]));
  strictEqual(new Set(signals).size, 3);
  ok(signals.every(({ aborted }) => !aborted));
  connection.closed();
  ok(signals.every(({ aborted }) => aborted));
  await turn();
});

/** Timers that run when the test says that so much time has passed, each as often as it is due. */
function manualClock() {
  const due = new Set<{ at: number; readonly run: () => void }>();
  let now = 0;
  const clock: Clock = {
    now: () => now,
    monotonic: () => now,
    schedule(delayMs, run) {
      const timer = { at: now + delayMs, run };
      due.add(timer);
      return () => void due.delete(timer);
    },
  };
  const pass = (ms: number): void => {
    const until = now + ms;
    for (;;) {
      const [next] = [...due].filter(({ at }) => at <= until).sort((one, other) => one.at - other.at);
      if (next === undefined) break;
      now = next.at;
      due.delete(next);
      next.run();
    }
    now = until;
  };
  return { clock, due, pass };
}

test("a large request that comes slowly ends when others wait for its memory, and only then", () => {
  const { clock, due, pass } = manualClock();
  const state = { isAwaited: false };
  const options = { clock, isMemoryAwaited: () => state.isAwaited };
  const budget = new Budget(64 * 1024 * 1024);
  const { connection, calls, logged } = open([], { ...options, budget });
  const mebibyte = 1024 * 1024;
  const beginning = new Uint8Array(100);
  new DataView(beginning.buffer).setInt32(0, 40 * mebibyte);
  const dripFor = (seconds: number, bytesPerSecond: number): void => {
    for (let second = 0; second < seconds; second += 1) {
      connection.receive(new Uint8Array(bytesPerSecond));
      pass(1000);
    }
  };
  connection.receive(beginning);
  dripFor(60, 20_000);
  deepStrictEqual(calls, [], "nobody waits");
  state.isAwaited = true;
  dripFor(10, mebibyte);
  deepStrictEqual(calls, [], "it is fast enough");
  dripFor(2, 20_000);
  dripFor(1, mebibyte);
  dripFor(2, 20_000);
  deepStrictEqual(calls, [], "now and then it may be slow");
  ok(budget.usedBytes > 0);
  dripFor(1, 20_000);
  deepStrictEqual(calls, ["end"]);
  match(logged.join(), /came for 3 s, while others waited/);
  strictEqual(budget.usedBytes, 0);
  strictEqual(due.size, 0);
});

test("a small request may come slowly, whoever waits, and so may a large one that we do not read", () => {
  const { clock, pass } = manualClock();
  const { connection, calls } = open([], { clock, isMemoryAwaited: () => true });
  const beginning = new Uint8Array(100);
  new DataView(beginning.buffer).setInt32(0, 2 * 1024 * 1024);
  connection.receive(beginning);
  pass(29_000);
  deepStrictEqual(calls, []);

  const budget = new Budget(3 * 1024 * 1024);
  budget.tryReserve(1);
  const waiting = open([], { clock, isMemoryAwaited: () => true, budget });
  new DataView(beginning.buffer).setInt32(0, 3 * 1024 * 1024);
  waiting.connection.receive(beginning);
  strictEqual(waiting.state.isPaused, true);
  pass(60_000);
  deepStrictEqual(waiting.calls, []);
});

test("a request that the budget never holds ends the connection", async () => {
  const { connection, calls, logged } = open([heldHeartbeats().handler], { budget: new Budget(100) });
  connection.receive(beat(1, "g".repeat(500)));
  await turn();
  deepStrictEqual(calls, ["end"]);
  match(logged[0]!, /can never fit/);
});

test("a request that has begun and does not come on ends the connection, and gives its share back", () => {
  const budget = new Budget(1 << 20);
  const { connection, tick, timers, calls, logged } = open([heldHeartbeats().handler], { budget });
  const large = produced(1, 1, new Uint8Array(800_000));
  connection.receive(large.slice(0, 1000));
  strictEqual(timers.size, 1);
  connection.receive(large.slice(1000, 400_000));
  tick();
  deepStrictEqual(calls, [], "it came on");
  connection.receive(large.slice(400_000, 400_010));
  ok(budget.usedBytes > 800_000);
  tick();
  deepStrictEqual(calls, ["end"]);
  match(logged[0]!, /a request has begun, and 10 bytes came in 30000 ms/);
  strictEqual(budget.usedBytes, 0);
  strictEqual(timers.size, 0);
});

test("an idle connection has no timer, and neither has one whose requests came whole", async () => {
  const { held, handler } = heldHeartbeats();
  const { connection, timers } = open([handler]);
  connection.receive(beat(1).slice(0, 9));
  strictEqual(timers.size, 1);
  connection.receive(beat(1).slice(9));
  strictEqual(timers.size, 0);
  held[0]!.answer();
  await turn();
  strictEqual(timers.size, 0);
});

test("a connection that is to finish ends waits, answers, and ends", async () => {
  const { held, handler } = heldHeartbeats();
  const { connection, ids, calls, state } = open([handler]);
  connection.receive(concat([beat(1), beat(2), beat(3).slice(0, 9)]));
  const reasons: unknown[] = [];
  for (const { context, answer } of held)
    context.signal.addEventListener("abort", () => {
      reasons.push(context.signal.reason.code);
      answer();
    });
  connection.finish();
  strictEqual(state.isPaused, true);
  await turn();
  deepStrictEqual(reasons, ["BROKER_CLOSED", "BROKER_CLOSED"]);
  deepStrictEqual(ids(), [1, 2]);
  deepStrictEqual(calls, ["end"]);
  connection.finish();
  connection.closed();
  deepStrictEqual(calls, ["end"]);

  const idle = open([handler]);
  idle.connection.finish();
  deepStrictEqual(idle.calls, ["end"]);
});

test("when the wire has gone, what is in hand is for nobody, and everything lent comes back", async () => {
  const budget = new Budget(1 << 20);
  const { held, handler } = heldHeartbeats();
  const { connection, ids, calls, timers } = open([handler], { budget });
  connection.receive(concat([beat(1), beat(2), beat(3), beat(4).slice(0, 12)]));
  let returned = 0;
  for (const { context } of held) context.onSent(() => void (returned += 1));
  held[1]!.answer();
  await turn();
  connection.closed();
  strictEqual(held[0]!.context.signal.aborted, true);
  strictEqual(returned, 1, "the one that waited for its turn");
  held[0]!.answer();
  held[2]!.fail(held[2]!.context.signal.reason);
  await turn();
  strictEqual(returned, 3);
  strictEqual(budget.usedBytes, 0);
  deepStrictEqual(ids(), []);
  deepStrictEqual(calls, []);
  strictEqual(timers.size, 0);
});

test("a wait for the budget ends with the connection, and holds nothing", async () => {
  const budget = new Budget(1000);
  const release = budget.tryReserve(1000);
  const { connection, logged } = open([heldHeartbeats().handler], { budget });
  connection.receive(beat(1, "g".repeat(600)));
  strictEqual(budget.waiting, 1);
  connection.closed();
  await turn();
  strictEqual(budget.waiting, 0);
  release?.();
  await turn();
  strictEqual(budget.usedBytes, 0);
  deepStrictEqual(logged, []);

  const late = open([heldHeartbeats().handler], { budget });
  const whole = budget.tryReserve(1000);
  late.connection.receive(beat(1, "g".repeat(600)));
  // Granted, and the connection ends before it hears of it.
  whole?.();
  late.connection.closed();
  await turn();
  strictEqual(budget.usedBytes, 0);
});

/** A question for so many topics, which become as many objects. */
const asking = (correlationId: number, count: number): Uint8Array =>
  concat(
    writeRequest(
      metadata,
      9,
      { correlationId, clientId },
      {
        topics: Array.from({ length: count }, (_, at) => ({ name: `${at}`, topicId: "0".repeat(32) })),
        allowAutoTopicCreation: false,
      },
    ),
  );

test("what requests become when they are decoded is bounded, over all connections", async () => {
  const decoded = new Budget(1000 * 256);
  const held: (() => void)[] = [];
  const asked: number[] = [];
  const handler: Handler<typeof metadata> = {
    api: metadata,
    handle: ({ topics }) => {
      asked.push(topics?.length ?? -1);
      return new Promise((resolve) =>
        held.push(() => resolve({ brokers: [], clusterId: "c", controllerId: 0, topics: [] })),
      );
    },
  };
  const one = open([handler], { decoded });
  const other = open([handler], { decoded });
  one.connection.receive(concat([asking(1, 700), asking(2, 400), asking(3, 1)]));
  deepStrictEqual(asked, [700]);
  strictEqual(decoded.usedBytes, 700 * 256);
  strictEqual(one.state.isPaused, true, "it is not read meanwhile");
  // Small ones of others are not held up by those who wait.
  other.connection.receive(asking(1, 16));
  deepStrictEqual(asked, [700, 16]);
  held.shift()!();
  await turn();
  deepStrictEqual(asked, [700, 16, 400, 1], "in the order of their coming");
  strictEqual(one.state.isPaused, false);
  for (const answer of held.splice(0)) answer();
  await turn();
  deepStrictEqual(one.ids(), [1, 2, 3]);
  strictEqual(decoded.usedBytes, 0);
});

test("a wait for room to decode ends with the connection, and holds nothing", async () => {
  for (const isGranted of [false, true]) {
    const decoded = new Budget(1000 * 256);
    const budget = new Budget(1 << 20);
    const release = decoded.tryReserve(1000 * 256)!;
    const handler: Handler<typeof metadata> = { api: metadata, handle: () => ok(false, "handled") as never };
    const { connection, logged } = open([handler], { decoded, budget });
    connection.receive(asking(1, 500));
    strictEqual(decoded.waiting, 1);
    // Granted, and the connection ends before it hears of it.
    if (isGranted) release();
    connection.closed();
    await turn();
    strictEqual(decoded.waiting, 0);
    if (!isGranted) release();
    await turn();
    strictEqual(decoded.usedBytes, 0);
    strictEqual(budget.usedBytes, 0);
    deepStrictEqual(logged, []);
  }
});

test("a request that can never be decoded ends the connection, with a line in the log", async () => {
  const { connection, calls, logged } = open([heldHeartbeats().handler, heldMetadata()], { decoded: new Budget(1000) });
  connection.receive(asking(1, 100));
  await turn();
  deepStrictEqual(calls, ["end"]);
  match(logged.join(), /warn: a Kafka connection ends: a request of 25600 bytes can never fit/);
});

function heldMetadata(): Handler<typeof metadata> {
  return { api: metadata, handle: () => new Promise(() => {}) };
}

test("answers that clients do not take are bounded, over all connections", async () => {
  const answers = { totalBytes: 100_000, usedBytes: 0 };
  let handled = 0;
  const handler: Handler<typeof metadata> = {
    api: metadata,
    handle: async () => {
      handled += 1;
      return { brokers: [], clusterId: "c".repeat(30_000), controllerId: 0, topics: [] };
    },
  };
  // What is written does not leave: `sendAll` is not called.
  const greedy = Array.from({ length: 5 }, () => open([handler], { answers }));
  for (let round = 1; round <= 4; round++) {
    for (const { connection } of greedy) {
      connection.receive(asking(round, 1));
      await turn();
    }
  }
  strictEqual(handled, 5, "one of each, however many the others have");
  ok(answers.usedBytes > 100_000 && answers.usedBytes < 200_000, `${answers.usedBytes}`);
  strictEqual(greedy[0]!.state.isPaused, true);

  // Who takes its answers goes on.
  const [first, ...others] = greedy;
  for (const { connection, sendAll } of others) {
    connection.closed();
    sendAll();
  }
  for (let round = 0; round < 4; round++) {
    first!.sendAll();
    await turn();
  }
  deepStrictEqual(first!.ids(), [1, 2, 3, 4]);
  first!.sendAll();
  strictEqual(answers.usedBytes, 0);
});

test("answers that wait for their turn count no more once their connection has ended", async () => {
  const answers = { totalBytes: 100_000, usedBytes: 0 };
  const { held, handler } = heldHeartbeats();
  const { connection, sendAll } = open([handler], { answers });
  connection.receive(concat([beat(1), beat(2), beat(3)]));
  held[1]!.answer();
  await turn();
  ok(answers.usedBytes > 0);
  connection.closed();
  strictEqual(answers.usedBytes, 0);
  held[0]!.answer();
  held[2]!.answer();
  await turn();
  sendAll();
  strictEqual(answers.usedBytes, 0);
});

test("small requests come through while large ones wait, one a connection", async () => {
  const budget = new Budget(1000);
  const release = budget.tryReserve(1000);
  const large = open([heldHeartbeats().handler], { budget });
  large.connection.receive(beat(1, "g".repeat(600)));
  strictEqual(budget.waiting, 1);
  const { held, handler } = heldHeartbeats();
  const { connection, ids } = open([handler], { budget });
  connection.receive(concat([beat(1), beat(2)]));
  strictEqual(held.length, 1, "a second one of the connection waits");
  held[0]!.answer();
  await turn();
  deepStrictEqual(ids(), [1]);
  release?.();
  large.connection.closed();
  await turn();
  strictEqual(held.length, 2);
  held[1]!.answer();
  await turn();
  deepStrictEqual(ids(), [2]);
  strictEqual(budget.usedBytes, 0);
});
