// CRC-32C in WebAssembly: every size it has a way for, at every alignment, against the twin's tables.

import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { createTwinKernel } from "./twin.ts";
import { engineWasmBase64 } from "./wasm.generated.ts";
import { loadWasmKernel } from "./wasm.ts";

// Not every runtime's types declare it.
declare const WebAssembly: {
  instantiate(code: Uint8Array): Promise<{
    readonly instance: { readonly exports: Readonly<Record<string, { readonly value: number }>> };
  }>;
};

const twin = createTwinKernel();
const wasm = await loadWasmKernel();
const mebibyte = 1 << 20;
const alignments = 64;

/** Where another way begins, as the module says. Bytes. */
const thresholds = await (async () => {
  const code = Uint8Array.from(atob(engineWasmBase64), (character) => character.charCodeAt(0));
  const { smallFrom, middleFrom, largeFrom } = (await WebAssembly.instantiate(code)).instance.exports;
  return { small: smallFrom!.value, middle: middleFrom!.value, large: largeFrom!.value };
})();

type Way = "slices" | keyof typeof thresholds;

/** The way of a message: what is left after the first `size % 16` bytes decides between the folds. */
function wayOf(sizeBytes: number): Way {
  if (sizeBytes < thresholds.small) return "slices";
  const folded = sizeBytes - (sizeBytes % 16);
  return folded < thresholds.middle ? "small" : folded < thresholds.large ? "middle" : "large";
}

/** A mebibyte and more of the kernel's own memory, aligned to 64, filled by chance: read where it lies. */
const inside = ((): Uint8Array => {
  const room = mebibyte + 2 * alignments;
  const batch = wasm.encodeBatch([{ key: null, value: new Uint8Array(room), headers: [], timestamp: 0 }]);
  const from = -batch.byteOffset & (alignments - 1);
  const bytes = batch.subarray(from, from + mebibyte + alignments);
  let state = 0x9e3779b9;
  for (let index = 0; index < bytes.length; index++) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    bytes[index] = state >>> 24;
  }
  return bytes;
})();

const hits = new Map<Way, number>();

function assertSame(alignment: number, sizeBytes: number, seed: number): void {
  const piece = inside.subarray(alignment, alignment + sizeBytes);
  const way = wayOf(sizeBytes);
  hits.set(way, (hits.get(way) ?? 0) + 1);
  if (wasm.crc32c(piece, seed) !== twin.crc32c(piece, seed))
    assert.fail(`${way}: ${sizeBytes} bytes at alignment ${alignment}, seed ${seed}`);
}

test("the ways are in order, and their bounds are whole chunks", () => {
  const { small, middle, large } = thresholds;
  assert.ok(small < middle && middle < large && large < mebibyte, JSON.stringify(thresholds));
  for (const bound of [small, middle, large]) assert.equal(bound % 16, 0);
});

test("crc32c: every length to 4 KiB, at several alignments and seeds", () => {
  for (let sizeBytes = 0; sizeBytes <= 4096; sizeBytes++) {
    for (const turn of [0, 1, 2]) {
      const alignment = (sizeBytes * 7 + turn * 21) % alignments;
      assertSame(alignment, sizeBytes, turn === 0 ? 0 : Math.imul(sizeBytes + turn, 0x9e3779b1) >>> 0);
    }
  }
});

test("crc32c: each length around where another way begins, at every alignment", () => {
  for (const bound of Object.values(thresholds)) {
    for (let sizeBytes = bound - 40; sizeBytes <= bound + 40; sizeBytes++) {
      for (let alignment = 0; alignment < alignments; alignment++)
        assertSame(alignment, sizeBytes, sizeBytes & 1 ? 0xdeadbeef : 0);
    }
  }
});

test("crc32c: lengths to 1 MiB, alignments and seeds by chance; each way is taken often", () => {
  const { small, middle, large } = thresholds;
  hits.clear();
  fc.assert(
    fc.property(
      fc.oneof(
        { weight: 3, arbitrary: fc.integer({ min: 0, max: small - 1 }) },
        { weight: 4, arbitrary: fc.integer({ min: small, max: middle }) },
        { weight: 4, arbitrary: fc.integer({ min: middle, max: large }) },
        { weight: 3, arbitrary: fc.integer({ min: large, max: 4 * large }) },
        { weight: 1, arbitrary: fc.integer({ min: large, max: mebibyte }) },
      ),
      fc.nat(alignments - 1),
      fc.oneof(fc.constantFrom(0, 1, 2 ** 31, 2 ** 32 - 1), fc.integer({ min: 0, max: 2 ** 32 - 1 })),
      fc.double({ min: 0, max: 1, noNaN: true }),
      (sizeBytes, alignment, seed, part) => {
        assertSame(alignment, sizeBytes, seed);
        const whole = inside.subarray(alignment, alignment + sizeBytes);
        const cut = Math.floor(sizeBytes * part);
        const first = wasm.crc32c(whole.subarray(0, cut), seed);
        assert.equal(wasm.crc32c(whole.subarray(cut), first), wasm.crc32c(whole, seed), `cut at ${cut}`);
      },
    ),
    { numRuns: 3_000 },
  );
  for (const way of ["slices", "small", "middle", "large"] as const)
    assert.ok((hits.get(way) ?? 0) >= 300, `${way} was taken ${hits.get(way) ?? 0} times of 3000`);
});

test("crc32c: bytes from elsewhere are as those that lie in the kernel's memory", () => {
  for (const sizeBytes of Object.values(thresholds).flatMap((bound) => [bound - 1, bound, bound + 17])) {
    const here = inside.subarray(5, 5 + sizeBytes);
    assert.equal(wasm.crc32c(here.slice(), 7), wasm.crc32c(here, 7), `${sizeBytes} bytes`);
  }
});

test("crc32c: a message of one bit, wherever it lies, is not that of none", () => {
  // Linear in each bit: where an elimination passes a byte over, its bits make no difference.
  for (const sizeBytes of Object.values(thresholds)) {
    const message = new Uint8Array(sizeBytes + 61);
    const none = wasm.crc32c(message);
    for (let index = 0; index < message.length; index++) {
      message[index] = 1 << (index & 7);
      const one = wasm.crc32c(message);
      if (one === none) assert.fail(`byte ${index} of ${message.length} makes no difference`);
      if (index % 97 === 0) assert.equal(one, twin.crc32c(message));
      message[index] = 0;
    }
  }
});
