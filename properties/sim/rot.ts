// Bytes that change at rest: bit rot, and a write that landed where it does not belong.
//
// Owns: which bytes change: of a batch below the recovery point that the disk itself has recorded, so that
//   no recovery may take it for a tail that a crash tore (correctness.md A 19).
// Never: asks the broker, or hits what lies outside every checksum.

import type { Random } from "../random.ts";
import { batchesOf, overwrite, readWhole } from "../records.ts";
import { type Storage, StorageError } from "../subject.ts";
import type { LogPlace } from "./actors/actor.ts";

export type Damage = "rot" | "misdirect";

export interface Damaged {
  readonly log: LogPlace;
  readonly detail: string;
}

const sectorBytes = 512;
/** Of a batch: base offset, length, leader epoch and magic come before. */
const checksumAt = 17;

/** Damages one batch of one of these logs; null when nothing lies below a recovery point. */
export async function damage(
  storage: Storage,
  logs: readonly LogPlace[],
  kind: Damage,
  chance: Random,
): Promise<Damaged | null> {
  const points = await recoveryPoints(storage);
  const order = [...logs].sort((a, b) => (a.name < b.name ? -1 : 1));
  const first = chance.below(Math.max(1, order.length));
  for (let at = 0; at < order.length; at++) {
    const log = order[(first + at) % order.length] as LogPlace;
    const detail = await damageLog(storage, log, points.get(`${log.topic} ${log.partition}`) ?? 0, kind, chance);
    if (detail !== null) return { log, detail };
  }
  return null;
}

async function damageLog(
  storage: Storage,
  log: LogPlace,
  point: number,
  kind: Damage,
  chance: Random,
): Promise<string | null> {
  const folder = `${log.topic}-${log.partition}`;
  const names = (await listed(storage, folder)).filter((name) => /^\d{20}\.log$/.test(name)).sort();
  const below = names.filter((name) => Number.parseInt(name, 10) < point);
  if (below.length === 0) return null;
  const path = `${folder}/${chance.pick(below)}`;
  const bytes = await readWhole(storage, path);
  const batches = batchesOf(bytes).filter(({ baseOffset, recordCount }) => baseOffset + recordCount <= point);
  if (batches.length === 0) return null;
  const batch = chance.pick(batches);
  const from = batch.position + checksumAt;
  const end = batch.position + batch.sizeBytes;
  const damaged = bytes.slice();
  if (kind === "rot") {
    const at = from + chance.below(end - from);
    damaged[at] = (damaged[at] as number) ^ (1 << chance.below(8));
  } else {
    // What belongs into another sector lies over a part of this one.
    const length = Math.min(sectorBytes, end - from);
    const source = chance.below(Math.max(1, bytes.length - length));
    damaged.set(bytes.subarray(source, source + length), end - length);
  }
  if (damaged.every((byte, at) => byte === bytes[at])) return null;
  await overwrite(storage, path, damaged);
  const last = batch.baseOffset + batch.recordCount - 1;
  return `${path}, the batch of ${batch.baseOffset} to ${last}, below the recovery point ${point}`;
}

/** The names in a folder; none when it cannot be listed. */
export async function listed(storage: Storage, folder: string): Promise<string[]> {
  try {
    return (await storage.list(folder)).map(({ name }) => name);
  } catch (error) {
    if (error instanceof StorageError) return [];
    throw error;
  }
}

/** Kafka's text file: a version, a count, and a line a partition. */
async function recoveryPoints(storage: Storage): Promise<Map<string, number>> {
  try {
    const text = new TextDecoder().decode(await readWhole(storage, "recovery-point-offset-checkpoint"));
    const [, , ...rows] = text.trim().split("\n");
    return new Map(rows.map((row) => row.split(" ")).map(([topic, at, offset]) => [`${topic} ${at}`, Number(offset)]));
  } catch (error) {
    if (error instanceof StorageError) return new Map();
    throw error;
  }
}
