// How V8 is asked for a collection of its garbage, under Node and Deno.
//
// Owns: the way there. Never: decides when (web/collect.ts).

import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

export type Collect = (options: { readonly type: "minor" | "major" }) => void;

/** V8 gives its collector to contexts that are made after the flag is set. */
export function exposeCollection(): Collect {
  setFlagsFromString("--expose-gc");
  return runInNewContext("gc") as Collect;
}
