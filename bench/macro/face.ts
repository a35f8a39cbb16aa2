// How Moldau's HTTP face is asked, as far as the benchmarks do.
//
// Owns: the paths of the one topic that each benchmark has. Never: measures.

import { openHttp1 } from "../load/http1.ts";
import { openHttp2 } from "../load/http2.ts";
import { ask, type Request, type Wire } from "../load/wire.ts";

export const rawBatches = "application/vnd.kafka.record-batch";
export const topicPath = "/v1/topics/bench";
export const partitionPath: string = `${topicPath}/partitions/0/records`;
const json = "application/json";

export type Protocol = "HTTP/1.1" | "h2c";

export interface Opening {
  /** For people. */
  readonly over: string;
  readonly open: (port: number) => Promise<Wire>;
  /** What the peers' kind ends in. */
  readonly peerSuffix: string;
}

/** `width` requests are under way at once. */
export function openingOf(protocol: Protocol, width: number): Opening {
  if (protocol === "HTTP/1.1")
    return { over: `${width} connections`, open: (port) => openHttp1(port, width), peerSuffix: "" };
  const connections = 2;
  const streams = width / connections;
  return {
    over: `${connections} connections of ${streams} streams`,
    open: (port) => openHttp2(port, connections, streams),
    peerSuffix: "-h2",
  };
}

export async function createTopic(port: number, configs: Readonly<Record<string, number>>): Promise<void> {
  const body = Buffer.from(JSON.stringify({ configs }));
  await askOnce(port, { method: "PUT", path: topicPath, headers: { "content-type": json }, body });
}

/** Deletes all segments but the active one, and their files. */
export async function deleteAllRecords(port: number): Promise<void> {
  await askOnce(port, { method: "DELETE", path: `${partitionPath}?before=latest` });
}

export function produceRaw(body: Uint8Array, acks: "all" | "leader"): Request {
  return { method: "POST", path: `${partitionPath}?acks=${acks}`, headers: { "content-type": rawBatches }, body };
}

export function produceJson(records: readonly object[], acks: "all" | "leader"): Request {
  const body = Buffer.from(JSON.stringify({ records }));
  return { method: "POST", path: `${topicPath}/records?acks=${acks}`, headers: { "content-type": json }, body };
}

export function fetchRaw(offset: number, maxBytes: number): Request {
  const path = `${partitionPath}?offset=${offset}&maxBytes=${maxBytes}&waitMs=5000`;
  return { method: "GET", path, headers: { accept: rawBatches } };
}

export async function askOnce(port: number, request: Request): Promise<Buffer> {
  const wire = await openHttp1(port, 1);
  try {
    return await ask(wire, request);
  } finally {
    wire.close();
  }
}
