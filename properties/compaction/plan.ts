// A short life of a compacted topic, as data.
//
// Owns: what is written, and what befalls it. Never: draws one (plans.ts), or plays one (run.ts).

/** A size of null is a tombstone. */
export interface PlannedRecord {
  readonly key: number;
  readonly size: number | null;
}

/** Files that a broker makes anew from its log. */
export type LostFiles = "snapshots" | "cleaner" | "indexes";

export type CompactionCommand =
  | {
      readonly do: "append";
      readonly records: readonly PlannedRecord[];
      readonly packed: boolean;
      /** One of two idempotent producers. */
      readonly producer: number | null;
    }
  | { readonly do: "retry"; readonly producer: number }
  | { readonly do: "pass time"; readonly ms: number }
  /** Power goes at that write from here on; never when 0. */
  | { readonly do: "compact"; readonly crashAfter: number; readonly recoveryCrashes: readonly number[] }
  | { readonly do: "append while compacting"; readonly records: readonly PlannedRecord[] }
  | { readonly do: "delete records"; readonly percent: number }
  | { readonly do: "crash" }
  | { readonly do: "restart"; readonly without: readonly LostFiles[] };

export interface CompactionPlan {
  readonly seed: number;
  readonly configs: Readonly<Record<string, string | number>>;
  /** Each life has a map of its own that holds so many, so that passes end for want of room. */
  readonly mapKeys: number;
  readonly commands: readonly CompactionCommand[];
}
