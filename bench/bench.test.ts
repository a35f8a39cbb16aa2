import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from "node:assert/strict";
import { existsSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { type AddressInfo, createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { baselines } from "./baselines.ts";
import { benchmarks, chosen } from "./benchmarks.ts";
import {
  type Bench,
  type Benchmark,
  efforts,
  type Outcome,
  type SubjectRuntime,
  spreadOf,
} from "./harness/benchmark.ts";
import { drawCurves } from "./harness/chart.ts";
import { comparison, OutputsDiffer } from "./harness/comparison.ts";
import { bytesOf, recordsOf, repeat } from "./harness/data.ts";
import { othersSeconds } from "./harness/disturbance.ts";
import { busyNote } from "./harness/load-race.ts";
import { sharesOf } from "./harness/profile.ts";
import { lastResult, race } from "./harness/race.ts";
import { type Result, resultLines, verdictLines } from "./harness/report.ts";
import { runOne } from "./harness/run-one.ts";
import { findRuntime, whatDiffers } from "./harness/setup.ts";
import { isWeak, verdictsOf } from "./harness/verdict.ts";
import { openHttp1 } from "./load/http1.ts";
import { openHttp2 } from "./load/http2.ts";
import { drive } from "./load/wire.ts";
import { javaScriptValidator } from "./micro/validate.ts";
import { parseOptions } from "./options.ts";
import { bestPeer, targets } from "./targets.ts";

const root = fileURLToPath(new URL(import.meta.url.includes("/dist/") ? "../.." : "..", import.meta.url));

/** The runtime that runs this test: servers are started under it too. */
function thisRuntime(): SubjectRuntime {
  const name = (["bun", "deno"] as const).find((other) => process.versions[other] !== undefined) ?? "node";
  const found = findRuntime(name, root);
  return {
    name,
    version: process.versions[name] ?? "unknown",
    command: process.execPath,
    arguments: found?.arguments ?? [],
    built: name === "node" && import.meta.url.includes("/dist/"),
  };
}

async function withBench(use: (bench: Bench) => Promise<void>): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "moldau-bench-test-"));
  try {
    await use({ effort: efforts.tiny, runtime: thisRuntime(), folder, root });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

const outcomeOf = (ratio: number, peerSpeed = 6): Outcome => ({
  subject: { name: "moldau", unit: "GB/s", ...spreadOf([peerSpeed * ratio]) },
  peers: [{ name: "@node-rs/crc32", unit: "GB/s", ...spreadOf([peerSpeed]) }],
  ratios: [{ peer: "@node-rs/crc32", ...spreadOf([ratio]) }],
  curves: [],
  notes: [],
  missing: [],
});

for (const group of new Set(benchmarks.map((benchmark) => benchmark.group))) {
  test(`${group}: each benchmark runs, small, and its outputs are equal`, async () => {
    await withBench(async (bench) => {
      const members = benchmarks.filter((benchmark) => benchmark.group === group);
      const check = async (benchmark: Benchmark): Promise<void> => {
        const result = await runOne(benchmark, bench);
        for (const missing of result.missing) console.error(`NOT MEASURED in ${result.name}: ${missing}`);
        requirePlausible(result);
        deepStrictEqual(JSON.parse(JSON.stringify(result)), result);
      };
      // Servers mostly wait for each other to start.
      if (members.every(({ runs }) => runs === "server")) await Promise.all(members.map(check));
      else for (const benchmark of members) await check(benchmark);
      deepStrictEqual(readdirSync(bench.folder), []);
    });
  });
}

function requirePlausible(result: Result): void {
  const { name, subject, peers, ratios, verdicts, missing, curves, busy = [] } = result;
  const printed = resultLines(result).join("\n");
  for (const figure of [subject, ...peers]) {
    ok(
      figure.least > 0 && figure.least <= figure.median && figure.median <= figure.greatest,
      `${name}: ${figure.name}`,
    );
    ok(Number.isFinite(figure.greatest) && printed.includes(figure.name), `${name}: ${figure.name}`);
  }
  for (const { peer, median } of ratios) {
    ok(median > 0 && Number.isFinite(median), `${name} against ${peer}`);
    ok(peers.some((figure) => figure.name === peer));
  }
  // Where there is a /proc, nothing under load goes without a look at how busy it was.
  if (process.platform === "linux" && result.group.startsWith("http "))
    strictEqual(busy.length, peers.length + 1, name);
  for (const { name: server, share } of busy) {
    ok([subject, ...peers].some((figure) => figure.name === server));
    ok(share >= 0 && Number.isFinite(share), `${name}: ${server}`);
  }
  for (const { points } of curves) ok(points.length > 0 && points.every(({ y }) => y > 0 && Number.isFinite(y)), name);
  if (missing.length > 0) return;
  strictEqual(verdicts.length, targetsFor(result), name);
  for (const { is, peer } of verdicts) ok(is !== "not measured", `${name} has no result against ${peer}`);
  for (const { peer } of baselines.filter((known) => name.startsWith(known.benchmark)))
    ok(
      peers.some((figure) => figure.name === peer),
      `${name}: a figure is known for ${peer}, which is not measured`,
    );
}

function targetsFor({ name, runtime }: Result): number {
  return targets.filter(
    ({ benchmark, goal }) =>
      benchmark === name && !(goal.kind === "at most" && goal.only !== undefined && !runtime.startsWith(goal.only)),
  ).length;
}

test("every target and every known figure is of a benchmark that is there, and no name is given twice", () => {
  const names = benchmarks.map(({ name }) => name);
  strictEqual(new Set(names).size, names.length);
  for (const { benchmark } of targets) ok(names.includes(benchmark), benchmark);
  for (const { benchmark } of baselines)
    ok(
      names.some((name) => name.startsWith(benchmark)),
      benchmark,
    );
});

test("nothing is timed whose output differs from its peer's", async () => {
  let timed = 0;
  const work = (): Uint8Array => {
    timed++;
    return new Uint8Array([1, 2, 3]);
  };
  const against = (other: unknown) =>
    comparison({ group: "g", name: "three bytes", timed: "" }, () => ({
      quantity: { bytes: 3 },
      subject: { name: "moldau", work },
      peers: [{ name: "peer", work: () => other }],
    }));
  await withBench(async (bench) => {
    for (const [other, message] of [
      [new Uint8Array([1, 2, 4]), /peer .*byte 2: 3 against 4/],
      [new Uint8Array([1, 2]), /3 bytes against 2/],
      ["else", /against "else"/],
    ] as const) {
      timed = 0;
      await rejects(
        against(other).run(bench),
        (error: Error) => error instanceof OutputsDiffer && message.test(error.message),
      );
      strictEqual(timed, 1);
    }
    const { subject } = await against(new Uint8Array([1, 2, 3])).run(bench);
    strictEqual(subject.unit, "GB/s");
  });
});

test("work that has no output cannot be compared", async () => {
  await withBench(async (bench) => {
    const silent = { name: "moldau", work: () => {} };
    const none = comparison({ group: "g", name: "n", timed: "" }, () => ({
      quantity: { operations: 1 },
      subject: silent,
      peers: [{ ...silent, name: "peer" }],
    }));
    await rejects(none.run(bench), /no output/);
  });
});

test("a race counts operations, synchronous and not, and turns the order round", async () => {
  const order: string[] = [];
  const times = await race([() => order.push("a"), () => Promise.resolve(order.push("b"))], { rounds: 2, sampleMs: 0 });
  deepStrictEqual(order, ["a", "b", "a", "b", "b", "a"]); // to warm up, then two rounds
  deepStrictEqual(
    times.map((rounds) => rounds.length),
    [2, 2],
  );
  strictEqual(lastResult(), 6);
});

test("a target is met, missed, or not proved by a peer that limps", () => {
  const is = (outcome: Outcome, runtime: SubjectRuntime["name"] = "node"): string | undefined =>
    verdictsOf("crc32c 64 KiB, in place", outcome, { name: runtime })[0]?.is;
  strictEqual(is(outcomeOf(3.0)), "pass");
  strictEqual(is(outcomeOf(2.99)), "short");
  strictEqual(is(outcomeOf(3.0, 2)), "weak baseline");
  strictEqual(is(outcomeOf(2.99, 2)), "short");
  strictEqual(is(outcomeOf(3.0, 2), "bun"), "pass"); // the known figures are Node's
  strictEqual(is({ ...outcomeOf(3), ratios: [] }), "not measured");
});

test("a peer that had not enough to do makes a pass no proof, a subject that had not makes the ratio too low", () => {
  const is = (ratio: number, busy: Outcome["busy"], peerSpeed = 6): string | undefined =>
    verdictsOf(
      "crc32c 64 KiB, in place",
      { ...outcomeOf(ratio, peerSpeed), ...(busy && { busy }) },
      { name: "node" },
    )[0]?.is;
  const shares = (subject: number, peer: number): Outcome["busy"] => [
    { name: "moldau", share: subject },
    { name: "@node-rs/crc32", share: peer },
    { name: "another peer", share: 0.1 },
  ];
  strictEqual(is(3, shares(1, 0.85)), "pass");
  strictEqual(is(3, shares(1, 0.84)), "client-bound");
  strictEqual(is(3, shares(0.5, 1)), "pass");
  strictEqual(is(2.9, shares(1, 0.84)), "short");
  strictEqual(is(3, shares(1, 0.84), 2), "weak baseline");
  strictEqual(is(3, []), "pass"); // where there is no /proc nobody can tell
});

test("a server that was not busy waited for its client, or for the disk where it has one", () => {
  const busy = [
    { name: "moldau", share: 0.5 },
    { name: "peer", share: 0.9 },
  ];
  strictEqual(
    busyNote({ name: "moldau", usesDisk: true }, busy),
    "moldau's server used 50% of a core: waiting for the disk, or client-bound",
  );
  strictEqual(busyNote({ name: "moldau" }, busy), "moldau's server used 50% of a core: client-bound");
  strictEqual(busyNote({ name: "peer" }, busy), "peer's server used 90% of a core");
  match(busyNote({ name: "who" }, busy), /not known/);
});

test("a rate limps when it is lower than known, a time when it is higher", () => {
  const known = { benchmark: "", peer: "", value: 100, unit: "ns/record" };
  const figure = { name: "peer", unit: "ns/record", ...spreadOf([120]) };
  strictEqual(isWeak(figure, known), false);
  strictEqual(isWeak({ ...figure, ...spreadOf([200]) }, known), true);
  strictEqual(isWeak({ ...figure, unit: "GB/s", ...spreadOf([50]) }, { ...known, unit: "GB/s" }), true);
  throws(() => isWeak(figure, { ...known, unit: "GB/s" }), /is in ns\/record/);
});

test("the hardest of several peers is the one that counts, where a target says so", () => {
  const outcome = {
    ...outcomeOf(2),
    ratios: [
      { peer: "slow", ...spreadOf([2]) },
      { peer: "@node-rs/crc32", ...spreadOf([0.7]) },
    ],
  };
  const target = { benchmark: "b", goal: { kind: "ratio", peer: bestPeer, atLeast: 0.8 } } as const;
  deepStrictEqual(verdictsOf("b", outcome, { name: "node" }, [target]), [
    { benchmark: "b", target: "≥ 0.8x", result: "0.70x", peer: "@node-rs/crc32", goal: bestPeer, is: "short" },
  ]);
});

test("a curve is flat when no point is worse than the first by more than a share; better is no fault", () => {
  const flat = (unit: string, ...heights: number[]): string => {
    const points = heights.map((y, index) => ({ x: 10 ** (index + 3), y }));
    const outcome = { ...outcomeOf(1), curves: [{ name: "c", x: "records", y: unit, points }] };
    const goal = { kind: "flat", within: 0.1, curve: "c" } as const;
    const [verdict] = verdictsOf("b", outcome, { name: "node" }, [{ benchmark: "b", goal }]);
    return `${verdict?.is}: ${verdict?.result}`;
  };
  strictEqual(flat("µs", 100, 105, 110), "pass: 10% worse at 100,000");
  // A drift: each step is small, and half the way between the ends is within a tenth of both.
  strictEqual(flat("µs", 100, 104, 108, 112, 116), "short: 16% worse at 10,000,000");
  strictEqual(flat("appends/s", 116, 112, 108, 104, 100), "short: 14% worse at 10,000,000");
  strictEqual(flat("µs", 100, 130, 100), "short: 30% worse at 10,000");
  strictEqual(flat("µs", 100, 60, 30), "pass: no worse");
  strictEqual(flat("appends/s", 100, 400, 95), "pass: 5% worse at 100,000");
  strictEqual(flat("appends/s", 100, 60, 300), "short: 40% worse at 10,000");
  strictEqual(flat("µs", 100), "not measured: ");
});

test("the verdicts are counted", () => {
  const verdict = { benchmark: "b", target: "≥ 2x", result: "3x", peer: "p", goal: "p", is: "pass" as const };
  const result = {
    ...outcomeOf(1),
    group: "g",
    name: "b",
    timed: "",
    runtime: "node 20",
    effort: "full" as const,
    verdicts: [verdict, { ...verdict, is: "short" as const }],
  };
  match(verdictLines([result]).join("\n"), /1 pass, 1 short$/);
});

test("the command line says what it does not know", () => {
  deepStrictEqual(parseOptions(["--quick", "--only", "crc", "--runtime", "bun"]), {
    ...{ help: false, list: false, check: false, merge: false, effort: "quick", only: "crc", runtimes: ["bun"] },
  });
  match(parseOptions(["--fast"]) as string, /--fast/);
  match(parseOptions(["--runtime", "java"]) as string, /java/);
  match(parseOptions(["--merge"]) as string, /--json/);
  match(parseOptions(["crc"]) as string, /crc/);
  ok(chosen("crc").length > 0 && chosen("crc").length < benchmarks.length);
  deepStrictEqual(chosen("no such thing"), []);
});

test("peers are installed anew when the lock file says something else", () => {
  const lock = (packages: Record<string, { version?: string; optional?: boolean }>) => ({
    packages: { "": {}, ...packages },
  });
  const wanted = lock({
    "node_modules/a": { version: "1.0.0" },
    "node_modules/b-mac": { version: "2.0.0", optional: true },
  });
  strictEqual(whatDiffers(wanted, lock({ "node_modules/a": { version: "1.0.0" } })), null);
  strictEqual(whatDiffers(wanted, null), "nothing is installed");
  strictEqual(whatDiffers(wanted, lock({})), "a is absent, not 1.0.0");
  strictEqual(whatDiffers(wanted, lock({ "node_modules/a": { version: "1.0.1" } })), "a is 1.0.1, not 1.0.0");
  const other = lock({ "node_modules/a": { version: "1.0.0" }, "node_modules/b-mac": { version: "2.0.1" } });
  strictEqual(whatDiffers(wanted, other), "b-mac is 2.0.1, not 2.0.0");
});

test("the validator in JavaScript refuses what the kernel refuses", () => {
  const crcOf = (): number => 0;
  throws(() => javaScriptValidator(Buffer.alloc(60), crcOf)(), /truncated/);
  throws(() => javaScriptValidator(Buffer.alloc(61), crcOf)(), /length/);
  const batch = Buffer.alloc(61);
  batch.writeInt32BE(49, 8);
  throws(() => javaScriptValidator(batch, crcOf)(), /magic/);
  batch[16] = 2;
  throws(() => javaScriptValidator(batch, () => 1)(), /checksum/);
  throws(() => javaScriptValidator(batch, crcOf)(), /count/);
});

test("the data is the same every time", () => {
  deepStrictEqual(bytesOf(64), bytesOf(128).subarray(0, 64));
  deepStrictEqual(recordsOf(2, 10), recordsOf(3, 10).slice(0, 2));
  deepStrictEqual(repeat(new Uint8Array([1, 2]), 2), new Uint8Array([1, 2, 1, 2]));
});

test("the curves are drawn, each with its name, axes and unit", () => {
  const curves = ["one", "two"].map((name) => ({
    ...{ name, x: "records", y: "µs" },
    points: [1, 10, 100].map((x) => ({ x: x * 1000, y: 5 + x })),
  }));
  const result = {
    ...outcomeOf(1),
    curves,
    group: "g",
    name: "some growth",
    timed: "",
    runtime: "node 20",
    effort: "full" as const,
    verdicts: [],
  };
  if (process.env["CI"] !== "true" && !existsSync(join(root, "bench/node_modules/vega"))) {
    console.error("NOT DRAWN: vega is not installed; `npm ci --prefix bench` does it");
    return;
  }
  const svg = drawCurves([result, outcomeOf(1) as never], "a title", root, thisRuntime());
  for (const text of ["<svg ", "some growth", "records", "µs", "one", "two", "a title"]) ok(svg.includes(text), text);
  throws(() => drawCurves([{ ...result, curves: [] }], "", root, thisRuntime()), /no.* curve/);
});

test("a profile's time goes to layers, native functions' to their callers", () => {
  const node = (id: number, functionName: string, url: string, children: number[] = []) => ({
    ...{ id, callFrame: { functionName, url }, children },
  });
  const nodes = [
    node(1, "(root)", "", [2, 3, 4, 6]),
    node(2, "(idle)", ""),
    node(3, "(garbage collector)", ""),
    node(4, "append", "file:///x/dist/engine/log/log.js", [5, 7]),
    node(5, "set", ""),
    node(6, "onread", "node:internal/stream_base_commons"),
    node(7, "writeBuffer", ""),
  ];
  deepStrictEqual(sharesOf({ nodes, samples: [2, 3, 4, 5, 6, 7], timeDeltas: [900, 10, 30, 20, 15, 25] }), [
    { layer: "log", share: 0.5 },
    { layer: "writing files", share: 0.25 },
    { layer: "Node's HTTP, streams and sockets", share: 0.15 },
    { layer: "garbage collection", share: 0.1 },
  ]);
});

test("a request on a lost connection fails at once, over either protocol", async () => {
  const accepted: Socket[] = [];
  const server = createServer((socket) => accepted.push(socket.on("error", () => {}).resume()));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", () => resolve()));
  const { port } = server.address() as AddressInfo;
  try {
    for (const open of [() => openHttp1(port, 1), () => openHttp2(port, 1, 1)]) {
      const wire = await open();
      const prepared = [wire.prepare({ method: "GET", path: "/" })];
      const waiting = rejects(drive(wire, prepared, 1), /closed|ECONNRESET|EPIPE/);
      setTimeout(() => accepted.pop()?.destroy(), 20);
      await waiting;
      await rejects(drive(wire, prepared, 1), /closed|ECONNRESET|EPIPE/);
      wire.close();
    }
  } finally {
    await new Promise((resolve) => server.close(resolve));
  }
});

test("what others use of the machine is told apart from our own and the system's", () => {
  const look = (busySeconds: number, ...rows: [number, number, number][]) => ({
    busySeconds,
    processes: new Map(rows.map(([id, parent, seconds]) => [id, { parent, seconds }])),
  });
  // Ours are 10 and below; 2 is the system's; 20 waits for a child that was there before, and 22 was short-lived.
  const before = look(100, [1, 0, 5], [10, 1, 1], [11, 10, 1], [20, 1, 3], [21, 20, 500], [30, 2, 9]);
  const after = look(130, [1, 0, 5], [10, 1, 6], [11, 10, 6], [12, 11, 4], [20, 1, 505], [30, 2, 19]);
  strictEqual(othersSeconds(before, after, 10), 6);
  strictEqual(othersSeconds(before, before, 10), 0);
});
