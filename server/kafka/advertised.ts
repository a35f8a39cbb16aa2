// Where clients are told to find the broker.
//
// Owns: the choice between what was advertised, what is listened on, and where a client came in.
// Never: resolves a name.

import type { KafkaNode } from "./face.ts";
import type { Client } from "./handler.ts";

export interface Endpoint {
  readonly host: string;
  readonly port: number;
}

export interface AdvertisedNode {
  /** For whoever may be told one address alone. */
  node(): KafkaNode;
  nodeFor(client: Client): KafkaNode;
}

/**
 * `advertised` holds for everybody. Without it the address listened on does, unless that is all of
 * the machine's: then each client is told the one that it has reached.
 */
export function advertise(id: number, listening: () => Endpoint, advertised: Endpoint | null): AdvertisedNode {
  const isAny = advertised === null && isWildcard(listening().host);
  const node = (): KafkaNode => {
    const { host, port } = advertised ?? listening();
    return { id, host: isAny ? "localhost" : host.replace(/^\[(.*)\]$/, "$1"), port };
  };
  const nodeFor = ({ reached }: Client): KafkaNode =>
    isAny && reached !== undefined ? { id, host: plainHost(reached.host), port: reached.port } : node();
  return { node, nodeFor };
}

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::" || host === "[::]";
}

/** An IPv4 address as IPv6 sockets spell it, and one with the zone of its own machine, mean nothing elsewhere. */
function plainHost(host: string): string {
  return host.replace(/^::ffff:(?=\d+\.)/i, "").replace(/%.*$/, "");
}
