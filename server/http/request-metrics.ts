// How many requests were answered, and how long each took until the head of its answer.
//
// Owns: moldau_http_requests_total and moldau_http_request_seconds, by method, route and status.
// Never: lets a client choose a label: routes are the known paths, methods the known ones.
//
// prom-client finds a label's numbers by sorting and joining the labels anew for every request,
// which cost more than routing it; here they are found by three look-ups, and prom-client only
// writes them out.

import type { Metric, Registry } from "prom-client";

const methods = new Set(["GET", "HEAD", "PUT", "POST", "PATCH", "DELETE", "OPTIONS"]);
/** Upper bounds, in seconds. */
const buckets = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30];

type Labels = Readonly<Record<string, string | number>>;

interface Sample {
  readonly metricName?: string;
  readonly labels: Labels;
  readonly value: number;
}

interface Answered {
  count: number;
  seconds: number;
  /** Of each bucket alone; Prometheus wants them added up. */
  readonly inBucket: number[];
}

export class RequestMetrics {
  readonly #answered: Map<string | null, Map<string, Map<number, Answered>>> = new Map();

  /** `route` is a known path, or null. Streams go on after their head. */
  observe(method: string, route: string | null, status: number, seconds: number): void {
    const answered = this.#find(methods.has(method) ? method : "other", route, status);
    answered.count += 1;
    answered.seconds += seconds;
    let bucket = 0;
    while (bucket < buckets.length && seconds > buckets[bucket]!) bucket += 1;
    if (bucket < buckets.length) answered.inBucket[bucket]! += 1;
  }

  register(registry: Registry): void {
    const metrics = [
      { name: "moldau_http_requests_total", help: "Requests answered", type: "counter", values: () => this.#counts() },
      {
        name: "moldau_http_request_seconds",
        help: "Time until the head of an answer",
        type: "histogram",
        values: () => this.#seconds("moldau_http_request_seconds"),
      },
    ];
    for (const { values, ...described } of metrics) {
      const metric = { ...described, aggregator: "sum", get: async () => ({ ...described, values: [...values()] }) };
      registry.registerMetric(metric as unknown as Metric);
    }
  }

  #find(method: string, route: string | null, status: number): Answered {
    let byMethod = this.#answered.get(route);
    if (byMethod === undefined) this.#answered.set(route, (byMethod = new Map()));
    let byStatus = byMethod.get(method);
    if (byStatus === undefined) byMethod.set(method, (byStatus = new Map()));
    let answered = byStatus.get(status);
    if (answered === undefined) {
      byStatus.set(status, (answered = { count: 0, seconds: 0, inBucket: buckets.map(() => 0) }));
    }
    return answered;
  }

  *#all(): Generator<readonly [Labels, Answered], void, void> {
    for (const [route, byMethod] of this.#answered)
      for (const [method, byStatus] of byMethod)
        for (const [status, answered] of byStatus) yield [{ method, route: route ?? "none", status }, answered];
  }

  *#counts(): Generator<Sample, void, void> {
    for (const [labels, { count }] of this.#all()) yield { labels, value: count };
  }

  *#seconds(name: string): Generator<Sample, void, void> {
    for (const [labels, { count, seconds, inBucket }] of this.#all()) {
      let value = 0;
      for (const [at, le] of buckets.entries()) {
        value += inBucket[at]!;
        yield { metricName: `${name}_bucket`, labels: { le, ...labels }, value };
      }
      yield { metricName: `${name}_bucket`, labels: { le: "+Inf", ...labels }, value: count };
      yield { metricName: `${name}_sum`, labels, value: seconds };
      yield { metricName: `${name}_count`, labels, value: count };
    }
  }
}
