import assert from "node:assert/strict";
import { test } from "node:test";
import zlib from "node:zlib";
import fc from "fast-check";
import { lz4Decompress } from "../web/lz4.ts";
import { snappyDecompress } from "../web/snappy.ts";
import { once, samples } from "./decompressor.test.support.ts";
import { decompressor, portableZstd } from "./decompressor.ts";

const bytesOf = (base64: string): Uint8Array => new Uint8Array(Buffer.from(base64, "base64"));
const same = (actual: Uint8Array, expected: Uint8Array): void =>
  assert.ok(Buffer.from(actual).equals(Buffer.from(expected)));

for (const { by, codec, holds, base64 } of samples) {
  test(`opens ${codec} by ${by}`, () => {
    same(decompressor.decompress(codec, bytesOf(base64), 1 << 20), holds);
    same(decompressor.decompress(codec, bytesOf(base64), holds.length), holds);
    if (codec === "zstd") same(portableZstd(bytesOf(base64), holds.length), holds);
  });

  test(`refuses ${codec} by ${by} over the limit`, () => {
    assert.throws(() => decompressor.decompress(codec, bytesOf(base64), holds.length - 1), Error);
    if (codec === "zstd") assert.throws(() => portableZstd(bytesOf(base64), holds.length - 1), /larger than/);
  });

  test(`refuses ${codec} by ${by} cut short`, () => {
    const whole = bytesOf(base64);
    for (let length = 0; length < whole.length; length += 7) {
      let opened: Uint8Array | undefined;
      try {
        opened = decompressor.decompress(codec, whole.subarray(0, length), 1 << 20);
      } catch (error) {
        assert.ok(error instanceof Error);
      }
      // xerial and skippable lz4 have no end mark: a cut between blocks is a shorter whole, never wrong bytes.
      if (opened !== undefined) same(opened, holds.subarray(0, opened.length));
      if (opened !== undefined) assert.notEqual(opened.length, holds.length);
    }
  });

  test(`${codec} by ${by} with broken bytes throws an Error or gives bytes within the limit, and ends`, () => {
    const whole = bytesOf(base64);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { minLength: 1, maxLength: 4 }),
        (edits) => {
          const bytes = whole.slice();
          for (const [at, byte] of edits) bytes[at] = byte;
          try {
            assert.ok(decompressor.decompress(codec, bytes, 200_000).length <= 200_000);
          } catch (error) {
            assert.ok(error instanceof Error);
          }
        },
      ),
      { numRuns: 200 },
    );
  });
}

test("claims of gigabytes are refused before anything is allocated", () => {
  const limit = 1 << 20;
  // A raw snappy length of 4 GiB - 1, a zstd frame of 2^60 bytes, a zstd window of 2 GiB.
  assert.throws(() => snappyDecompress(Uint8Array.of(0xff, 0xff, 0xff, 0xff, 0x0f, 0), limit), /claims more/);
  assert.throws(
    () =>
      decompressor.decompress(
        "zstd",
        Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0xe0, 0, 0, 0, 0, 0, 0, 0, 0x10, 1, 0, 0),
        limit,
      ),
    /larger than/,
  );
  assert.throws(
    () => decompressor.decompress("zstd", Uint8Array.of(0x28, 0xb5, 0x2f, 0xfd, 0x00, 21 << 3, 1, 0, 0), limit),
    /window/,
  );
});

test("a gzip bomb stops at the limit", () => {
  const bomb = zlib.gzipSync(Buffer.alloc(50_000_000));
  assert.throws(() => decompressor.decompress("gzip", bomb, 1 << 20), Error);
});

test("an lz4 bomb stops at the limit", () => {
  // One literal, then a match of 255 * 60 000 bytes.
  const block = Uint8Array.from([0x1f, 7, 1, 0, ...new Array<number>(60_000).fill(255), 0]);
  const frame = new Uint8Array(7 + 4 + block.length + 4);
  frame.set([0x04, 0x22, 0x4d, 0x18, 0x40, 0x70, 0]);
  new DataView(frame.buffer).setUint32(7, block.length, true);
  frame.set(block, 11);
  assert.throws(() => lz4Decompress(frame, 1 << 20), /larger than/);
  assert.equal(lz4Decompress(frame, 1 << 24).length, 1 + 4 + 15 + 255 * 60_000);
});

test("a snappy literal of negative length throws instead of looping", () => {
  assert.throws(
    () => snappyDecompress(Uint8Array.of(60, 0xfc, 0xfa, 0xff, 0xff, 0xff, 0, 0, 0, 0), 1 << 20),
    /overruns/,
  );
});

test("lz4 frames follow each other, skippable ones are skipped", () => {
  const frame = bytesOf(samples.find((sample) => sample.by.includes("lz4_flex"))?.base64 ?? "");
  const skippable = Uint8Array.of(0x53, 0x2a, 0x4d, 0x18, 3, 0, 0, 0, 9, 9, 9);
  same(lz4Decompress(Buffer.concat([frame, skippable, frame]), 1 << 20), Buffer.concat([once, once]));
});

test("an unknown codec is an Error", () => {
  assert.throws(() => decompressor.decompress("brotli" as "gzip", new Uint8Array(1), 10), /unknown codec/);
});
