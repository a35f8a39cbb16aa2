import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { errorAnswer } from "./error-answer.ts";
import { readResponse, writeResponse } from "./schema/codec.ts";
import { apis } from "./schema/index.ts";
import { atVersion, sampleOf } from "./schema/sample.test.support.ts";

const code = 87;
const versionsOf = ([from, to]: readonly [number, number]): number[] =>
  Array.from({ length: to - from + 1 }, (_, index) => from + index);

/** Every error code in an answer as it was read. */
function codesIn(value: unknown, name = ""): unknown[] {
  if (Array.isArray(value)) return value.flatMap((item) => codesIn(item, name));
  if (value !== null && typeof value === "object" && !(value instanceof Uint8Array))
    return Object.entries(value).flatMap(([inner, item]) => codesIn(item, inner));
  return name === "errorCode" ? [value] : [];
}

test("every API in every version can say that a request failed, but for those that cannot", () => {
  const silent: string[] = [];
  for (const api of apis) {
    for (const version of versionsOf(api.versions)) {
      const request = atVersion(api.request, sampleOf(api.request), version);
      const answer = errorAnswer(api, version, request, code);
      if (answer === null) {
        silent.push(`${api.name} ${version}`);
        continue;
      }
      const chunks = writeResponse(api, version, 1, answer as Record<string, never>);
      const { response } = readResponse(
        api,
        version,
        chunks.map((chunk, at) => (at === 0 ? chunk.subarray(4) : chunk)),
      );
      const codes = codesIn(response);
      ok(codes.includes(code), `${api.name} ${version}: ${JSON.stringify(response)}`);
      // What a version lacks is read as its default.
      ok(
        codes.every((one) => one === code || one === 0),
        `${api.name} ${version}`,
      );
    }
  }
  deepStrictEqual(silent, ["DescribeLogDirs 1", "DescribeLogDirs 2"]);
});

test("a client that awaits no answer gets none", () => {
  const produce = apis[0]!;
  const request = { ...sampleOf(produce.request), acks: 0 };
  strictEqual(errorAnswer(produce, 9, request, code), null);
});

test("asked for all topics, no answer is better than none of them", () => {
  const metadata = apis.find(({ name }) => name === "Metadata")!;
  strictEqual(errorAnswer(metadata, 9, { ...sampleOf(metadata.request), topics: null }, code), null);
  strictEqual(errorAnswer(metadata, 0, { ...sampleOf(metadata.request), topics: [] }, code), null);
});

test("an answer repeats what was asked for", () => {
  const fetch = apis.find(({ name }) => name === "Fetch")!;
  const request = atVersion(fetch.request, sampleOf(fetch.request), 4);
  const { responses } = errorAnswer(fetch, 4, request, code) as {
    responses: { topic: string; partitions: { partitionIndex: number }[] }[];
  };
  const asked = (request["topics"] as { topic: string; partitions: { partition: number }[] }[]).map(
    ({ topic, partitions }) => [topic, ...partitions.map(({ partition }) => partition)],
  );
  deepStrictEqual(
    responses.map(({ topic, partitions }) => [topic, ...partitions.map(({ partitionIndex }) => partitionIndex)]),
    asked,
  );
});
