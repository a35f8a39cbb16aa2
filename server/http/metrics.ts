// /metrics for Prometheus: the broker's numbers and those of this face.
//
// Owns: names and help of every metric. Its registry is its own, so that two apps do not meet. It
//   is made by the first scrape: to load prom-client took a sixth of a server's start.
// Never: lets a client choose a label: routes are the known paths, methods the known ones. Names of groups, of
//   which there is a bounded number, are the exception (group-metrics.ts).

import { z } from "@hono/zod-openapi";
import type { Gauge, Registry } from "prom-client";
import type { BrokerMetrics } from "../../engine/index.ts";
import { registerGroupMetrics } from "./group-metrics.ts";
import { type Face, type Operation, operation } from "./operation.ts";
import { RequestMetrics } from "./request-metrics.ts";
import { respond } from "./respond.ts";

interface Metric {
  readonly kind: "counter" | "gauge";
  readonly name: string;
  readonly help: string;
}

const brokerMetrics: Readonly<Record<keyof BrokerMetrics, Metric>> = {
  recordsAppended: { kind: "counter", name: "records_appended_total", help: "Records appended" },
  bytesAppended: { kind: "counter", name: "appended_bytes_total", help: "Bytes of batches appended" },
  batchesAppended: { kind: "counter", name: "batches_appended_total", help: "Batches appended" },
  duplicateBatches: { kind: "counter", name: "duplicate_batches_total", help: "Batches that had been appended before" },
  appendErrors: { kind: "counter", name: "append_errors_total", help: "Appends refused or failed" },
  bytesFetched: { kind: "counter", name: "fetched_bytes_total", help: "Bytes of batches fetched" },
  fetches: { kind: "counter", name: "fetches_total", help: "Fetches" },
  syncs: { kind: "counter", name: "syncs_total", help: "Syncs of partitions' files" },
  syncSeconds: { kind: "counter", name: "sync_seconds_total", help: "Time spent in syncs" },
  segmentRolls: {
    kind: "counter",
    name: "segment_rolls_total",
    help: "Segments begun because the last was full or old",
  },
  segmentsDeleted: { kind: "counter", name: "segments_deleted_total", help: "Segments deleted by retention" },
  compactions: { kind: "counter", name: "compactions_total", help: "Passes of compaction over a partition" },
  compactionBytesRead: { kind: "counter", name: "compaction_read_bytes_total", help: "Bytes that compaction read" },
  compactionBytesWritten: {
    kind: "counter",
    name: "compaction_written_bytes_total",
    help: "Bytes that compaction wrote",
  },
  recordsCompacted: { kind: "counter", name: "compacted_records_total", help: "Records that compaction took out" },
  compactionFailures: {
    kind: "counter",
    name: "compaction_failures_total",
    help: "Passes of compaction that ended with an error",
  },
  waitingFetches: { kind: "gauge", name: "waiting_fetches", help: "Fetches that wait for data" },
  inFlightBytes: { kind: "gauge", name: "in_flight_bytes", help: "Bytes of requests held now" },
  lentBytes: { kind: "gauge", name: "lent_bytes", help: "Bytes of answers that clients have not taken yet" },
  topics: { kind: "gauge", name: "topics", help: "Topics" },
  partitions: { kind: "gauge", name: "partitions", help: "Partitions" },
  offlinePartitions: { kind: "gauge", name: "offline_partitions", help: "Partitions that are not online" },
  tailCacheBytes: { kind: "gauge", name: "tail_cache_bytes", help: "Recent bytes kept in memory for readers" },
};

export interface Metrics {
  readonly requests: RequestMetrics;
  readonly operations: readonly Operation[];
}

export function createMetrics(face: Face): Metrics {
  const requests = new RequestMetrics();
  let registry: Promise<Registry> | undefined;
  return {
    requests,
    operations: [
      operation({
        method: "get",
        path: "/metrics",
        query: z.object({}),
        tags: ["server"],
        summary: "Numbers for Prometheus",
        responses: { 200: { description: "Its text format", content: { "text/plain": { schema: z.string() } } } },
        async handle() {
          const made = await (registry ??= createRegistry(face, requests));
          return respond(200, made.contentType, await made.metrics());
        },
      }),
    ],
  };
}

async function createRegistry(face: Face, requests: RequestMetrics): Promise<Registry> {
  const { Counter, Gauge, Registry } = await import("prom-client");
  const registry = new Registry();
  const registers = [registry];
  for (const [key, { kind, name, help }] of Object.entries(brokerMetrics)) {
    const level = (): number => face.broker.metrics()[key as keyof BrokerMetrics];
    const options = { name: `moldau_${name}`, help, registers };
    if (kind === "gauge") {
      const gauge: Gauge = new Gauge({ ...options, collect: () => gauge.set(level()) });
    } else {
      const counter = new Counter({
        ...options,
        collect() {
          counter.reset();
          counter.inc(level());
        },
      });
    }
  }
  const info = new Gauge({
    name: "moldau_info",
    help: "What runs",
    labelNames: ["version", "runtime", "runtime_version"],
    registers,
  });
  info.set({ version: face.version, runtime: face.runtime.name, runtime_version: face.runtime.version }, 1);
  registerGroupMetrics(face.broker, registry, { Counter, Gauge });
  requests.register(registry);
  return registry;
}
