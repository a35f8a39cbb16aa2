// `npm run bench [-- --quick] [-- --json file]`: numbers, with the machine they were taken on.
//
// Owns: which work is measured, the report, and the ratios that it draws.
// Never: fails on a slow number.

import { existsSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { createTwinKernel } from "../engine/kernel/twin.ts";
import { loadWasmKernel } from "../engine/kernel/wasm.ts";
import { kernelWork } from "./kernel.ts";
import { logWork } from "./log.ts";
import { describeMachine, type Machine } from "./machine.ts";
import { type Effort, type Measurement, measure } from "./measure.ts";

export interface Ratio {
  readonly name: string;
  /** Times as fast as what it is compared with; under 1 is slower. */
  readonly speed: number;
}

export interface Report {
  readonly machine: Machine;
  readonly measurements: readonly Measurement[];
  readonly ratios: readonly Ratio[];
  /** Peers that were not installed, so not measured. */
  readonly missing: readonly string[];
}

/** What is compared with what, by the names of the work. */
const comparisons: readonly (readonly [string, string])[] = [
  ["crc32c 1 MiB, wasm", "crc32c 1 MiB, twin"],
  ["crc32c 1 MiB, wasm", "crc32c 1 MiB, @node-rs/crc32 (native)"],
  ["encode 100 records, wasm", "encode 100 records, twin"],
  ["validate and stamp 64 batches, wasm", "validate and stamp 64 batches, twin"],
  ["append, file, durability os", "raw write"],
  ["append, file, acks all", "raw write and fdatasync"],
];

export async function runBench(effort: Effort, show: (line: string) => void): Promise<Report> {
  const machine = describeMachine();
  show(`${machine.runtime}, ${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}\n`);
  const wasm = await loadWasmKernel();
  const { works, missing } = kernelWork([wasm, createTwinKernel()], repositoryRoot());
  const log = await logWork(wasm);
  const measurements: Measurement[] = [];
  try {
    for (const work of [...works, ...log.works]) {
      const measurement = await measure(work, effort);
      measurements.push(measurement);
      show(describe(measurement));
    }
  } finally {
    await log.close();
  }
  const ratios = comparisons.flatMap(([name, other]) => ratioOf(measurements, name, other));
  show("");
  for (const { name, speed } of ratios) show(`${speed.toFixed(2).padStart(8)} x  ${name}`);
  for (const name of missing) show(`not measured: ${name}, which \`npm ci --prefix bench\` installs`);
  return { machine, measurements, ratios, missing };
}

function ratioOf(measurements: readonly Measurement[], name: string, other: string): Ratio[] {
  const one = measurements.find((measurement) => measurement.name === name);
  const two = measurements.find((measurement) => measurement.name === other);
  if (one === undefined || two === undefined) return [];
  return [{ name: `${name} against ${other}`, speed: two.medianNs / one.medianNs }];
}

function describe({ name, medianNs, fastestNs, slowestNs, bytes, records }: Measurement): string {
  const columns = [
    name.padEnd(52),
    `${duration(medianNs)} (${duration(fastestNs)} to ${duration(slowestNs)})`.padEnd(40),
  ];
  if (bytes > 0) columns.push(`${((bytes / medianNs) * 1000).toFixed(0).padStart(6)} MB/s`);
  if (records > 0) columns.push(`${((records / medianNs) * 1000).toFixed(2).padStart(7)} M records/s`);
  return columns.join(" ").trimEnd();
}

function duration(nanoseconds: number): string {
  if (nanoseconds < 1e3) return `${nanoseconds.toFixed(1)} ns`;
  if (nanoseconds < 1e6) return `${(nanoseconds / 1e3).toFixed(1)} µs`;
  return `${(nanoseconds / 1e6).toFixed(2)} ms`;
}

/** The sources' folder, also for what was built into dist/. */
function repositoryRoot(): string {
  const above = fileURLToPath(new URL("..", import.meta.url));
  return existsSync(join(above, "tsconfig.json")) ? above : join(above, "..");
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { quick: { type: "boolean", default: false }, json: { type: "string" } } });
  const effort = values.quick ? { sampleMs: 5, samples: 3 } : { sampleMs: 200, samples: 7 };
  const report = await runBench(effort, (line) => process.stdout.write(`${line}\n`));
  if (values.json !== undefined) writeFileSync(values.json, `${JSON.stringify(report, null, 2)}\n`);
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
