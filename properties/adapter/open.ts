// The adapter for an address, as people write addresses.
//
// Owns: which address means which adapter. Each is loaded only when it is wanted: its client may not be there.
// Never: knows more of a log than its address.

import type { LogAdapter } from "./contract.ts";

/** `kafka://host:port[,host:port]`, `http://host:port` or `https://`. Rejects when the log does not answer. */
export async function openAdapter(target: string): Promise<LogAdapter> {
  const brokers = brokersOf(target);
  if (brokers !== null) {
    const { connectKafka } = await import("./kafka.ts");
    return connectKafka({ brokers });
  }
  const { connectHttp } = await import("./http.ts");
  return connectHttp({ url: target });
}

function brokersOf(target: string): string[] | null {
  return /^kafka:\/\/(.+)$/.exec(target)?.[1]?.split(",") ?? null;
}
