import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { chunks, lines } from "./records-in.ts";

/** The input in pieces whose memory is overwritten once the next is asked for. */
async function* pieces(input: Uint8Array, cuts: readonly number[]): AsyncGenerator<Uint8Array> {
  const ends = [...new Set(cuts.map((cut) => cut % (input.length + 1)))].sort((a, b) => a - b);
  let start = 0;
  for (const end of [...ends, input.length]) {
    const piece = input.slice(start, end);
    start = end;
    yield piece;
  }
}

async function collect(groups: AsyncIterable<Uint8Array[]>): Promise<Buffer[]> {
  const all: Buffer[] = [];
  for await (const group of groups) all.push(...group.map((value) => Buffer.from(value)));
  return all;
}

// Few different bytes, so that newlines are common and lie at the cuts.
const inputs = fc.array(fc.constantFrom(10, 13, 65, 0, 255), { maxLength: 60 }).map((bytes) => Uint8Array.from(bytes));
const cuts = fc.array(fc.nat(60), { maxLength: 8 });

test("lines are the same wherever the input is cut, and joined give the input", async () => {
  await fc.assert(
    fc.asyncProperty(inputs, cuts, async (input, where) => {
      const found = await collect(lines(pieces(input, where), 1000));
      assert.deepEqual(found, await collect(lines(pieces(input, []), 1000)));
      const endsWhole = input.length === 0 || input.at(-1) === 10;
      const joined = Buffer.concat(
        found.flatMap((line, i) => (i < found.length - 1 || endsWhole ? [line, Buffer.of(10)] : [line])),
      );
      assert.ok(joined.equals(Buffer.from(input)));
    }),
  );
});

test("a final line without a newline is a record, an empty line is one, \\r stays", async () => {
  const input = new TextEncoder().encode("a\r\n\nb");
  assert.deepEqual((await collect(lines(pieces(input, []), 10))).map(String), ["a\r", "", "b"]);
});

test("a line beyond the limit is refused before it is kept", async () => {
  await assert.rejects(
    collect(lines(pieces(new Uint8Array(100).fill(65), [10, 20, 30, 40]), 25)),
    /longer than 25 bytes/,
  );
});

test("chunks have one size but the last, and joined give the input", async () => {
  await fc.assert(
    fc.asyncProperty(inputs, cuts, fc.integer({ min: 1, max: 17 }), async (input, where, size) => {
      const found = await collect(chunks(pieces(input, where), size));
      assert.ok(Buffer.concat(found).equals(Buffer.from(input)));
      for (const [i, chunk] of found.entries()) {
        if (i < found.length - 1) assert.equal(chunk.length, size);
        else assert.ok(chunk.length >= 1 && chunk.length <= size);
      }
    }),
  );
});
