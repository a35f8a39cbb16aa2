// The servers and wires of one benchmark, and their end.
//
// Owns: that whatever was opened is closed, also after a failure. Never: asks anything.

import type { Wire } from "../load/wire.ts";
import type { ChildServer } from "./child-server.ts";

export class Stage {
  readonly #servers: ChildServer[] = [];
  readonly #wires: Wire[] = [];

  async server(starting: Promise<ChildServer>): Promise<ChildServer> {
    const server = await starting;
    this.#servers.push(server);
    return server;
  }

  async wire(opening: Promise<Wire>): Promise<Wire> {
    const wire = await opening;
    this.#wires.push(wire);
    return wire;
  }

  async close(): Promise<void> {
    for (const wire of this.#wires) wire.close();
    await Promise.all(this.#servers.map((server) => server.stop()));
  }
}

export async function onStage<T>(use: (stage: Stage) => Promise<T>): Promise<T> {
  const stage = new Stage();
  try {
    return await use(stage);
  } finally {
    await stage.close();
  }
}
