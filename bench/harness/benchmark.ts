// What a benchmark is, and what comes out of one.
//
// Owns: the shapes, all of them plain data once run, so that they travel from process to process.
// Never: times anything (race.ts), judges a result (verdict.ts), or prints one (report.ts).

/** How much is done. `rounds` and `sampleMs` are for work in a process, `runs` and `runMs` for load on a server. */
export interface Effort {
  readonly name: "full" | "quick" | "tiny";
  /** In each round everything that is compared is timed once, in turn. */
  readonly rounds: number;
  /** Each timing runs at least this long. Milliseconds. */
  readonly sampleMs: number;
  readonly runs: number;
  /** Milliseconds. */
  readonly runMs: number;
  /** Growth curves go up to this many records. */
  readonly mostRecords: number;
  /** ... and to this many partitions. */
  readonly mostPartitions: number;
  /** Of the system's, made sure of before something is stored (page-memory.ts). */
  readonly pageMemoryBytes: number;
}

export const efforts: Readonly<Record<Effort["name"], Effort>> = {
  full: {
    name: "full",
    rounds: 15,
    sampleMs: 60,
    runs: 5,
    runMs: 1500,
    mostRecords: 10_000_000,
    mostPartitions: 10_000,
    pageMemoryBytes: 3 * 2 ** 30,
  },
  quick: {
    name: "quick",
    rounds: 5,
    sampleMs: 15,
    runs: 3,
    runMs: 700,
    mostRecords: 100_000,
    mostPartitions: 100,
    pageMemoryBytes: 2 ** 30,
  },
  /** For the tests: proves that everything runs, says nothing about speed. */
  tiny: {
    name: "tiny",
    rounds: 1,
    sampleMs: 0,
    runs: 1,
    runMs: 20,
    mostRecords: 2000,
    mostPartitions: 4,
    pageMemoryBytes: 2 ** 20,
  },
};

/** A runtime to measure: how it is called, and how it runs a program of ours. */
export interface SubjectRuntime {
  readonly name: "node" | "bun" | "deno";
  readonly version: string;
  readonly command: string;
  /** Precede the program's path. */
  readonly arguments: readonly string[];
  /** Whether it runs the sources or what was built of them into dist/. */
  readonly built: boolean;
}

/** What a benchmark is handed. */
export interface Bench {
  readonly effort: Effort;
  /** The runtime that servers are started under; work in a process is under it already. */
  readonly runtime: SubjectRuntime;
  /** An empty folder of this benchmark's own, on the disk that is measured; removed after it. */
  readonly folder: string;
  /** The repository's. */
  readonly root: string;
  /** Where servers under Node write CPU profiles; absent: they write none. */
  readonly profiles?: string;
}

export interface Benchmark {
  /** `--only` looks for its part in "group name". */
  readonly group: string;
  readonly name: string;
  /** `process`: runs inside the runtime; `server`: starts servers under it, and runs under Node. */
  readonly runs: "process" | "server";
  /** What exactly is timed, in one sentence. */
  readonly timed: string;
  /** Of what is measured: what an acknowledgement means there. Absent where nothing is stored. */
  readonly guarantees?: string;
  run(bench: Bench): Promise<Outcome>;
}

export interface Spread {
  readonly median: number;
  readonly least: number;
  readonly greatest: number;
}

/** One contender's result. */
export interface Figure extends Spread {
  readonly name: string;
  readonly unit: string;
}

export interface Ratio extends Spread {
  readonly peer: string;
}

/** How much of a core a server's process used while it was under load, the median of its turns. */
export interface Busy {
  readonly name: string;
  readonly share: number;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

export interface Curve {
  readonly name: string;
  readonly x: string;
  readonly y: string;
  readonly points: readonly Point[];
}

export interface Outcome {
  readonly subject: Figure;
  readonly peers: readonly Figure[];
  /** Times as good as that peer: the median over the rounds of each round's own ratio. */
  readonly ratios: readonly Ratio[];
  readonly curves: readonly Curve[];
  /** Of servers under load, as far as it is known; a contender's name each. */
  readonly busy?: readonly Busy[];
  /** What a reader must know to read the figures right. */
  readonly notes: readonly string[];
  /** Peers that could not be loaded here, and why. */
  readonly missing: readonly string[];
}

export function spreadOf(values: readonly number[]): Spread {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] ?? Number.NaN;
  const median = sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] ?? upper) + upper) / 2;
  return { median, least: sorted[0] ?? Number.NaN, greatest: sorted.at(-1) ?? Number.NaN };
}
