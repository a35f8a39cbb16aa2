// Why node:net could not listen, in the runtime's words.
//
// Owns: which of the system's codes is which kind. Never: listens.

import { ListenError, type ListenErrorKind } from "../runtime.ts";

const kinds: Readonly<Record<string, ListenErrorKind>> = {
  EADDRINUSE: "in-use",
  EACCES: "permission",
  EPERM: "permission",
  EADDRNOTAVAIL: "address",
  ENOTFOUND: "address",
  EAI_AGAIN: "address",
  EINVAL: "address",
};

export function listenError(error: Error & { code?: string }): ListenError {
  return new ListenError(kinds[error.code ?? ""] ?? "other", error.message, error);
}
