// What is said when a port cannot be listened on.
//
// Owns: the words, and which flag helps. Never: listens.

import type { ListenError } from "../runtime/runtime.ts";
import { UserError } from "./options.ts";

export interface AskedPort {
  readonly host: string;
  readonly port: number;
  /** That chose the port. */
  readonly flag: string;
}

export function explainListen(error: ListenError, { host, port, flag }: AskedPort): UserError {
  switch (error.kind) {
    case "in-use":
      return new UserError(`port ${port} on ${host} is in use: choose another with ${flag}`);
    case "permission":
      return new UserError(`no permission to listen on port ${port} of ${host}: choose another with ${flag}`);
    case "address":
      return new UserError(`${host} is no address of this machine: choose another with --host (${error.message})`);
    case "tls":
      return new UserError(`--tls-cert and --tls-key cannot be used: ${error.message}`);
    default:
      return new UserError(`cannot listen on port ${port} of ${host}: ${error.message}`);
  }
}
