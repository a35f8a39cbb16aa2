// A broker on files in this process, as the benchmarks of the log have it.
//
// Owns: its world: real clocks and chance, no log lines. Never: measures.

import { type Broker, type BrokerOptions, openBroker } from "../../engine/index.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import { openFileStorage } from "../../server/runtime/node/storage.ts";
import { webClock, webEntropy } from "../../server/runtime/web/world.ts";

/** `settings` go over the defaults of `moldau serve`. */
export async function openLogFolder(
  folder: string,
  settings: Partial<Pick<BrokerOptions, "durability" | "retentionCheckIntervalMs" | "tailCacheBytes" | "kernel">> = {},
): Promise<Broker> {
  return openBroker({
    storage: await openFileStorage(folder),
    kernel: settings.kernel ?? (await loadWasmKernel()),
    clock: webClock,
    entropy: webEntropy,
    logger: { log: () => {} },
    ...settings,
  });
}
