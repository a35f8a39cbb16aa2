import { deepStrictEqual, match, ok } from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { createTwinKernel } from "../engine/kernel/twin.ts";
import { loadWasmKernel } from "../engine/kernel/wasm.ts";
import { fuzzCrc32c } from "./crc32c-fuzz.ts";
import { Peers } from "./harness/peers.ts";

const root = fileURLToPath(new URL(import.meta.url.includes("/dist/") ? "../.." : "..", import.meta.url));
const kernel = await loadWasmKernel();
const seed = Math.floor(Math.random() * 2 ** 31);

test("crc32c is the native one's, case by case", () => {
  const peers = new Peers(root);
  const native = peers.crc32();
  // Under CI a missing peer throws instead.
  for (const missing of peers.missing) console.error(`NOT COMPARED with a native CRC-32C: ${missing}`);
  const twin = createTwinKernel();
  const theirs = native?.crc32c ?? ((bytes: Uint8Array, from: number) => twin.crc32c(bytes, from));
  const cases = native === null ? 2_000 : 30_000;
  deepStrictEqual(fuzzCrc32c({ kernel, native: theirs, cases, seed }).mismatches, [], `seed ${seed}`);
});

test("the comparison sees one wrong bit, and says where", () => {
  const twin = createTwinKernel();
  const wrong = (bytes: Uint8Array, from: number): number =>
    (twin.crc32c(bytes, from) ^ (bytes.length > 19_000 ? 1 : 0)) >>> 0;
  const { mismatches } = fuzzCrc32c({ kernel, native: wrong, cases: 2_000, seed });
  ok(mismatches.length > 0, `seed ${seed}`);
  match(mismatches[0] as string, /^\d+ bytes at alignment \d+, seed \d+: \d+, native \d+$/);
});
