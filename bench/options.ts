// The command line of `npm run bench`.
//
// Owns: which options there are, and what is said of a wrong one.

import { parseArgs } from "node:util";
import type { Effort, SubjectRuntime } from "./harness/benchmark.ts";

export interface Options {
  readonly help: boolean;
  readonly list: boolean;
  readonly check: boolean;
  readonly effort: Effort["name"];
  readonly only?: string;
  /** Absent: Node, and the others where they are. */
  readonly runtimes?: readonly SubjectRuntime["name"][];
  readonly merge: boolean;
  readonly json?: string;
  readonly svg?: string;
  readonly folder?: string;
  readonly profile?: string;
}

export const usage = `Measures Moldau against its peers, and prints each target with its result.

  npm run bench                            everything, on Node, Bun and Deno
  npm run bench -- --quick                 the same in little time; the figures are rough
  npm run bench -- --only crc              what has this in its name (--list shows the names)

  --quick            less of everything
  --only <part>      only what has this part in "group name": crc, encode, validate, search, append ...
  --runtime <name>   node, bun or deno; may be given several times
  --json <file>      writes the report as JSON
  --merge            what the file of --json has of other benchmarks and runtimes stays in it
  --svg <file>       draws the curves of growth and of many partitions, on the first runtime
  --folder <folder>  the disk to measure: data goes into a new folder there, removed afterwards
                     (default: the system's folder for temporary files)
  --profile <folder> has servers under Node write CPU profiles there, and prints the time by layer;
                     profiling slows them down, so that its ratios count for nothing
  --check            ends with 1 when a target is not met
  --list             lists what there is, and what exactly is timed
  --help             this

Ratios are taken in one run: subject and peer in turns, the median of each turn's ratio, with its
spread. Outputs are compared before anything is timed. "weak baseline" stands in place of a pass when
the peer ran well below the speed known of it, "client-bound" when its server had not enough to do.`;

const runtimeNames = ["node", "bun", "deno"] as const;

/** What was asked for, or what is wrong with it. */
export function parseOptions(args: readonly string[]): Options | string {
  try {
    const { values } = parseArgs({
      args: [...args],
      options: {
        help: { type: "boolean", default: false },
        list: { type: "boolean", default: false },
        check: { type: "boolean", default: false },
        quick: { type: "boolean", default: false },
        merge: { type: "boolean", default: false },
        only: { type: "string" },
        runtime: { type: "string", multiple: true },
        json: { type: "string" },
        svg: { type: "string" },
        folder: { type: "string" },
        profile: { type: "string" },
      },
    });
    const { help, list, check, quick, merge, only, runtime, json, svg, folder, profile } = values;
    if (merge && json === undefined) return "--merge needs --json <file>";
    const unknown = runtime?.find((name) => !(runtimeNames as readonly string[]).includes(name));
    if (unknown !== undefined) return `there is no runtime '${unknown}': it is ${runtimeNames.join(", ")}`;
    return {
      help,
      list,
      check,
      merge,
      effort: quick ? "quick" : "full",
      ...(only === undefined ? {} : { only }),
      ...(runtime === undefined ? {} : { runtimes: runtime as SubjectRuntime["name"][] }),
      ...(json === undefined ? {} : { json }),
      ...(svg === undefined ? {} : { svg }),
      ...(folder === undefined ? {} : { folder }),
      ...(profile === undefined ? {} : { profile }),
    };
  } catch (error) {
    return `${(error as Error).message}\n--help shows the options`;
  }
}
