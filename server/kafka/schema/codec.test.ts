import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MoldauError } from "../../../engine/index.ts";
import {
  peekRequest,
  readMessage,
  readRequest,
  readResponse,
  readVersioned,
  writeMessage,
  writeRequest,
  writeResponse,
  writeVersioned,
} from "./codec.ts";
import { consumerProtocolSubscription } from "./consumer-protocol.ts";
import { fetch } from "./fetch.ts";
import { offsetCommitKey } from "./group-journal.ts";
import { apis, messages } from "./index.ts";
import type { ApiDefinition, Written } from "./notation.ts";
import { produce } from "./produce.ts";
import { type Coverage, cut, valuesOf, whole } from "./values.test.support.ts";

type Body = Written<ApiDefinition["request"]>;

const malformed = (error: unknown): boolean => error instanceof MoldauError && error.code === "INVALID_REQUEST";
function join(chunks: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(chunks.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.length;
  }
  return whole;
}
const versionsOf = ({ versions: [from, to] }: Pick<ApiDefinition, "versions">): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);
/** Behind its length, which is checked. */
function unframed(chunks: readonly Uint8Array[]): Uint8Array {
  const frame = join(chunks);
  strictEqual(new DataView(frame.buffer).getInt32(0), frame.length - 4);
  return frame.subarray(4);
}

test("every message in every version is read as it was written, in one piece and in chunks", () => {
  const coverage: Coverage = { nulls: 0, tags: 0, elements: 0 };
  let walked = 0;
  const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 6 });
  const check = (
    struct: ApiDefinition["request"],
    version: number,
    there: (value: Body) => Uint8Array,
    back: (bytes: Uint8Array | Uint8Array[]) => unknown,
  ): void => {
    walked += 1;
    const property = fc.property(valuesOf(struct, version, coverage), cuts, (value, at) => {
      const bytes = there(value as Body);
      deepStrictEqual(whole(back(bytes)), whole(value));
      deepStrictEqual(whole(back(cut(bytes, at))), whole(value));
    });
    fc.assert(property, { numRuns: 12 });
  };
  for (const api of apis) {
    for (const version of versionsOf(api)) {
      const header = { correlationId: 2 ** 31 - 1, clientId: "größe" };
      check(
        api.request,
        version,
        (value) => unframed(writeRequest(api, version, header, value)),
        (bytes) => {
          deepStrictEqual(peekRequest(bytes), { apiKey: api.key, apiVersion: version, correlationId: 2 ** 31 - 1 });
          const read = readRequest(api, version, bytes);
          deepStrictEqual(read.header, { apiKey: api.key, apiVersion: version, ...header });
          return read.request;
        },
      );
      check(
        api.response,
        version,
        (value) => unframed(writeResponse(api, version, -7, value)),
        (bytes) => {
          const read = readResponse(api, version, bytes);
          strictEqual(read.correlationId, -7);
          return read.response;
        },
      );
    }
  }
  for (const message of messages) {
    for (const version of versionsOf(message)) {
      check(
        message.fields,
        version,
        (value) => writeMessage(message, version, value),
        (bytes) => readMessage(message, version, bytes),
      );
    }
  }
  ok(walked > 330, `${walked} codecs`);
  ok(coverage.nulls > 800 && coverage.tags > 200 && coverage.elements > 6_000, JSON.stringify(coverage));
});

test("a message that ends anywhere before its end is refused in words", () => {
  let cuts = 0;
  const refuse = (bytes: Uint8Array, read: (bytes: Uint8Array) => unknown): void => {
    read(bytes);
    for (let end = 0; end < bytes.length; end++) {
      throws(() => read(bytes.subarray(0, end)), malformed);
      cuts += 1;
    }
  };
  const sample = (struct: ApiDefinition["request"], version: number): Body =>
    fc.sample(valuesOf(struct, version, { nulls: 0, tags: 0, elements: 0 }), { numRuns: 1 })[0] as Body;
  for (const api of apis) {
    for (const version of versionsOf(api)) {
      const header = { correlationId: 1, clientId: "c" };
      refuse(unframed(writeRequest(api, version, header, sample(api.request, version))), (bytes) =>
        readRequest(api, version, bytes),
      );
      refuse(unframed(writeResponse(api, version, 1, sample(api.response, version))), (bytes) =>
        readResponse(api, version, bytes),
      );
    }
  }
  for (const message of messages) {
    for (const version of versionsOf(message)) {
      refuse(writeMessage(message, version, sample(message.fields, version)), (bytes) =>
        readMessage(message, version, bytes),
      );
    }
  }
  ok(cuts > 10_000, `${cuts} cuts`);
});

test("a tag that nobody knows is passed over, and one that lies about its size is refused", () => {
  const api = apis.find(({ name }) => name === "Heartbeat")!;
  const body = { groupId: "g", generationId: 1, memberId: "m", groupInstanceId: null };
  const plain = unframed(writeRequest(api, 4, { correlationId: 1, clientId: null }, body));
  const unknown = Uint8Array.from([...plain.subarray(0, -1), 2, 9, 3, 1, 2, 3, 200, 1, 0]);
  deepStrictEqual(readRequest(api, 4, unknown).request, body);
  throws(() => readRequest(api, 4, unknown.subarray(0, -3)), malformed);

  const cluster = { maxWaitMs: 0, minBytes: 0, topics: [], clusterId: "c" };
  const tagged = unframed(writeRequest(fetch, 12, { correlationId: 1, clientId: null }, cluster));
  deepStrictEqual([...tagged.subarray(-5)], [1, 0, 2, 2, 99]);
  strictEqual(readRequest(fetch, 12, tagged).request.clusterId, "c");
  for (const size of [1, 3]) {
    const lying = Uint8Array.from([...tagged, 0]);
    lying[lying.length - 4] = size;
    throws(() => readRequest(fetch, 12, lying), malformed);
  }
});

test("what a version cannot say is left out, and null where it may not be is empty", () => {
  const joinGroup = apis.find(({ name }) => name === "JoinGroup")!;
  const said = { errorCode: 0, protocolName: null, leader: "l", memberId: "m", members: [], skipAssignment: true };
  const at = (version: number): Record<string, unknown> =>
    readResponse(joinGroup, version, unframed(writeResponse(joinGroup, version, 1, said))).response;
  deepStrictEqual([at(6)["protocolName"], at(7)["protocolName"]], ["", null]);
  deepStrictEqual([at(8)["skipAssignment"], at(9)["skipAssignment"]], [false, true]);
});

test("a list that may not be null is refused when it is", () => {
  for (const version of [0, 9]) {
    const frame = unframed(
      writeRequest(produce, version, { correlationId: 1, clientId: "c" }, { acks: 1, timeoutMs: 1, topicData: [] }),
    );
    strictEqual(readRequest(produce, version, frame).request.topicData.length, 0);
    // The last four bytes are its length, or the one before the tags.
    if (version === 0) frame.fill(0xff, frame.length - 4);
    else frame[frame.length - 2] = 0;
    throws(() => readRequest(produce, version, frame), /topicData is null, and may not be/);
  }
});

test("a version that nobody defined is refused", () => {
  const api = apis[0]!;
  throws(() => writeResponse(api, 12, 1, { responses: [] }), /Produce has no version 12: 0 to 11 are known/);
  throws(() => writeResponse(api, -1, 1, { responses: [] }), malformed);
});

test("a member of a group may be newer than we are; what is kept may not", () => {
  const told = writeVersioned(consumerProtocolSubscription, 3, { topics: ["t"], rackId: "r" });
  deepStrictEqual(readVersioned(consumerProtocolSubscription, told).value.rackId, "r");
  told[1] = 9;
  throws(() => readVersioned(consumerProtocolSubscription, told), malformed);
  const { version, value } = readVersioned(consumerProtocolSubscription, told, "as the newest");
  deepStrictEqual([version, value.rackId], [9, "r"]);
  const key = writeVersioned(offsetCommitKey, 1, { group: "g", topic: "t", partition: 0 });
  strictEqual(key.buffer.byteLength, key.length, "memory of its own");
});

test("megabytes of records take no longer than a few", () => {
  const records = new Uint8Array(8 << 20);
  const topicData = [{ name: "t", partitionData: [{ index: 0, records }] }];
  const request = unframed(
    writeRequest(produce, 9, { correlationId: 1, clientId: "c" }, { acks: -1, timeoutMs: 1, topicData }),
  );
  const partitions = [{ partitionIndex: 0, errorCode: 0, highWatermark: 1, records }];
  const answer = { responses: [{ topic: "t", topicId: "0".repeat(32), partitions }] };
  for (const work of [() => readRequest(produce, 9, request), () => writeResponse(fetch, 12, 1, answer)]) {
    let leastMs = Number.POSITIVE_INFINITY;
    for (let turn = 0; turn < 300; turn++) {
      const from = performance.now();
      work();
      leastMs = Math.min(leastMs, performance.now() - from);
    }
    // To copy them takes some 0.5 ms, to look at each byte several.
    ok(leastMs < 0.1, `${leastMs} ms`);
  }
});
