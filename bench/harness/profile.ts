// Where a server's time went, by layer, out of V8's CPU profile.
//
// Owns: which frame belongs to which layer. A frame's own time counts, not its callees'; native
//   functions count for whoever called them, but for writing files, which has a line of its own.
// Never: takes a profile (node --cpu-prof does).

import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

interface ProfileNode {
  readonly id: number;
  readonly callFrame: { readonly functionName: string; readonly url: string };
  readonly children?: readonly number[];
}

export interface Profile {
  readonly nodes: readonly ProfileNode[];
  readonly samples: readonly number[];
  /** Microseconds since the sample before. */
  readonly timeDeltas: readonly number[];
}

export interface Share {
  readonly layer: string;
  /** Of the time that was not idle; 0 to 1. */
  readonly share: number;
}

const idle = "idle";
const inherited = "";

/** The first that fits; a url and a function's name. */
const layers: readonly (readonly [RegExp, string])[] = [
  [/ \(idle\)$/, idle],
  [/ \(garbage collector\)$/, "garbage collection"],
  [/ \(program\)$/, "native code outside of JavaScript: event loop, HTTP parser, sockets"],
  [/^wasm:/, "kernel, WebAssembly"],
  [/^node:fs (writeSync|writevSync)$| (writeBuffer|writeBuffers)$/, "writing files"],
  [/ (pread|fdatasync|fsync|read)$/, "reading and syncing files"],
  [/\/engine\/kernel\//, "kernel, its binding"],
  [/\/engine\/log\//, "log"],
  [/\/engine\/broker\//, "broker"],
  [/\/engine\//, "engine, the rest"],
  [/\/server\/runtime\/node\/(storage|open-files|turnstile)\./, "file store"],
  [/\/server\/runtime\//, "listener"],
  [/\/server\/http\//, "HTTP face"],
  [/\/node_modules\/(hono|@hono)\//, "Hono and its adapter"],
  [/\/node_modules\/(zod|@hono\/zod)/, "zod"],
  [/\/node_modules\//, "other packages"],
  [/^node:.*(http|net|stream|tls|_http|events)/, "Node's HTTP, streams and sockets"],
  [/^node:.*(process\/task_queues|async_hooks|timers|promises)/, "Node's queues and timers"],
  [/^node:/, "Node, the rest"],
  [/^ /, inherited],
];

export function layerOf(url: string, functionName: string): string {
  const found = layers.find(([pattern]) => pattern.test(`${url} ${functionName}`));
  return found === undefined ? "else" : found[1];
}

/** The largest first; what is under half a percent is left out. */
export function sharesOf(profile: Profile): Share[] {
  const byId = new Map(profile.nodes.map((node) => [node.id, node]));
  const layerById = new Map<number, string>();
  const assign = (id: number, callers: string): void => {
    const { callFrame, children = [] } = byId.get(id) as ProfileNode;
    const own = layerOf(callFrame.url, callFrame.functionName);
    const layer = own === inherited ? callers : own;
    layerById.set(id, layer);
    for (const child of children) assign(child, layer);
  };
  assign((profile.nodes[0] as ProfileNode).id, "else");
  const times = new Map<string, number>();
  let all = 0;
  profile.samples.forEach((id, index) => {
    const layer = layerById.get(id) ?? "else";
    if (layer === idle) return;
    const spent = Math.max(0, profile.timeDeltas[index] ?? 0);
    all += spent;
    times.set(layer, (times.get(layer) ?? 0) + spent);
  });
  return [...times]
    .map(([layer, spent]) => ({ layer, share: spent / all }))
    .filter(({ share }) => share >= 0.005)
    .sort((a, b) => b.share - a.share);
}

/** Of all profiles in a folder: one, as each benchmark with a profile has a folder. */
export function readShares(folder: string): Share[] {
  const name = readdirSync(folder).find((file) => file.endsWith(".cpuprofile"));
  if (name === undefined) throw new Error(`no profile was written to ${folder}`);
  return sharesOf(JSON.parse(readFileSync(join(folder, name), "utf8")) as Profile);
}
