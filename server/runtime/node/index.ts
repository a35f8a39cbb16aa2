// Node as a Runtime. The `default` of #runtime.
//
// Owns: putting the pieces together. Never: their work.

import process from "node:process";
import type { Runtime } from "../runtime.ts";
import { createCollector } from "../web/collect.ts";
import { exposeCollection } from "./collection.ts";
import { decompressor } from "./decompressor.ts";
import { collectEveryBytes, serveNode } from "./listener.ts";
import { nodeProcess } from "./process.ts";
import { openReadOnlyStorage } from "./read-only-storage.ts";
import { openFileStorage } from "./storage.ts";
import { listenTcp } from "./tcp-listener.ts";

export const runtime: Runtime = {
  name: "node",
  version: process.versions.node,
  process: nodeProcess,
  decompressor,
  serve: serveNode,
  listen(options) {
    const collect = exposeCollection();
    const { noteBytes } = createCollector(() => collect({ type: "minor" }), collectEveryBytes);
    return listenTcp(options, { noteBytes });
  },
  openStorage: (folder) => openFileStorage(folder),
  openReadOnlyStorage,
};
