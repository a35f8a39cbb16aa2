// A partition log as simply as it can be said: offsets, each holding one value, of which
// a crash may take back only what nobody was promised.
//
// Owns: which claims on an offset are firm. A claim is firm when the record was acknowledged
//   with acks=all or was read by anyone; acks=leader is a promise that a crash may break.
// Never: knows of files, segments or syncs.

import type { HistoryEvent, LogName, Produced, Read, ReadRecord } from "./history.ts";
import { tell, when } from "./history.ts";

export interface Claim {
  readonly value: string;
  readonly firm: boolean;
  readonly by: HistoryEvent;
}

export class PartitionModel {
  readonly log: LogName;
  readonly claims: Map<number, Claim> = new Map();
  /** One past the highest firm claim: what a restart must at least reach. */
  firmEnd = 0;

  constructor(log: LogName) {
    this.log = log;
  }

  /** Takes note of a record; a message when it contradicts what is known. */
  learn(offset: number, value: string, firm: boolean, by: HistoryEvent): string | null {
    const known = this.claims.get(offset);
    if (known !== undefined && known.value !== value) {
      return `${this.log} offset ${offset} was '${known.value}' (${tell(known.by)}), then '${value}' (${tell(by)})`;
    }
    if (known === undefined || (firm && !known.firm)) this.claims.set(offset, { value, firm, by });
    if (firm && offset >= this.firmEnd) this.firmEnd = offset + 1;
    return null;
  }

  /** After a crash the log ended here: promises that were not firm are void above it. */
  recoveredTo(logEndOffset: number, by: HistoryEvent): string | null {
    for (const [offset, claim] of this.claims) {
      if (offset < logEndOffset) continue;
      if (claim.firm) {
        return `${this.log} ends at ${logEndOffset} after recovery ${when(by)}, but offset ${offset} held '${claim.value}': ${tell(claim.by)}`;
      }
      this.claims.delete(offset);
    }
    return null;
  }
}

/** The first record at or after a time in log order, as Kafka answers a look-up. */
export function lookUp(records: readonly ReadRecord[], timestamp: number): ReadRecord | null {
  return records.find((record) => record.timestamp >= timestamp) ?? null;
}

/** Follows a history and tells a visitor of each contradiction with the simple log. */
export function replay(
  history: readonly HistoryEvent[],
  found: (message: string, kind: "changed" | "lost") => void,
): Map<LogName, PartitionModel> {
  const models = new Map<LogName, PartitionModel>();
  /** Logs whose first description after an unclean end is still to come. */
  const unsettled = new Set<LogName>();
  const modelOf = (log: LogName): PartitionModel => {
    let model = models.get(log);
    if (model === undefined) {
      model = new PartitionModel(log);
      models.set(log, model);
    }
    return model;
  };
  const learn = (model: PartitionModel, offset: number, value: string, firm: boolean, by: Produced | Read): void => {
    const contradiction = model.learn(offset, value, firm, by);
    if (contradiction !== null) found(contradiction, "changed");
  };
  for (const event of history) {
    if (event.kind === "crash" || (event.kind === "close" && event.clean !== true)) {
      for (const log of models.keys()) unsettled.add(log);
    } else if (
      event.kind === "produce" &&
      event.outcome === "ok" &&
      event.offsets !== undefined &&
      event.acks !== "none"
    ) {
      const model = modelOf(event.log);
      event.records.forEach((record, index) => {
        const offset = event.offsets?.[index];
        if (offset !== undefined) learn(model, offset, record.value, event.acks === "all", event);
      });
    } else if (event.kind === "read" && event.outcome === "ok") {
      const model = modelOf(event.log);
      for (const record of event.records) learn(model, record.offset, record.value, true, event);
      if (event.manner === "audit") {
        for (let offset = event.logStartOffset; offset < model.firmEnd; offset++) {
          const claim = model.claims.get(offset);
          if (claim?.firm && offset >= event.nextOffset) {
            found(
              `${event.log} offset ${offset} held '${claim.value}' (${tell(claim.by)}), but everything there was ended at ${event.nextOffset}: ${tell(event)}`,
              "lost",
            );
          }
        }
      }
    } else if (event.kind === "describe" && event.state !== "offline") {
      const model = modelOf(event.log);
      if (unsettled.delete(event.log)) {
        const lost = model.recoveredTo(event.logEndOffset, event);
        if (lost !== null) found(lost, "lost");
      }
    }
  }
  return models;
}
