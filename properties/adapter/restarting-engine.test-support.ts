// The engine on a memory that loses at a crash what was not synced, or tears it: an adapter that can be started again.
//
// Owns: what of the memory outlives a restart. Never: a disk.

import { type Broker, type MemoryStorage, memoryStorage, openBroker } from "../../server/runtime/web/index.ts";
import { draw, type Random } from "../random.ts";
import { EngineAdapter } from "./engine.ts";

export class RestartingEngine extends EngineAdapter {
  #storage: MemoryStorage;
  #broker: Broker;
  readonly #random: Random = draw(1, "crash");

  static async open(): Promise<RestartingEngine> {
    const storage = memoryStorage();
    return new RestartingEngine(storage, await openBroker({ storage }));
  }

  private constructor(storage: MemoryStorage, broker: Broker) {
    super(broker);
    this.#storage = storage;
    this.#broker = broker;
  }

  async restart(how: "close" | "crash"): Promise<void> {
    if (how === "close") await this.#broker.close();
    this.replace(null);
    const dead = this.#broker;
    this.#storage = how === "close" ? this.#storage.restart() : this.#storage.crash(() => this.#random.next());
    // Its timers go; its store is dead already.
    await dead.close().catch(() => {});
    this.#broker = await openBroker({ storage: this.#storage });
    this.replace(this.#broker);
  }
}
