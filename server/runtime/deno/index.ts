// Deno as a Runtime. Files, process and decompression are Node's, which Deno speaks; listening is its own.
//
// Owns: putting the pieces together. Never: their work.

import { decompressor } from "../node/decompressor.ts";
import { nodeProcess } from "../node/process.ts";
import { openReadOnlyStorage } from "../node/read-only-storage.ts";
import { openFileStorage } from "../node/storage.ts";
import type { Runtime } from "../runtime.ts";
import { denoVersion, serveDeno } from "./listener.ts";

export const runtime: Runtime = {
  name: "deno",
  version: denoVersion,
  process: nodeProcess,
  decompressor,
  serve: serveDeno,
  openStorage: (folder) => openFileStorage(folder),
  openReadOnlyStorage,
};
