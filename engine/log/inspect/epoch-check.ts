// Checks the leader epochs of the batches against each other and against leader-epoch-checkpoint.
//
// Owns: which of the two is wrong when they disagree: a batch's epoch lies outside its checksum,
//   and the checkpoint has none. The checkpoint is right where another batch bears it out.
// Never: more runs of batches in memory than a limit; beyond it the rest is not compared.

import type { EpochEntry } from "../leader-epochs.ts";
import type { BatchHeader } from "../record-batch.ts";
import type { Findings } from "./finding.ts";

const maxRuns = 100_000;

/** Batches of one leader epoch, one behind the other. */
interface Run {
  readonly epoch: number;
  readonly firstOffset: number;
  lastOffset: number;
  readonly path: string;
  readonly position: number;
}

export class EpochCheck {
  readonly #logStartOffset: number;
  readonly #runs: Run[] = [];
  #isFull = false;

  /** What lies below the log start is deleted, and the checkpoint may begin there. */
  constructor(logStartOffset: number) {
    this.#logStartOffset = logStartOffset;
  }

  batch(header: BatchHeader, path: string, position: number): void {
    const { leaderEpoch, baseOffset, lastOffset } = header;
    const last = this.#runs[this.#runs.length - 1];
    if (last !== undefined && last.epoch === leaderEpoch) {
      last.lastOffset = lastOffset;
      return;
    }
    if (this.#isFull) return;
    if (this.#runs.length === maxRuns) this.#isFull = true;
    else this.#runs.push({ epoch: leaderEpoch, firstOffset: baseOffset, lastOffset, path, position });
  }

  /** `entries` null: there is no checkpoint that could be read. */
  finish(findings: Findings, checkpointPath: string, entries: readonly EpochEntry[] | null): void {
    if (entries === null) this.#checkOrder(findings);
    else this.#compare(findings, checkpointPath, entries);
  }

  #checkOrder(findings: Findings): void {
    let highest = -1;
    for (const run of this.#runs) {
      if (run.epoch < highest) {
        this.#blameRun(findings, run, `leader epoch ${run.epoch} behind a batch of epoch ${highest}`);
      }
      highest = Math.max(highest, run.epoch);
    }
  }

  #compare(findings: Findings, checkpointPath: string, entries: readonly EpochEntry[]): void {
    const said = new Set<number>();
    const known = entries[0]?.startOffset ?? this.#logStartOffset;
    const from = known <= this.#logStartOffset ? known : 0;
    for (const [at, run] of this.#runs.entries()) {
      if (run.lastOffset < from) continue;
      const first = entryAt(entries, Math.max(run.firstOffset, from));
      if (first === entryAt(entries, run.lastOffset) && epochOf(entries, first) === run.epoch) continue;
      const isWhole = first === entryAt(entries, run.lastOffset);
      const claimed = epochOf(entries, first);
      const before = this.#runs[at - 1]?.epoch;
      const after = this.#runs[at + 1]?.epoch;
      if (isWhole && first >= 0 && (before === claimed || after === claimed)) {
        this.#blameRun(
          findings,
          run,
          `the batch is of leader epoch ${run.epoch}; by the checkpoint and the batches around it, it is of ${claimed}`,
        );
        continue;
      }
      const entry = Math.max(0, isWhole ? first : entryAt(entries, run.lastOffset));
      if (said.has(entry)) continue;
      said.add(entry);
      const line = entries[entry];
      const says =
        line === undefined ? "it has no entry" : `it says epoch ${line.epoch} from offset ${line.startOffset} on`;
      findings.add(
        "warning",
        "epoch-checkpoint",
        checkpointPath,
        `${says}, but the batches of offsets ${run.firstOffset} to ${run.lastOffset} are of epoch ${run.epoch} (${run.path} at byte ${run.position})`,
        { offset: run.firstOffset },
      );
    }
  }

  #blameRun(findings: Findings, run: Run, message: string): void {
    findings.add("error", "epoch", run.path, message, { position: run.position, offset: run.firstOffset });
  }
}

/** The greatest entry that begins at or below `offset`; -1 when none does. */
function entryAt(entries: readonly EpochEntry[], offset: number): number {
  let low = 0;
  let high = entries.length;
  while (low < high) {
    const middle = (low + high) >>> 1;
    if ((entries[middle] as EpochEntry).startOffset <= offset) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

function epochOf(entries: readonly EpochEntry[], entry: number): number {
  return entries[entry]?.epoch ?? -1;
}
