// Small appends as JSON, against a Hono handler that parses the same body and does nothing with it.
//
// Owns: the load, and the proof that the records are there as they were sent.

import type { Bench, Benchmark, Outcome } from "../harness/benchmark.ts";
import { startMoldau, startPeer } from "../harness/child-server.ts";
import { OutputsDiffer } from "../harness/comparison.ts";
import { type LoadedServer, raceUnderLoad } from "../harness/load-race.ts";
import { onStage } from "../harness/stage.ts";
import { ask, type Request } from "../load/wire.ts";
import { askOnce, createTopic, openingOf, type Protocol, partitionPath, produceJson } from "./face.ts";
import { acknowledgements } from "./http-produce.ts";

const width = 64;
const record = { key: "user-0001", value: "0123456789abcdef".repeat(16) };

export const httpJsonBenchmarks: readonly Benchmark[] = (["all", "leader"] as const).flatMap((acks) =>
  (["HTTP/1.1", "h2c"] as const).map(
    (protocol): Benchmark => ({
      group: "http json",
      name: `append JSON of 256 B, ${protocol}, acks=${acks}`,
      runs: "server",
      timed: `POST of one record as JSON (a key of 9 B and a value of 256 B) to a topic of one partition over ${openingOf(protocol, width).over}, each with one request at a time; the peer is a Hono handler that parses the same body`,
      guarantees: acknowledgements[acks],
      run: (bench) => run(bench, protocol, acks),
    }),
  ),
);

async function run(bench: Bench, protocol: Protocol, acks: "all" | "leader"): Promise<Outcome> {
  const { open, peerSuffix } = openingOf(protocol, width);
  return onStage(async (stage) => {
    const server = await stage.server(startMoldau(bench, { folder: bench.folder }));
    await createTopic(server.port, {});
    const wire = await stage.wire(open(server.port));
    const produce = produceJson([record], acks);
    const { results } = JSON.parse((await ask(wire, produce)).toString()) as { results: unknown[] };
    await requireStored(server.port);
    const subject: LoadedServer = { name: "moldau", server, wire, prepared: [wire.prepare(produce)], usesDisk: true };

    const peer = await stage.server(startPeer(bench, `hono-parse${peerSuffix}`));
    const peerWire = await stage.wire(open(peer.port));
    const parse: Request = { ...produce, path: "/parse" };
    const { records } = JSON.parse((await ask(peerWire, parse)).toString()) as { records: number };
    if (records !== results.length)
      throw new OutputsDiffer("append JSON", "moldau", "Hono", `${results.length} records against ${records}`);
    const parser = { name: "Hono, parses the body", server: peer, wire: peerWire, prepared: [peerWire.prepare(parse)] };
    return raceUnderLoad([subject, parser], { unit: "requests/s" }, bench);
  });
}

async function requireStored(port: number): Promise<void> {
  const path = `${partitionPath}?offset=0&waitMs=5000`;
  const { records } = JSON.parse((await askOnce(port, { method: "GET", path })).toString()) as {
    records: { key: string; value: string }[];
  };
  const [stored] = records;
  if (records.length !== 1 || stored?.key !== record.key || stored.value !== record.value)
    throw new OutputsDiffer("append JSON", "what was sent", "moldau", JSON.stringify(stored));
}
