// What every actor of a run is handed, and what it tells about itself.
//
// Owns: those shapes. Never: behaviour.

import type { Coverage } from "../../coverage.ts";
import type { LogName } from "../../history.ts";
import type { Client } from "../client.ts";
import type { Recorder } from "../recorder.ts";

/** One life of a partition, as clients name it. */
export interface LogPlace {
  readonly topic: string;
  readonly topicId: string;
  readonly partition: number;
  readonly name: LogName;
  /** The broker stamps its records. */
  readonly appendTime: boolean;
  /** Records have keys, and older ones of a key may be gone. */
  readonly compacted: boolean;
}

export interface ActorWorld {
  readonly client: Client;
  readonly recorder: Recorder;
  readonly coverage: Coverage;
  wallMs(): number;
  /** Chaos is over: nothing new is begun, what is begun is brought to its end. */
  readonly isHealed: () => boolean;
  /** The log was damaged on purpose: it may be refused for ever. */
  readonly isDamaged: (log: LogName) => boolean;
}
