// What a store is asked to do, as its watchers see it: faults and crashes are placed here.
//
// Owns: the shape of the hooks, which every store takes alike. Never: an implementation.

export type StorageOperationKind =
  | "create"
  | "open"
  | "append"
  | "read"
  | "rewrite"
  | "truncate"
  | "sync"
  | "syncDirectory"
  | "list"
  | "makeDirectory"
  | "rename"
  | "remove";

export interface StorageOperation {
  readonly kind: StorageOperationKind;
  /** One path; for `rename` from and to; for `sync` the set. */
  readonly paths: readonly string[];
  /** For `append`, `read` and `rewrite` the bytes asked for; for `truncate` the size to keep; for a traced `sync` the bytes covered. */
  readonly sizeBytes?: number;
}

export interface StorageHooks {
  /** Called before the effect. What it throws, the operation throws, without an effect. */
  readonly onOperation?: (operation: StorageOperation) => void;
  /** Called after the effect, in the order of effects; a `sync` is told one file at a time, as it completes. */
  readonly trace?: (operation: StorageOperation) => void;
}
