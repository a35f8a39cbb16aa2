// Verifies a partition's folder: its segments one behind the other, and what lies beside them.
//
// Owns: what the files of a partition must say of each other, and which of them to blame.
// Never: writes; reads what names the partition (partition.metadata, the broker's), or predicts
//   what recovery will do.

import { type Storage, type StorageEntry, StorageError } from "../../port/storage.ts";
import { readFile } from "../../storage/read-file.ts";
import { parseEpochCheckpoint, parseOffset } from "../checkpoint-file.ts";
import type { EpochEntry } from "../leader-epochs.ts";
import { type ProducerState, parseProducerSnapshot } from "../producer-state.ts";
import {
  compactionCheckpointName,
  epochCheckpointName,
  fenceName,
  isPartitionFile,
  parseSegmentFileName,
  partitionMetadataName,
  segmentFileName,
} from "../segment-names.ts";
import { EpochCheck } from "./epoch-check.ts";
import type { Finding } from "./finding.ts";
import { ProducerCheck, type SnapshotToCheck } from "./producer-check.ts";
import { type SegmentSeen, type VerifyContext, verifySegment } from "./verify-segment.ts";

export interface PartitionToVerify {
  readonly folder: string;
  /** What the data folder recorded of it; null when it is not known. */
  readonly recorded: {
    readonly recoveryPoint: number;
    readonly logStartOffset: number;
    /** The last run stopped in order. */
    readonly clean: boolean;
  } | null;
  /** Of the topic; null when nobody says. */
  readonly indexIntervalBytes: number | null;
  /** Whether its topic is compacted, by the metadata: then offsets may be missing, whatever compaction-checkpoint says. */
  readonly isCompacted?: boolean;
  /** Verifies these segments alone, by base offset, and nothing that needs all of them. */
  readonly only?: (baseOffset: number) => boolean;
}

export interface PartitionSeen {
  readonly segments: number;
  readonly logEndOffset: number;
  /** Whether the log's end was made out: false behind a fault at its end. */
  readonly isEndKnown: boolean;
}

/** More than any snapshot of `maxProducersPerPartition` producers takes. Bytes. */
const maxSnapshotBytes = 4 * 1024 * 1024;
const maxEpochFileBytes = 16 * 1024 * 1024;
const maxGapsFileBytes = 4096;
/** Snapshots of one segment that are compared with the log; more are only read. */
const comparedSnapshots = 4;

export async function* verifyPartition(
  context: VerifyContext,
  partition: PartitionToVerify,
): AsyncGenerator<Finding, PartitionSeen> {
  const walk = new PartitionWalk(context, partition);
  await walk.list();
  yield* context.findings.take();
  const seen = yield* walk.segments();
  await walk.finish(seen);
  yield* context.findings.take();
  return seen;
}

class PartitionWalk {
  readonly #context: VerifyContext;
  readonly #partition: PartitionToVerify;
  #producers: ProducerCheck;
  readonly #epochs: EpochCheck;
  #bases: number[] = [];
  /** Names in the folder that are no files, and are not opened. */
  readonly #irregular: Set<string> = new Set();
  #snapshots: number[] = [];
  #hasEpochs = false;
  /** Offsets below it may be missing. */
  #gapsBelow = 0;
  #previous: SegmentSeen | null = null;
  /** A batch was bad somewhere: the epochs' runs have holes. */
  #isDoubtful = false;

  constructor(context: VerifyContext, partition: PartitionToVerify) {
    this.#context = context;
    this.#partition = partition;
    this.#producers = new ProducerCheck(context.findings);
    this.#epochs = new EpochCheck(partition.recorded?.logStartOffset ?? 0);
  }

  get #isPartial(): boolean {
    return this.#partition.only !== undefined;
  }

  async list(): Promise<void> {
    const { storage } = this.#context;
    const entries = await storage.list(this.#partition.folder);
    const indexes: { readonly path: string; readonly offset: number }[] = [];
    for (const entry of entries) {
      const parsed = parseSegmentFileName(entry.name);
      const path = `${this.#partition.folder}/${entry.name}`;
      if (isLogFile(entry.name) && !(await isFile(storage, entry.kind, path))) this.#sayIrregular(entry, path);
      else if (parsed?.kind === "log") this.#bases.push(parsed.offset);
      else if (parsed?.kind === "snapshot") this.#snapshots.push(parsed.offset);
      else if (parsed !== null) indexes.push({ path, offset: parsed.offset });
      else if (entry.name === epochCheckpointName) this.#hasEpochs = true;
      else if (!this.#isPartial) await this.#checkOther(entry, path);
    }
    const ascending = (a: number, b: number): number => a - b;
    this.#bases.sort(ascending);
    this.#snapshots.sort(ascending);
    const hasGaps = entries.some(({ name }) => name === compactionCheckpointName);
    await this.#readGaps(hasGaps && !this.#irregular.has(compactionCheckpointName));
    if (this.#isPartial) return;
    const { findings } = this.#context;
    const bases = new Set(this.#bases);
    for (const { path, offset } of indexes) {
      if (bases.has(offset) || this.#irregular.has(segmentFileName(offset, "log"))) continue;
      findings.add(
        "warning",
        "orphan",
        path,
        "the .log that it is the index of is not there; a start that finds the log whole removes it",
      );
    }
    this.#checkStart();
    const first = this.#bases[0] ?? Number.POSITIVE_INFINITY;
    for (const offset of this.#snapshots) if (offset < first) await this.#readSnapshot(this.#snapshotPath(offset));
  }

  async #readGaps(isThere: boolean): Promise<void> {
    const { storage, findings } = this.#context;
    const path = `${this.#partition.folder}/${compactionCheckpointName}`;
    let gapsBelow = this.#partition.isCompacted === true ? Number.MAX_SAFE_INTEGER : 0;
    if (isThere) {
      const offset = parseOffset((await readFile(storage, path, maxGapsFileBytes)) ?? new Uint8Array(0));
      gapsBelow = offset ?? Number.MAX_SAFE_INTEGER;
      if (offset === null) {
        const message = "it holds no offset: records may be missing anywhere, and nobody can tell whether one was lost";
        findings.add("warning", "compaction-checkpoint", path, message, { position: 0 });
      }
    }
    this.#gapsBelow = gapsBelow;
    this.#producers = new ProducerCheck(findings, gapsBelow);
  }

  #sayIrregular({ name, kind }: StorageEntry, path: string): void {
    this.#irregular.add(name);
    const what = kind === "directory" ? "a directory" : "no file (a pipe, a socket, a device or a dead link)";
    const message = `it is ${what}, where the broker wants a file: move it away`;
    this.#context.findings.add("error", "not-a-file", path, message);
  }

  #snapshotPath(offset: number): string {
    return `${this.#partition.folder}/${segmentFileName(offset, "snapshot")}`;
  }

  async #checkOther(entry: StorageEntry, path: string): Promise<void> {
    const { findings, storage } = this.#context;
    if (entry.name.endsWith(".tmp")) {
      findings.add("note", "temporary-file", path, "a crash left it half written; the next start removes it");
    } else if (entry.name === fenceName) {
      const offset = parseOffset((await readFile(storage, path, 64)) ?? new Uint8Array(0));
      if (offset !== null) {
        const message = `a sync failed: the next start discards what lies at or above offset ${offset}`;
        findings.add("warning", "fence", path, message, { offset });
      } else findings.add("error", "fence", path, "it holds no offset", { position: 0 });
    } else if (!isPartitionFile(entry.name)) {
      const message = "Moldau did not write it: the broker refuses to start until it is moved away";
      findings.add("error", "unknown-file", path, message);
    }
  }

  #checkStart(): void {
    const { recorded, folder } = this.#partition;
    const { findings } = this.#context;
    if (recorded === null) return;
    const { logStartOffset, recoveryPoint } = recorded;
    const first = this.#bases[0];
    if (first === undefined ? recoveryPoint > logStartOffset : first > logStartOffset) {
      const path = `${folder}/${segmentFileName(logStartOffset, "log")}`;
      const begins = first === undefined ? "there is no segment" : `the first segment begins at ${first}`;
      const severity = recoveryPoint > logStartOffset ? "error" : "warning";
      const message = `the log starts at offset ${logStartOffset}, but ${begins}: what lies below is missing, or log-start-offset-checkpoint is wrong`;
      findings.add(severity, "log-start", path, message, { offset: logStartOffset });
      return;
    }
    for (const [at, base] of this.#bases.entries()) {
      const next = this.#bases[at + 1];
      if (next === undefined || next > logStartOffset) return;
      const path = `${folder}/${segmentFileName(base, "log")}`;
      const message = `it lies below the log start offset ${logStartOffset}: the next start deletes it`;
      findings.add("note", "log-start", path, message, { offset: base });
    }
  }

  async *segments(): AsyncGenerator<Finding, PartitionSeen> {
    const { recorded, folder, indexIntervalBytes, only } = this.#partition;
    for (const [at, base] of this.#bases.entries()) {
      if (only !== undefined && !only(base)) {
        this.#previous = null;
        continue;
      }
      const following = this.#bases[at + 1];
      await this.#expectSnapshots(base, following);
      // At the recovery point itself the next start believes a segment, but makes its indexes anew (recover.ts).
      const indexesCount =
        recorded === null
          ? following !== undefined
          : recorded.clean || (following !== undefined && following < recorded.recoveryPoint);
      const tornFrom = recorded === null ? -1 : recorded.clean ? Number.POSITIVE_INFINITY : recorded.recoveryPoint;
      const path = `${folder}/${segmentFileName(base, "log")}`;
      const seen = yield* verifySegment(this.#context, {
        folder,
        baseOffset: base,
        irregular: this.#irregular,
        indexesCount,
        tornFrom,
        indexIntervalBytes,
        gapsBelow: this.#gapsBelow,
        batch: (header, position) => {
          this.#producers.batch(header);
          this.#epochs.batch(header, path, position);
        },
        fault: () => {
          this.#producers.doubt();
          this.#isDoubtful = true;
        },
      });
      this.#checkNeighbours(base, seen);
      this.#previous = seen;
      if (seen.isEndKnown) this.#producers.reach(seen.nextOffset);
      yield* this.#context.findings.take();
    }
    const last = this.#previous;
    return {
      segments: this.#bases.length,
      logEndOffset: last?.nextOffset ?? recorded?.logStartOffset ?? 0,
      isEndKnown: last?.isEndKnown ?? true,
    };
  }

  /** Reads the snapshots from a segment's base up to the next one's. */
  async #expectSnapshots(base: number, following: number | undefined): Promise<void> {
    const here = this.#snapshots.filter((offset) => offset >= base && (following === undefined || offset < following));
    const read: SnapshotToCheck[] = [];
    for (const offset of here) {
      const path = this.#snapshotPath(offset);
      const state = await this.#readSnapshot(path);
      if (state !== null && read.length < comparedSnapshots) read.push({ path, offset, state });
    }
    if (!this.#isPartial) this.#producers.expect(read);
  }

  async #readSnapshot(path: string): Promise<ProducerState | null> {
    const { storage, kernel, findings } = this.#context;
    const file = await storage.open(path);
    const { sizeBytes } = file;
    await file.close();
    if (sizeBytes > maxSnapshotBytes) {
      findings.add("error", "snapshot", path, `${sizeBytes} bytes are more than any snapshot has`, { position: 0 });
      return null;
    }
    const bytes = await readFile(storage, path, maxSnapshotBytes);
    const state = bytes === null ? null : parseProducerSnapshot(bytes, (covered) => kernel.crc32c(covered));
    if (state !== null) return state;
    const message = "it is damaged: the next start goes by an older one and the log after it";
    findings.add("warning", "snapshot", path, message, { position: 0 });
    return null;
  }

  /** One segment against the one before it. */
  #checkNeighbours(base: number, seen: SegmentSeen): void {
    const before = this.#previous;
    if (before === null) return;
    const { findings } = this.#context;
    const { recorded } = this.#partition;
    if (base < before.nextOffset) {
      const message = `the segment begins at offset ${base}, but the one before it (${before.path}) reaches ${before.nextOffset - 1}`;
      findings.add("error", "segment-overlap", seen.path, message, { position: 0, offset: base });
      this.#isDoubtful = true;
      this.#producers.doubt();
    } else if (base > before.nextOffset && before.isEndKnown) {
      const isExplained = recorded !== null && !recorded.clean && before.nextOffset >= recorded.recoveryPoint;
      const message = `the segment ends before offset ${before.nextOffset}, but the next one (${seen.path}) begins at ${base}`;
      findings.add(isExplained ? "warning" : "error", "segment-gap", before.path, message, {
        position: before.sizeBytes,
        offset: before.nextOffset,
      });
      this.#isDoubtful = true;
      this.#producers.doubt();
    }
  }

  async finish(seen: PartitionSeen): Promise<void> {
    if (this.#isPartial) return;
    this.#checkEnd(seen);
    const path = `${this.#partition.folder}/${epochCheckpointName}`;
    const entries = await this.#readEpochs(path, seen);
    if (this.#isDoubtful) this.#epochs.finish(this.#context.findings, path, null);
    else this.#epochs.finish(this.#context.findings, path, entries);
  }

  async #readEpochs(path: string, seen: PartitionSeen): Promise<EpochEntry[] | null> {
    const { storage, findings } = this.#context;
    if (!this.#hasEpochs) {
      if (seen.logEndOffset > (this.#bases[0] ?? 0)) {
        findings.add("warning", "epoch-checkpoint", path, "it is not there; the next start makes it anew from the log");
      }
      return null;
    }
    const bytes = await readFile(storage, path, maxEpochFileBytes);
    const entries = bytes === null ? null : parseEpochCheckpoint(bytes);
    if (entries === null) {
      const message = "it is damaged; the next start makes it anew from the log";
      findings.add("warning", "epoch-checkpoint", path, message, { position: 0 });
      return null;
    }
    const last = entries[entries.length - 1];
    const clean = this.#partition.recorded?.clean ?? false;
    if (last !== undefined && clean && seen.isEndKnown && last.startOffset > seen.logEndOffset) {
      const message = `it says that epoch ${last.epoch} began at offset ${last.startOffset}, but the log ends at ${seen.logEndOffset}`;
      findings.add("warning", "epoch-checkpoint", path, message, { offset: last.startOffset });
    }
    return entries;
  }

  /** What else says where the log ends: the recovery point and the snapshots. */
  #checkEnd({ logEndOffset, isEndKnown }: PartitionSeen): void {
    const { recorded, folder } = this.#partition;
    const { findings } = this.#context;
    if (!isEndKnown || this.#isDoubtful) return;
    const beyond = this.#snapshots.filter((offset) => offset > logEndOffset);
    const lastPath = this.#previous?.path ?? folder;
    const place = { position: this.#previous?.sizeBytes ?? 0, offset: logEndOffset };
    const recoveryPoint = recorded?.recoveryPoint ?? 0;
    // A snapshot of exactly this end bears the log out.
    const isBorneOut = beyond.length === 0 && this.#snapshots.includes(logEndOffset);
    if (recoveryPoint > logEndOffset) {
      const [kind, file] = isBorneOut
        ? (["checkpoint-range", recoveryPointName] as const)
        : (["log-short", lastPath] as const);
      const message = `the log ${lastPath} ends at offset ${logEndOffset}, but everything below ${recoveryPoint} was synced (${recoveryPointName})`;
      findings.add("error", kind, file, message, kind === "log-short" ? place : { offset: recoveryPoint });
      if (kind === "log-short") return;
    }
    for (const offset of beyond) {
      const path = this.#snapshotPath(offset);
      const message = `it is of offset ${offset}, but the log ends at ${logEndOffset}`;
      findings.add("warning", "snapshot-range", path, message, { offset });
    }
    const logStartOffset = recorded?.logStartOffset ?? 0;
    if (logStartOffset <= logEndOffset) return;
    const message = `${folder} starts at offset ${logStartOffset}, but its log ends at ${logEndOffset}`;
    findings.add(recorded?.clean === true ? "error" : "warning", "checkpoint-range", logStartName, message, {
      offset: logStartOffset,
    });
  }
}

/** A link is no file to a listing, but the broker follows it. No store waits for a pipe that it opens to read. */
export async function isFile(storage: Storage, kind: StorageEntry["kind"], path: string): Promise<boolean> {
  if (kind !== "other") return kind === "file";
  try {
    await (await storage.open(path)).close();
    return true;
  } catch (error) {
    if (error instanceof StorageError) return false;
    throw error;
  }
}

/** What a log is read from, or made with; a `.tmp` is removed whatever it is. */
function isLogFile(name: string): boolean {
  return (
    parseSegmentFileName(name) !== null ||
    [epochCheckpointName, partitionMetadataName, fenceName, compactionCheckpointName].includes(name)
  );
}

// Names of the data folder's files, which the broker owns; here they are only said.
const recoveryPointName = "recovery-point-offset-checkpoint";
const logStartName = "log-start-offset-checkpoint";
