import assert from "node:assert/strict";
import { test } from "node:test";
import { Counter, Histogram, Registry } from "prom-client";
import { RequestMetrics } from "./request-metrics.ts";

test("what is written out is what prom-client's own counter and histogram would write", async () => {
  const theirs = new Registry();
  const labelNames = ["method", "route", "status"];
  const counter = new Counter({
    name: "moldau_http_requests_total",
    help: "Requests answered",
    labelNames,
    registers: [theirs],
  });
  const histogram = new Histogram({
    name: "moldau_http_request_seconds",
    help: "Time until the head of an answer",
    labelNames,
    buckets: [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30],
    registers: [theirs],
  });
  const requests = new RequestMetrics();
  const ours = new Registry();
  requests.register(ours);
  const observed: [string, string | null, number, number][] = [
    ["GET", "/a", 200, 0],
    ["GET", "/a", 200, 0.001],
    ["GET", "/a", 200, 0.0011],
    ["GET", "/a", 404, 30],
    ["POST", "/a", 200, 31],
    ["POST", '/"b"\\', 503, 0.3],
    ["BREW", null, 404, 2],
  ];
  for (const [method, route, status, seconds] of observed) {
    requests.observe(method, route, status, seconds);
    const labels = { method: method === "BREW" ? "other" : method, route: route ?? "none", status };
    counter.inc(labels);
    histogram.observe(labels, seconds);
  }
  const lines = (text: string): string[] => text.split("\n").sort();
  assert.deepEqual(lines(await ours.metrics()), lines(await theirs.metrics()));
});
