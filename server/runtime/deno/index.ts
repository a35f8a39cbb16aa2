// Deno as a Runtime. Files, process and decompression are Node's, which Deno speaks; listening is its own.
//
// Owns: putting the pieces together. Never: their work.

import { exposeCollection } from "../node/collection.ts";
import { decompressor } from "../node/decompressor.ts";
import { nodeProcess } from "../node/process.ts";
import { openReadOnlyStorage } from "../node/read-only-storage.ts";
import { openFileStorage } from "../node/storage.ts";
import { listenTcp } from "../node/tcp-listener.ts";
import type { Runtime } from "../runtime.ts";
import { createCollector } from "../web/collect.ts";
import { denoVersion, serveDeno } from "./listener.ts";

export const runtime: Runtime = {
  name: "deno",
  version: denoVersion,
  process: nodeProcess,
  decompressor,
  serve: serveDeno,
  listen(options) {
    const collect = exposeCollection();
    const { noteBytes } = createCollector(() => collect({ type: "minor" }));
    return listenTcp(options, { noteBytes });
  },
  openStorage: (folder) => openFileStorage(folder),
  openReadOnlyStorage,
};
