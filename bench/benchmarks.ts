// Everything that is measured.
//
// Owns: the list and its order. Never: how any of it is measured.

import type { Benchmark } from "./harness/benchmark.ts";
import { growthBenchmarks } from "./macro/growth.ts";
import { httpFetchBenchmarks } from "./macro/http-fetch.ts";
import { httpJsonBenchmarks } from "./macro/http-json.ts";
import { httpProduceBenchmarks } from "./macro/http-produce.ts";
import { kafkaBenchmarks } from "./macro/kafka.ts";
import { partitionsBenchmarks } from "./macro/partitions.ts";
import { startBenchmarks } from "./macro/start.ts";
import { appendBenchmarks } from "./micro/append.ts";
import { checkerBenchmarks } from "./micro/checker.ts";
import { crc32cBenchmarks } from "./micro/crc32c.ts";
import { encodeBenchmarks } from "./micro/encode.ts";
import { searchBenchmarks } from "./micro/search.ts";
import { validateBenchmarks } from "./micro/validate.ts";

export const benchmarks: readonly Benchmark[] = [
  ...crc32cBenchmarks,
  ...encodeBenchmarks,
  ...validateBenchmarks,
  ...searchBenchmarks,
  ...appendBenchmarks,
  ...httpProduceBenchmarks,
  ...httpFetchBenchmarks,
  ...httpJsonBenchmarks,
  ...kafkaBenchmarks,
  ...startBenchmarks,
  ...growthBenchmarks,
  ...partitionsBenchmarks,
  ...checkerBenchmarks,
];

/** Those with this part in "group name"; a group's name alone takes its whole group. */
export function chosen(part: string | undefined): readonly Benchmark[] {
  if (part === undefined) return benchmarks;
  return benchmarks.filter(({ group, name }) => `${group} ${name}`.includes(part));
}
