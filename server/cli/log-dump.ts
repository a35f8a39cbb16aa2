// `moldau log dump`: what the files hold, in the words of Kafka's kafka-dump-log, or as JSON.
//
// Owns: which files of a target are shown, and how an item is printed. The text lines are Kafka's,
//   so that what reads its tool reads this one.
// Never: judges (log-verify.ts).

import { parsePartitionFolder } from "../../engine/broker/topic-name.ts";
import {
  type DumpedBatch,
  type DumpedFault,
  type DumpedRecord,
  type DumpOptions,
  dumpLog,
  type Kernel,
  openEntries,
  readFile,
  type Storage,
} from "../../engine/index.ts";
import { loadWasmKernel } from "../../engine/kernel/wasm.ts";
import { parseEpochCheckpoint, parseOffsetCheckpoint, parseProperties } from "../../engine/log/checkpoint-file.ts";
import { parseProducerSnapshot } from "../../engine/log/producer-state.ts";
import { parseSegmentFileName, segmentFileName } from "../../engine/log/segment-names.ts";
import type { Runtime } from "../runtime/runtime.ts";
import { LineOutput } from "./log-output.ts";
import { demandPartition, openTarget, type Target, unreadable } from "./log-target.ts";
import { Exit, UserError } from "./options.ts";

export interface DumpFlags {
  readonly topic?: string;
  readonly partition?: number;
  readonly from: number;
  readonly limit?: number;
  readonly records?: boolean;
  readonly indexes?: boolean;
  readonly values: "string" | "json" | "base64";
  readonly json?: boolean;
}

const maxSmallFileBytes = 64 * 1024 * 1024;
const checkpointNames = [
  "recovery-point-offset-checkpoint",
  "log-start-offset-checkpoint",
  "cleaner-offset-checkpoint",
];
const propertyNames = ["meta.properties", "partition.metadata"];
const epochName = "leader-epoch-checkpoint";

export async function dump(path: string, flags: DumpFlags, runtime: Runtime): Promise<void> {
  const { process } = runtime;
  const stop = new AbortController();
  process.onSignal((_, isRepeated) => {
    if (isRepeated) process.exit(130);
    stop.abort();
  });
  const target = await openTarget(runtime, path);
  const output = new LineOutput(process);
  try {
    const kernel = await loadWasmKernel();
    const options: DumpOptions = {
      storage: target.storage,
      kernel,
      decompressor: runtime.decompressor,
      fromOffset: flags.from,
      records: flags.records === true,
      signal: stop.signal,
    };
    await new Dump(target, flags, options, output).run();
  } catch (error) {
    if (!stop.signal.aborted) throw error;
  } finally {
    await target.storage.close();
  }
  await output.flush();
  if (stop.signal.aborted) throw new Exit(130);
}

class Dump {
  readonly #target: Target;
  readonly #storage: Storage;
  readonly #kernel: Kernel;
  readonly #flags: DumpFlags;
  readonly #options: DumpOptions;
  readonly #output: LineOutput;
  /** Batches, or records where those are asked for. */
  #left: number;

  constructor(target: Target, flags: DumpFlags, options: DumpOptions, output: LineOutput) {
    this.#target = target;
    this.#storage = target.storage;
    this.#kernel = options.kernel;
    this.#flags = flags;
    this.#options = options;
    this.#output = output;
    this.#left = flags.limit ?? Number.POSITIVE_INFINITY;
  }

  async run(): Promise<void> {
    const { file, folder } = this.#target;
    if (file !== undefined) return this.#file(file);
    if (folder !== undefined) return this.#partition(folder);
    const { topic, partition } = this.#flags;
    if (partition !== undefined && topic === undefined) throw new UserError("--partition needs --topic", unreadable);
    const entries = await this.#storage.list("");
    const folders = entries.flatMap(({ name, kind }) => {
      const parsed = kind === "directory" ? parsePartitionFolder(name) : null;
      if (parsed === null || (topic !== undefined && parsed.topic !== topic)) return [];
      return partition !== undefined && parsed.partition !== partition ? [] : [name];
    });
    if (topic === undefined) {
      for (const name of [...propertyNames, ...checkpointNames]) {
        if (entries.some((entry) => entry.name === name)) await this.#file(name);
      }
    } else await demandPartition(this.#target, topic, partition);
    for (const name of folders.sort()) {
      if (this.#left <= 0) return;
      await this.#partition(name);
    }
  }

  async #partition(folder: string): Promise<void> {
    const names = (await this.#storage.list(folder)).map(({ name }) => name).sort();
    for (const name of names) {
      if (name === epochName || propertyNames.includes(name)) await this.#file(`${folder}/${name}`);
    }
    const bases = names.flatMap((name) => {
      const parsed = parseSegmentFileName(name);
      return parsed?.kind === "log" ? [parsed.offset] : [];
    });
    for (const [at, base] of bases.entries()) {
      const following = bases[at + 1];
      if (following !== undefined && following <= this.#flags.from) continue;
      if (this.#left <= 0) return;
      await this.#log(`${folder}/${segmentFileName(base, "log")}`);
      if (this.#flags.indexes !== true) continue;
      for (const kind of ["index", "timeindex"] as const) {
        const name = segmentFileName(base, kind);
        if (names.includes(name)) await this.#index(`${folder}/${name}`, kind, base);
      }
    }
    for (const name of names) if (name.endsWith(".snapshot")) await this.#snapshot(`${folder}/${name}`);
  }

  async #file(path: string): Promise<void> {
    const name = path.slice(path.lastIndexOf("/") + 1);
    const parsed = parseSegmentFileName(name);
    if (parsed?.kind === "log" || name.endsWith(".journal")) return this.#log(path);
    if (parsed?.kind === "snapshot") return this.#snapshot(path);
    if (parsed !== null) return this.#index(path, parsed.kind, parsed.offset);
    if (checkpointNames.includes(name)) return this.#checkpoint(path);
    if (name === epochName) return this.#epochs(path);
    if (propertyNames.includes(name)) return this.#properties(path);
    throw new UserError(`${path} is no file of a log that can be dumped`, unreadable);
  }

  async #heading(path: string, more = ""): Promise<void> {
    if (this.#flags.json !== true) await this.#output.line(`Dumping ${path}${more}`);
  }

  // ---- logs --------------------------------------------------------------------------------

  async #log(path: string): Promise<void> {
    const base = parseSegmentFileName(path.slice(path.lastIndexOf("/") + 1))?.offset;
    const file = await this.#storage.open(path);
    const { sizeBytes } = file;
    await file.close();
    if (this.#flags.json === true) await this.#output.json({ type: "segment", file: path, sizeBytes });
    else {
      await this.#heading(path);
      if (base !== undefined) await this.#output.line(`Log starting offset: ${base}`);
    }
    let timestampType: DumpedBatch["timestampType"] = "CreateTime";
    for await (const item of dumpLog(path, this.#options)) {
      if (item.type === "batch") timestampType = item.timestampType;
      const isCounted = item.type === (this.#flags.records === true ? "record" : "batch");
      if (isCounted && this.#left <= 0) return;
      if (item.type === "batch") await this.#say(item, batchLine);
      else if (item.type === "record")
        await this.#say(this.#shown(item), (record) => recordLine(item, record, timestampType));
      else await this.#say(item, faultLine);
      if (isCounted) this.#left -= 1;
      if (this.#left <= 0) return;
    }
  }

  async #say<Item>(item: Item, line: (item: Item) => string): Promise<void> {
    if (this.#flags.json === true) await this.#output.json(item);
    else await this.#output.line(line(item));
  }

  #shown({ type, file, offset, timestamp, sequence, key, value, headers }: DumpedRecord): ShownRecord {
    const { values } = this.#flags;
    return {
      ...{ type, file, offset, timestamp, sequence },
      key: shownValue(key, values === "json" ? "string" : values),
      value: shownValue(value, values),
      headers: headers.map((header) => [header.key, shownValue(header.value, values === "json" ? "string" : values)]),
    };
  }

  // ---- indexes and snapshots ---------------------------------------------------------------

  async #index(path: string, kind: "index" | "timeindex", base: number): Promise<void> {
    const entries = await openEntries(this.#storage, path, kind);
    if (entries === null) throw new UserError(`${path} is not there`, unreadable);
    await this.#heading(path);
    try {
      for (let entry = await entries.next(); entry !== null; entry = await entries.next()) {
        this.#options.signal?.throwIfAborted();
        const { position: at, key, value } = entry;
        if (kind === "index") {
          const item = { type: "indexEntry", file: path, at, offset: base + key, position: value };
          await this.#say(item, ({ offset, position }) => `offset: ${offset} position: ${position}`);
        } else {
          const item = { type: "timeIndexEntry", file: path, at, timestamp: key, offset: base + value };
          await this.#say(item, ({ timestamp, offset }) => `timestamp: ${timestamp} offset: ${offset}`);
        }
      }
      const { trailingBytes } = entries;
      if (trailingBytes > 0) {
        const message = `${trailingBytes} bytes behind the last whole entry`;
        const position = entries.file.sizeBytes - trailingBytes;
        await this.#say({ type: "fault", file: path, position, message, unreadBytes: trailingBytes }, faultLine);
      }
    } finally {
      await entries.file.close();
    }
  }

  async #snapshot(path: string): Promise<void> {
    await this.#heading(path);
    const bytes = await this.#small(path);
    const state = parseProducerSnapshot(bytes, (covered) => this.#kernel.crc32c(covered));
    if (state === null) return this.#damaged(path);
    for (const { producerId, producerEpoch, batches } of state.producers()) {
      const shown = batches.map(({ lastSequence, lastOffset, offsetDelta, timestamp }) => ({
        firstSequence: (lastSequence - offsetDelta + 2 ** 31) % 2 ** 31,
        ...{ lastSequence, lastOffset, offsetDelta, timestamp },
      }));
      await this.#say({ type: "producer", file: path, producerId, producerEpoch, batches: shown }, () => {
        const last = shown[shown.length - 1] as (typeof shown)[number];
        return `producerId: ${producerId} producerEpoch: ${producerEpoch} coordinatorEpoch: -1 currentTxnFirstOffset: OptionalLong.empty lastTimestamp: ${last.timestamp} firstSequence: ${last.firstSequence} lastSequence: ${last.lastSequence} lastOffset: ${last.lastOffset} offsetDelta: ${last.offsetDelta} timestamp: ${last.timestamp}`;
      });
    }
  }

  // ---- text files --------------------------------------------------------------------------

  async #checkpoint(path: string): Promise<void> {
    await this.#heading(path);
    const entries = parseOffsetCheckpoint(await this.#small(path));
    if (entries === null) return this.#damaged(path);
    for (const [key, offset] of entries) {
      const space = key.lastIndexOf(" ");
      const item = {
        type: "checkpoint",
        file: path,
        topic: key.slice(0, space),
        partition: Number(key.slice(space)),
        offset,
      };
      await this.#say(item, ({ topic, partition }) => `topic: ${topic} partition: ${partition} offset: ${offset}`);
    }
  }

  async #epochs(path: string): Promise<void> {
    await this.#heading(path);
    const entries = parseEpochCheckpoint(await this.#small(path));
    if (entries === null) return this.#damaged(path);
    for (const { epoch, startOffset } of entries) {
      await this.#say(
        { type: "leaderEpoch", file: path, epoch, startOffset },
        () => `epoch: ${epoch} startOffset: ${startOffset}`,
      );
    }
  }

  async #properties(path: string): Promise<void> {
    await this.#heading(path);
    const entries = parseProperties(await this.#small(path));
    if (entries === null) return this.#damaged(path);
    await this.#say({ type: "properties", file: path, properties: Object.fromEntries(entries) }, ({ properties }) =>
      Object.entries(properties)
        .map(([key, value]) => `${key}: ${value}`)
        .join("\n"),
    );
  }

  async #small(path: string): Promise<Uint8Array> {
    return (await readFile(this.#storage, path, maxSmallFileBytes)) ?? new Uint8Array(0);
  }

  #damaged(path: string): Promise<void> {
    return this.#say({ type: "fault", file: path, position: 0, message: "it is damaged", unreadBytes: 0 }, faultLine);
  }
}

// ---- lines and values ----------------------------------------------------------------------

type ShownValue = string | null | { readonly json: unknown } | { readonly base64: string };

interface ShownRecord {
  readonly type: "record";
  readonly file: string;
  readonly offset: number;
  readonly timestamp: number;
  readonly sequence: number;
  readonly key: ShownValue;
  readonly value: ShownValue;
  readonly headers: readonly (readonly [string, ShownValue])[];
}

function batchLine(batch: DumpedBatch): string {
  const horizon = batch.deleteHorizonMs === null ? "OptionalLong.empty" : `OptionalLong[${batch.deleteHorizonMs}]`;
  return [
    `baseOffset: ${batch.baseOffset} lastOffset: ${batch.lastOffset} count: ${batch.recordCount}`,
    `baseSequence: ${batch.baseSequence} lastSequence: ${batch.lastSequence}`,
    `producerId: ${batch.producerId} producerEpoch: ${batch.producerEpoch} partitionLeaderEpoch: ${batch.leaderEpoch}`,
    `isTransactional: ${batch.isTransactional} isControl: ${batch.isControl} deleteHorizonMs: ${horizon}`,
    `position: ${batch.position} ${batch.timestampType}: ${batch.maxTimestamp} size: ${batch.sizeBytes} magic: 2`,
    `compresscodec: ${batch.codec} crc: ${batch.checksum} isvalid: ${batch.isValid}`,
  ].join(" ");
}

function recordLine(
  { timestamp, sequence, offset, key, value, headers }: DumpedRecord,
  shown: ShownRecord,
  timestampType: DumpedBatch["timestampType"],
): string {
  const text = (one: ShownValue): string => (typeof one === "string" ? one : JSON.stringify(one));
  const keyText = key === null ? "" : ` key: ${text(shown.key)}`;
  const valueText = value === null ? "" : ` payload: ${text(shown.value)}`;
  const names = headers.map((header) => header.key).join(",");
  return `| offset: ${offset} ${timestampType}: ${timestamp} keySize: ${key?.length ?? -1} valueSize: ${value?.length ?? -1} sequence: ${sequence} headerKeys: [${names}]${keyText}${valueText}`;
}

function faultLine({ position, message }: Pick<DumpedFault, "position" | "message">): string {
  return `! at byte ${position}: ${message}`;
}

const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** As the HTTP face gives values: a string where the bytes are UTF-8, else base64. */
function shownValue(bytes: Uint8Array | null, manner: DumpFlags["values"]): ShownValue {
  if (bytes === null) return null;
  if (manner !== "base64") {
    try {
      const text = strict.decode(bytes);
      return manner === "json" ? { json: JSON.parse(text) as unknown } : text;
    } catch {
      // Neither text nor JSON: bytes.
    }
  }
  let binary = "";
  for (const byte of bytes) binary += String.fromCharCode(byte);
  return { base64: btoa(binary) };
}
