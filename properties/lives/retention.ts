// Passes of retention, and what the segments' files were before and after them.
//
// Owns: what is written down of a pass. What it should have taken is for the checker to compute.

import type { SegmentSeen } from "../history.ts";
import { segmentsOf } from "../records.ts";
import type { LogPlace, Stage } from "./stage.ts";

interface Before {
  readonly log: LogPlace;
  readonly segments: readonly SegmentSeen[];
  readonly start: number;
  readonly high: number;
  readonly retentionMs: number;
  readonly retentionBytes: number;
}

export class Retention {
  readonly #stage: Stage;

  constructor(stage: Stage) {
    this.#stage = stage;
  }

  /** Others append: what it may take depends on the race, and only the bounds can be judged. */
  meanwhile(): void {
    const logs = this.#stage.logs;
    this.#stage.coverage?.add("retention while others append");
    this.#stage.invoke(
      "retention meanwhile",
      () => this.#stage.broker.runRetention(),
      ({ outcome }, invokedAt) => {
        for (const { name } of logs) {
          const nothingKnown = { nowMs: this.#stage.world.wallMs(), retentionMs: -1, retentionBytes: -1, segments: [] };
          const bounds = { logStartOffset: 0, highWatermark: 0 };
          this.#stage.push(
            { kind: "retention", log: name, outcome, alone: false, ...nothingKnown, ...bounds },
            invokedAt,
          );
        }
        for (const log of logs) if (this.#stage.world.crashed === null) this.#stage.describe(log, false);
      },
    );
  }

  /** What there is for a pass to take; nothing else may be under way until it has ended. */
  async before(): Promise<readonly Before[]> {
    const before: Before[] = [];
    for (const log of this.#stage.logs) {
      const { configs, partitions } = this.#stage.broker.describeTopic(log.topic);
      const described = partitions[log.partition];
      if (described === undefined || described.state !== "online") continue;
      before.push({
        log,
        segments: await this.#segments(log),
        start: described.logStartOffset,
        high: described.highWatermark,
        retentionMs: Number(configs["retention.ms"]?.value),
        retentionBytes: Number(configs["retention.bytes"]?.value),
      });
    }
    return before;
  }

  run(before: readonly Before[]): void {
    const nowMs = this.#stage.world.wallMs();
    this.#stage.invoke(
      "retention",
      () => this.#stage.broker.runRetention(),
      (answer, invokedAt) => {
        for (const { log, segments, start, high, retentionMs, retentionBytes } of before) {
          this.#stage.push(
            {
              kind: "retention",
              log: log.name,
              outcome: answer.outcome,
              alone: true,
              nowMs,
              retentionMs,
              retentionBytes,
              segments,
              logStartOffset: start,
              highWatermark: high,
            },
            invokedAt,
          );
        }
      },
    );
  }

  /** Files are unlinked later than the answer: once there was time, their absence is looked for. */
  async after(before: readonly Before[]): Promise<void> {
    for (const { log } of before) {
      const { earliest } = this.#stage.broker.offsets(log.topic, log.partition);
      this.#stage.push({
        kind: "segments",
        log: log.name,
        logStartOffset: earliest,
        segments: await this.#segments(log),
      });
    }
  }

  /** The partition's segments as its folder shows them. */
  async #segments(log: LogPlace): Promise<SegmentSeen[]> {
    this.#stage.world.looking = true;
    try {
      return await segmentsOf(this.#stage.world.disk, `${log.topic}-${log.partition}`);
    } finally {
      this.#stage.world.looking = false;
    }
  }
}
