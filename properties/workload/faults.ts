// What a source of faults may tell the workload, and what becomes of it in the history.
//
// Owns: lives of the log: `crashed` ends one, `restarted` begins the next.

import type { LogName } from "../history.ts";
import type { Stage } from "./clients.ts";
import type { FaultControl } from "./index.ts";
import { sleep } from "./sleep.ts";
import { noteTopics } from "./topics.ts";

/** As Kafka names it. */
export const unknownTopic = "UNKNOWN_TOPIC_OR_PARTITION";
const lookMs = 25;

export class Faults implements FaultControl {
  readonly signal: AbortSignal;
  readonly #stage: Stage;
  #alive = true;

  constructor(stage: Stage, signal: AbortSignal) {
    this.#stage = stage;
    this.signal = signal;
  }

  elapsedMs(): number {
    return this.#stage.recorder.elapsedMs();
  }

  operations(): number {
    return this.#stage.recorder.operations;
  }

  sleep(ms: number): Promise<void> {
    return sleep(ms, this.signal);
  }

  fault(what: string, detail: string, where: { readonly log?: LogName; readonly process?: string } = {}): void {
    this.#stage.recorder.push({ kind: "fault", what, detail, ...where });
  }

  crashing(what: string, detail: string): void {
    this.fault(what, detail);
  }

  crashed(detail: string): void {
    if (!this.#alive) return;
    this.#alive = false;
    this.#stage.recorder.push({ kind: "crash", detail });
  }

  async restarted(detail: string, signal?: AbortSignal): Promise<boolean> {
    const { recorder, adapter, logs } = this.#stage;
    // Whoever starts it again has seen it dead.
    this.crashed(detail);
    this.#alive = true;
    recorder.incarnation++;
    recorder.push({ kind: "open", detail });
    const [log] = logs;
    while (log !== undefined && signal?.aborted !== true) {
      const answer = await recorder.call(() => adapter.offsets(log.place));
      if (answer.outcome === "ok") {
        await noteTopics(this.#stage);
        return true;
      }
      // One that has lost its topics answers too; what that means is for the end to say: it may find them yet.
      if (answer.code === unknownTopic) return true;
      await new Promise((resolve) => setTimeout(resolve, lookMs));
    }
    return false;
  }
}
