import { deepStrictEqual, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { bytesOf, recordsOf, repeat } from "./kernel.ts";
import { runBench } from "./main.ts";
import { lastResult, measure } from "./measure.ts";

test("the benchmark runs, small, and measures everything that it compares", async () => {
  const lines: string[] = [];
  const report = await runBench({ sampleMs: 0.1, samples: 1 }, (line) => lines.push(line));
  const names = report.measurements.map(({ name }) => name);
  strictEqual(new Set(names).size, names.length, "two works of one name");
  for (const { name, medianNs, fastestNs, slowestNs } of report.measurements) {
    ok(Number.isFinite(medianNs) && medianNs > 0 && fastestNs <= medianNs && medianNs <= slowestNs, name);
    ok(
      lines.some((line) => line.startsWith(name)),
      `${name} is not printed`,
    );
  }
  strictEqual(report.ratios.length, 6 - report.missing.length, "a comparison names work that is not there");
  ok(report.machine.cores >= 1 && /^(node|bun|deno) \d/.test(report.machine.runtime));
  deepStrictEqual(JSON.parse(JSON.stringify(report)), report);
});

test("a measurement counts operations, synchronous and not", async () => {
  let runs = 0;
  const work = { name: "count", run: () => ++runs };
  const { medianNs } = await measure(work, { sampleMs: 0, samples: 3 });
  ok(medianNs >= 0);
  strictEqual(runs, 4); // one to warm up, three samples
  await measure({ name: "later", run: () => Promise.resolve("done") }, { sampleMs: 0, samples: 1 });
  strictEqual(lastResult(), "done");
});

test("the data is the same every time", () => {
  deepStrictEqual(bytesOf(64), bytesOf(128).subarray(0, 64));
  deepStrictEqual(recordsOf(2), recordsOf(3).slice(0, 2));
  deepStrictEqual(repeat(new Uint8Array([1, 2]), 2), new Uint8Array([1, 2, 1, 2]));
});
