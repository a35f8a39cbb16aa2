// Checks producer snapshots against the batches of the log.
//
// Owns: what the log says of every producer's last batch, as the batches go by.
// Never: repeats the broker's verdicts (producer-state.ts); a producer that expired is missing
//   from a snapshot and that is right, so only what a snapshot does say is compared; nor does it
//   miss a batch that compaction may have taken.
//
// Invariant: at most as many producers as a partition remembers.

import { maxProducersPerPartition } from "../../limits.ts";
import type { ProducerState } from "../producer-state.ts";
import type { BatchHeader } from "../record-batch.ts";
import type { Findings } from "./finding.ts";

interface LastBatch {
  readonly epoch: number;
  readonly lastOffset: number;
  readonly lastSequence: number;
}

/** A snapshot that waits for the log to reach its offset. */
export interface SnapshotToCheck {
  readonly path: string;
  readonly offset: number;
  readonly state: ProducerState;
}

export class ProducerCheck {
  readonly #findings: Findings;
  /** Batches below it may be missing. */
  readonly #gapsBelow: number;
  readonly #last: Map<number, LastBatch> = new Map();
  #waiting: SnapshotToCheck[] = [];
  /** Every batch from here on has been seen; null before the first. */
  #since: number | null = null;
  #forgotten = false;
  /** A bad batch has gone by: what the log says is no longer known. */
  #doubtful = false;

  constructor(findings: Findings, gapsBelow = 0) {
    this.#findings = findings;
    this.#gapsBelow = gapsBelow;
  }

  /** In rising order of offsets. */
  expect(snapshots: readonly SnapshotToCheck[]): void {
    this.#waiting.push(...snapshots);
  }

  batch(header: BatchHeader): void {
    this.#since ??= header.baseOffset;
    if (this.#waiting.length > 0) this.reach(header.baseOffset);
    const { producerId, lastOffset, producerEpoch, baseSequence, baseOffset } = header;
    if (producerId < 0) return;
    this.#last.delete(producerId);
    const lastSequence = (baseSequence + (lastOffset - baseOffset)) % 2 ** 31;
    this.#last.set(producerId, { epoch: producerEpoch, lastOffset, lastSequence });
    if (this.#last.size <= maxProducersPerPartition) return;
    this.#last.delete(this.#last.keys().next().value as number);
    this.#forgotten = true;
  }

  doubt(): void {
    this.#doubtful = true;
  }

  /** The log has been seen up to `offset`: compares the snapshots at or below it. */
  reach(offset: number): void {
    while (this.#waiting.length > 0 && (this.#waiting[0] as SnapshotToCheck).offset <= offset) {
      this.#compare(this.#waiting.shift() as SnapshotToCheck);
    }
  }

  #compare({ path, offset, state }: SnapshotToCheck): void {
    if (this.#doubtful || this.#since === null) return;
    for (const { producerId, producerEpoch, batches } of state.producers()) {
      const said = batches[batches.length - 1];
      if (said === undefined) continue;
      const seen = this.#last.get(producerId);
      if (said.lastOffset < this.#gapsBelow && (seen === undefined || seen.lastOffset < said.lastOffset)) continue;
      if (seen === undefined) {
        if (said.lastOffset < this.#since || this.#forgotten) continue;
        this.#say(
          path,
          offset,
          `producer ${producerId} is said to have written offset ${said.lastOffset}, where the log has no batch of it`,
        );
        return;
      }
      const isSame =
        seen.lastOffset === said.lastOffset && seen.lastSequence === said.lastSequence && seen.epoch === producerEpoch;
      if (isSame) continue;
      this.#say(
        path,
        offset,
        `producer ${producerId} is said to end with offset ${said.lastOffset}, sequence ${said.lastSequence}, but in the log it ends with offset ${seen.lastOffset}, sequence ${seen.lastSequence}`,
      );
      return;
    }
  }

  #say(path: string, offset: number, message: string): void {
    this.#findings.add("warning", "snapshot-stale", path, message, { offset });
  }
}
