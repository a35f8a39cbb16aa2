// Bun as a Runtime. Files, process and decompression are Node's, which Bun speaks; listening is its own.
//
// Owns: putting the pieces together. Never: their work.

import { decompressor } from "../node/decompressor.ts";
import { nodeProcess } from "../node/process.ts";
import { openReadOnlyStorage } from "../node/read-only-storage.ts";
import { openFileStorage } from "../node/storage.ts";
import { listenTcp } from "../node/tcp-listener.ts";
import type { Runtime } from "../runtime.ts";
import { createCollector } from "../web/collect.ts";
import { bunVersion, collectBun, serveBun } from "./listener.ts";

export const runtime: Runtime = {
  name: "bun",
  version: bunVersion,
  process: nodeProcess,
  decompressor,
  serve: serveBun,
  listen: (options) => listenTcp(options, { noteBytes: createCollector(collectBun).noteBytes }),
  openStorage: (folder) => openFileStorage(folder),
  openReadOnlyStorage,
};
