// Every mutant: the faults of correctness.md B that one broker, its groups and its producers can have,
// and those of this engine's own design.
//
// Owns: the list. Never: changes the engine that ships, or what `moldau/properties` exports.

import { compaction } from "./compaction.ts";
import { durability } from "./durability.ts";
import { groups } from "./groups.ts";
import type { Mutant } from "./mutant.ts";
import { producers } from "./producers.ts";
import { reads } from "./reads.ts";
import { storage } from "./storage.ts";

export const mutantGroups: ReadonlyMap<string, readonly Mutant[]> = new Map([
  ["durability", durability],
  ["reads", reads],
  ["storage", storage],
  ["compaction", compaction],
  ["producers", producers],
  ["groups", groups],
]);

export const mutants: readonly Mutant[] = [...mutantGroups.values()].flat();
