// CRC-32C of the kernel against a native one, over lengths, alignments and seeds by chance:
// `node bench/crc32c-fuzz.ts [--cases 3000000] [--seed 1]` (built: dist/bench/crc32c-fuzz.js).
//
// Owns: the cases, all of them out of one seed. Never: times anything.

import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import type { Kernel } from "../engine/kernel/kernel.ts";
import { loadWasmKernel } from "../engine/kernel/wasm.ts";
import { bytesOf } from "./harness/data.ts";
import { Peers } from "./harness/peers.ts";

const alignments = 64;
/** A third each: where short ways meet, up to a large one, beyond it. Bytes. */
const longest = [2_500, 20_000, 200_000] as const;

export interface FuzzOptions {
  readonly kernel: Kernel;
  readonly native: (bytes: Uint8Array, seed: number) => number;
  readonly cases: number;
  readonly seed: number;
}

export interface FuzzReport {
  readonly cases: number;
  /** The first few that differ, in words. */
  readonly mismatches: readonly string[];
}

export function fuzzCrc32c({ kernel, native, cases, seed }: FuzzOptions): FuzzReport {
  const bytes = insideKernel(kernel, longest[2] + 2 * alignments);
  const next = chance(seed);
  const mismatches: string[] = [];
  for (let done = 0; done < cases && mismatches.length < 10; done++) {
    const sizeBytes = next() % (longest[pick(next() % 100)] as number);
    const start = next() % alignments;
    const seedOfCase = done % 3 === 0 ? 0 : next();
    const piece = bytes.subarray(start, start + sizeBytes);
    const ours = kernel.crc32c(piece, seedOfCase);
    const theirs = native(piece, seedOfCase);
    if (ours !== theirs)
      mismatches.push(`${sizeBytes} bytes at alignment ${start}, seed ${seedOfCase}: ${ours}, native ${theirs}`);
  }
  return { cases, mismatches };
}

/** Most cases are short: there the bounds between the ways lie, and they take less time. */
function pick(percent: number): 0 | 1 | 2 {
  return percent < 60 ? 0 : percent < 97 ? 1 : 2;
}

/** Bytes where the kernel reads them in place; a checksum leaves a batch alone. */
function insideKernel(kernel: Kernel, sizeBytes: number): Uint8Array {
  const value = bytesOf(sizeBytes + alignments);
  const batch = kernel.encodeBatch([{ key: null, value, headers: [], timestamp: 0 }]);
  const from = -batch.byteOffset & (alignments - 1);
  return batch.subarray(from, from + sizeBytes);
}

/** xorshift32: the same numbers for the same seed, unsigned. */
function chance(seed: number): () => number {
  let state = seed >>> 0 || 1;
  return () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>>= 0);
  };
}

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: { cases: { type: "string", default: "3000000" }, seed: { type: "string", default: "1" } },
  });
  const [cases, seed] = [Number(values.cases), Number(values.seed)];
  if (!Number.isSafeInteger(cases) || cases < 1 || !Number.isSafeInteger(seed))
    throw new RangeError("--cases takes a whole number above 0, --seed a whole number");
  const here = dirname(fileURLToPath(import.meta.url));
  const peers = new Peers(existsSync(join(here, "../tsconfig.json")) ? resolve(here, "..") : resolve(here, "../.."));
  const native = peers.crc32();
  if (native === null) throw new Error(`nothing to compare with: ${peers.missing.join("; ")}. Run npm ci in bench/`);
  const report = fuzzCrc32c({ kernel: await loadWasmKernel(), native: native.crc32c, cases, seed });
  for (const mismatch of report.mismatches) process.stderr.write(`${mismatch}\n`);
  process.stdout.write(
    report.mismatches.length > 0 ? "not the same\n" : `${report.cases} cases, seed ${seed}: the same as native\n`,
  );
  if (report.mismatches.length > 0) process.exitCode = 1;
}

if (process.argv[1] !== undefined && fileURLToPath(import.meta.url) === resolve(process.argv[1])) await main();
