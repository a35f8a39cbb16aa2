// What the system's error codes mean to the engine.
//
// Owns: the one translation of them.

import { constants } from "node:os";
import type { StorageErrorKind } from "../../../engine/port/storage.ts";
import { StorageError } from "../../../engine/port/storage.ts";

const kinds: Readonly<Record<string, StorageErrorKind>> = {
  ENOENT: "not-found",
  ENOTDIR: "not-found",
  EEXIST: "exists",
  EISDIR: "exists",
  ENOTEMPTY: "not-empty",
  ENOSPC: "no-space",
  EDQUOT: "no-space",
  EFBIG: "no-space",
  EACCES: "permission",
  EPERM: "permission",
  EROFS: "permission",
};

/** `what` says what was tried, path included. An error that is translated already passes. */
export function storageError(error: unknown, what: string, kind?: StorageErrorKind): StorageError {
  if (error instanceof StorageError) return error;
  const code = codeOf(error);
  const reason = code ?? (error instanceof Error ? error.message : String(error));
  return new StorageError(kind ?? kinds[code ?? ""] ?? "io", `${what}: ${reason}`, error);
}

/** The system's code, as "ENOENT". Deno gives some only as "(os error 27)". */
export function codeOf(error: unknown): string | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code } = error as NodeJS.ErrnoException;
  if (typeof code === "string") return code;
  const number = Number(/\(os error (\d+)\)$/.exec(error.message)?.[1]);
  return Object.entries(constants.errno).find(([, errno]) => errno === number)?.[0];
}
