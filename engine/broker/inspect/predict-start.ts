// What the next start would do to a data folder, without doing it.
//
// Owns: a trial start: the broker's own recovery, on a store that forgets every change.
// Never: a rule of recovery of its own, so that it cannot disagree with the real one.

import { MoldauError } from "../../errors.ts";
import type { Kernel } from "../../kernel/kernel.ts";
import type { Storage } from "../../port/storage.ts";
import type { Clock, Entropy } from "../../port/world.ts";
import { overlayStorage } from "../../storage/overlay.ts";
import { openBroker } from "../open.ts";

export interface StartPrediction {
  /** `refused`: the broker would not start. `unknown`: the trial took more memory than it may. */
  readonly outcome: "opens" | "refused" | "unknown";
  /** Why it is refused or unknown. */
  readonly reason?: string;
  readonly cleanShutdown: boolean;
  /** Cut off the ends of logs, dropped segments included. */
  readonly truncatedBytes: number;
  readonly rebuiltIndexes: number;
  readonly offline: readonly { readonly topic: string; readonly partition: number; readonly reason: string }[];
  /** What the start would say, one a line. */
  readonly notes: readonly string[];
}

export interface PredictOptions {
  readonly storage: Storage;
  readonly kernel: Kernel;
  readonly clock: Clock;
  readonly entropy: Entropy;
}

/** For indexes made anew, snapshots and the metadata journal's next generation. */
const trialBytes = 256 * 1024 * 1024;

/** Opens a broker on what the storage holds and closes it again; the storage is only read, and stays open. */
export async function predictStart({ storage, kernel, clock, entropy }: PredictOptions): Promise<StartPrediction> {
  const trial = overlayStorage(storage, trialBytes);
  const logger = { log: () => {} };
  try {
    const broker = await openBroker({ storage: trial, kernel, clock, entropy, logger });
    const { cleanShutdown, truncatedBytes, rebuiltIndexes, notes } = broker.report;
    const offline = broker.listTopics().flatMap(({ name }) =>
      broker
        .describeTopic(name)
        .partitions.filter(({ state }) => state === "offline")
        .map(({ partition, reason }) => ({ topic: name, partition, reason: reason ?? "" })),
    );
    await broker.close();
    if (trial.isOverfull) return nothing("unknown", "the trial start needs more memory than it may take");
    return { outcome: "opens", cleanShutdown, truncatedBytes, rebuiltIndexes, offline, notes };
  } catch (error) {
    if (trial.isOverfull) return nothing("unknown", "the trial start needs more memory than it may take");
    if (error instanceof MoldauError && error.code === "DATA_FOLDER_UNUSABLE") return nothing("refused", error.message);
    throw error;
  }
}

function nothing(outcome: "refused" | "unknown", reason: string): StartPrediction {
  return { outcome, reason, cleanShutdown: false, truncatedBytes: 0, rebuiltIndexes: 0, offline: [], notes: [] };
}
