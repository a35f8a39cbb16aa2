// A group: the members of one protocol or the other, and the offsets, which outlive both.
//
// Owns: that the two belong together. Never: steps (classic-group.ts, consumer-group.ts), or bytes.

import type { MoldauError } from "../errors.ts";
import type { ClassicGroup } from "./classic-group.ts";
import type { ConsumerGroup } from "./consumer-group.ts";
import { type OffsetCount, OffsetTable } from "./offset-table.ts";

export class Group {
  readonly id: string;
  /** null: there are only offsets, or nothing yet. */
  machine: ClassicGroup | ConsumerGroup | null = null;
  readonly offsets: OffsetTable;
  /** Resolves when all that a consumer group has said so far is durable; null when it is. */
  unsettled: Promise<void> | null = null;

  constructor(id: string, count: OffsetCount) {
    this.id = id;
    this.offsets = new OffsetTable(count);
  }

  /** No member, and no way for one to come back. */
  get hasNoMembers(): boolean {
    const { machine } = this;
    return machine === null || (machine.type === "classic" ? machine.isIdle : machine.isEmpty);
  }

  /** Ends all waits of its members with this. */
  dissolve(why: MoldauError): void {
    this.machine?.dissolve(why);
    this.machine = null;
  }
}
