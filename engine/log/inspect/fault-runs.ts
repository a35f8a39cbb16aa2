// Faults of an index that lie one behind the other are one finding: a file of garbage has millions.
//
// Owns: what counts as one behind the other, and how many findings of a kind one file may have.
// Never: judges an entry (index-check.ts, verify-segment.ts), or holds more than a run of each kind.

import type { FindingKind, Findings, Severity } from "./finding.ts";

/** Findings of one kind that one index may have; the last of them stands for all that follow. */
export const maxRunsPerKind = 100;

export interface FaultRunsOptions {
  readonly findings: Findings;
  readonly severity: Severity;
  readonly file: string;
  readonly entrySizeBytes: number;
}

interface Run {
  readonly position: number;
  readonly message: string;
  /** Where the last entry of it ends. Bytes. */
  end: number;
  count: number;
}

export class FaultRuns {
  readonly #options: FaultRunsOptions;
  readonly #open: Map<FindingKind, Run> = new Map();
  /** Runs that have been said, or are open. */
  readonly #begun: Map<FindingKind, number> = new Map();

  constructor(options: FaultRunsOptions) {
    this.#options = options;
  }

  /** The entry at `position` is wrong; `describe` is asked for the first of a run only. */
  add(kind: FindingKind, position: number, describe: () => string): void {
    const end = position + this.#options.entrySizeBytes;
    const run = this.#open.get(kind);
    const begun = this.#begun.get(kind) ?? 0;
    if (run !== undefined && (run.end === position || begun === maxRunsPerKind)) {
      run.end = end;
      run.count += 1;
      return;
    }
    if (run !== undefined) this.#say(kind, run);
    this.#open.set(kind, { position, message: describe(), end, count: 1 });
    this.#begun.set(kind, begun + 1);
  }

  /** Says what has not been said yet; what follows is another run. */
  flush(): void {
    for (const [kind, run] of this.#open) this.#say(kind, run);
    this.#open.clear();
  }

  #say(kind: FindingKind, { position, message, end, count }: Run): void {
    const { findings, severity, file, entrySizeBytes } = this.#options;
    if (count === 1) return findings.add(severity, kind, file, message, { position });
    const isWhole = end - position === count * entrySizeBytes;
    const others = isWhole
      ? `; so are the ${count - 1} entries behind it, up to byte ${end}`
      : `; so are ${count - 1} of the entries behind it, up to byte ${end}`;
    findings.add(severity, kind, file, `${message}${others}`, { position, count });
  }
}
