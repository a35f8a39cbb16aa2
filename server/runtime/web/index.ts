// The package's `moldau/engine`: the engine with the default world of any JavaScript runtime.
//
// Owns: the defaults. engine/ itself has none, so that it stays pure: clock, chance and log are
//   handed in, here the real ones, in a simulation the simulator's.
// Never: node:, a package, or a look at which runtime runs us.

import { type Broker, type BrokerOptions, openBroker as openEngine } from "../../../engine/index.ts";
import { loadWasmKernel } from "../../../engine/kernel/wasm.ts";
import { silentLogger, webClock, webEntropy } from "./world.ts";

export * from "../../../engine/index.ts";
export { loadWasmKernel } from "../../../engine/kernel/wasm.ts";
export { lz4Decompress } from "./lz4.ts";
export { snappyDecompress } from "./snappy.ts";
export { jsonLogger, silentLogger, textLogger, webClock, webEntropy } from "./world.ts";

export type OpenBrokerOptions = Pick<BrokerOptions, "storage"> & Partial<BrokerOptions>;

/**
 * AsyncDisposable, where the user's lib has Symbol.asyncDispose. Naming that type would make all of
 * the broker `any` where it has not, which is es2022 with dom.
 */
type DisposableWhereKnown = SymbolConstructor extends { readonly asyncDispose: infer Key extends symbol }
  ? { readonly [key in Key]: () => Promise<void> }
  : unknown;

/** `await using` closes it, where the runtime has that (Node 24, Bun, Deno). */
export type DisposableBroker = Broker & DisposableWhereKnown;

/**
 * Recovers the storage before it resolves; `report` says what was found. Clock, entropy, logger
 * (silent) and the WebAssembly kernel are the runtime's unless given. Rejects with MoldauError
 * DATA_FOLDER_UNUSABLE; the storage is closed then.
 */
export async function openBroker(options: OpenBrokerOptions): Promise<DisposableBroker> {
  if (options?.storage === undefined)
    throw new TypeError("openBroker needs a storage: openBroker({ storage: memoryStorage() }), or a fileStorage");
  const { clock = webClock, entropy = webEntropy, logger = silentLogger } = options;
  const kernel = options.kernel ?? (await loadWasmKernel());
  return (await openEngine({ ...options, clock, entropy, logger, kernel })) as DisposableBroker;
}
