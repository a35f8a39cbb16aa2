// Node as a Runtime. The `default` of #runtime.
//
// Owns: putting the pieces together. Never: their work.

import process from "node:process";
import type { Runtime } from "../runtime.ts";
import { decompressor } from "./decompressor.ts";
import { serveNode } from "./listener.ts";
import { nodeProcess } from "./process.ts";
import { openReadOnlyStorage } from "./read-only-storage.ts";
import { openFileStorage } from "./storage.ts";

export const runtime: Runtime = {
  name: "node",
  version: process.versions.node,
  process: nodeProcess,
  decompressor,
  serve: serveNode,
  openStorage: (folder) => openFileStorage(folder),
  openReadOnlyStorage,
};
