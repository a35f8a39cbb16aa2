// The adapter for an address, as people write addresses.
//
// Owns: which address means which adapter. Each is loaded only when it is wanted: its client may not be there.
// Never: knows more of a log than its address.

import type { LogAdapter } from "./contract.ts";

/** `kafka://host:port[,host:port]` or `http://host:port`. Rejects when the log does not answer. */
export async function openAdapter(target: string): Promise<LogAdapter> {
  const brokers = /^kafka:\/\/(.+)$/.exec(target)?.[1];
  if (brokers !== undefined) {
    const { openKafkaAdapter } = await import("./kafka.ts");
    return openKafkaAdapter({ brokers: brokers.split(",") });
  }
  const { openHttpAdapter } = await import("./http.ts");
  return openHttpAdapter({ url: target });
}
