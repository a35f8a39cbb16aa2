import { deepStrictEqual, ok, strictEqual, throws } from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { MoldauError } from "../../../engine/index.ts";
import {
  peekRequest,
  readMessage,
  readRequest,
  readResponse,
  writeMessage,
  writeRequest,
  writeResponse,
} from "./codec.ts";
import { apis, messages } from "./index.ts";
import type { ApiDefinition, Written } from "./notation.ts";
import { type Coverage, cut, valuesOf, whole } from "./values.test.support.ts";

type Body = Written<ApiDefinition["request"]>;

const malformed = (error: unknown): boolean => error instanceof MoldauError && error.code === "INVALID_REQUEST";
const join = (chunks: readonly Uint8Array[]): Uint8Array => Uint8Array.from(chunks.flatMap((chunk) => [...chunk]));
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
