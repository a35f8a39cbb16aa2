// Produce by a body that streams: appended as it arrives, answered item by item as acknowledged.
//
// Owns: how many bytes of a stream are under way, and the order of its answers, which is the
//   order of its items.
// Never: waits for the body's end before it answers, or holds more than `maxUnderWayBytes`, one
//   chunk and one unfinished item of a stream.
//
// Invariants: groups are handed to the broker in the order of their items, and each is small
//   enough to be one batch a partition, since what is refused is refused a batch at a time: a
//   record that is too large, or whose time may be refused, goes alone and takes no other with it.
//   A wrong item costs only itself; an item over the limit, or bytes that are no CBOR, end the
//   stream with a last error.

import {
  type Broker,
  MoldauError,
  type ProduceOptions,
  type ProduceResult,
  type RecordInput,
  type TopicDescription,
} from "../../engine/index.ts";
import { bodyIdleMs, freeBytes, inTime, reserve } from "./body.ts";
import { PulledBody } from "./incoming-body.ts";
import { type Form, mediaTypes } from "./media-type.ts";
import { type Call, type Face, logUnforeseen } from "./operation.ts";
import { errorMember, invalid } from "./problem.ts";
import { encodeCbor, resultCbor } from "./records-cbor.ts";
import { resultJson } from "./records-json.ts";
import { respond } from "./respond.ts";
import { CborSplitter, type ItemSplitter, LineSplitter, type StreamItem } from "./stream-items.ts";

/** Groups sent but not yet answered: what one sync may acknowledge at once. */
const maxGroups = 64;
const maxUnderWayBytes = 4 * 1024 * 1024;
/** More than any record costs beside its key, value and headers, and any header beside its own. */
const recordOverheadBytes = 32;
const headerOverheadBytes = 10;
const batchOverheadBytes = 61;

export interface StreamProduceOptions {
  readonly call: Call<unknown>;
  readonly form: "lines" | "cborSequence";
  readonly answerForm: Form;
  readonly options: ProduceOptions;
  readonly face: Face;
}

export function streamProduce(stream: StreamProduceOptions): Response {
  const { call, answerForm, face } = stream;
  const { topic, partition } = call;
  // What can be refused is refused with a status, before there is a stream.
  const limits = topicLimits(face.broker.describeTopic(topic));
  if (partition >= 0) face.broker.offsets(topic, partition);
  const pump = new Pump(stream, limits);
  if (call.body.isAbsent) throw invalid("the body is empty; send one record a line or item");
  pump.run(new PulledBody(call.body));
  const body = new ReadableStream<Uint8Array>(
    { pull: (controller) => pump.pull(controller), cancel: () => pump.cancel() },
    { highWaterMark: 0 },
  );
  return respond(200, mediaTypes[answerForm], body);
}

/** What the topic's configs say of a batch; a change takes effect with the next stream. */
interface TopicLimits {
  readonly batchBytes: number;
  readonly beforeMaxMs: number;
  readonly afterMaxMs: number;
}

function topicLimits({ configs }: TopicDescription): TopicLimits {
  const of = (name: string): number => Number(configs[name]?.value ?? 0);
  return {
    batchBytes: of("max.message.bytes") - batchOverheadBytes,
    beforeMaxMs: of("message.timestamp.before.max.ms"),
    afterMaxMs: of("message.timestamp.after.max.ms"),
  };
}

interface Group {
  /** An error stands where its item stood. */
  readonly items: (RecordInput | Error)[];
  sizeBytes: number;
}

type Result = ProduceResult | { readonly error: Error };

class Pump {
  readonly #stream: StreamProduceOptions;
  readonly #limits: TopicLimits;
  readonly #splitter: ItemSplitter;
  readonly #answers: { readonly bytes: Promise<Uint8Array>; readonly sizeBytes: number }[] = [];
  #underWayBytes = 0;
  #underWayGroups = 0;
  #ended = false;
  #cancelled = false;
  #body: PulledBody | null = null;
  #moreAnswers: () => void = () => {};
  #moreRoom: () => void = () => {};
  #releaseLong: () => void = () => {};
  #holdsLong = false;

  constructor(stream: StreamProduceOptions, limits: TopicLimits) {
    this.#stream = stream;
    this.#limits = limits;
    this.#splitter = stream.form === "lines" ? new LineSplitter() : new CborSplitter();
  }

  // ---- in: the request's body --------------------------------------------------------------

  async run(body: PulledBody): Promise<void> {
    this.#body = body;
    try {
      await this.#readAll(body);
    } catch (thrown) {
      if (!this.#cancelled) {
        logUnforeseen(this.#stream.face, thrown, "a streaming produce");
        this.#answer(Promise.resolve([{ error: thrown as Error }]), 0);
      }
      body.leave();
    }
    this.#dropLong();
    this.#ended = true;
    this.#moreAnswers();
  }

  async #readAll(body: PulledBody): Promise<void> {
    const limitBytes = this.#stream.face.maxRequestBytes;
    while (!this.#cancelled) {
      const reading = body.next().catch(endedEarly);
      // A stream may be silent for as long as it likes, but not while others wait for what it holds.
      const piece = this.#holdsLong ? inTime(this.#stream.face, bodyIdleMs, reading, fellSilent) : reading;
      const chunks = await piece;
      const items = chunks === null ? this.#splitter.end() : chunks.flatMap((chunk) => this.#splitter.push(chunk));
      const long = items.findIndex(({ sizeBytes }) => sizeBytes > limitBytes);
      await this.#send(long < 0 ? items : items.slice(0, long));
      if (long >= 0 || this.#splitter.pendingBytes > limitBytes) throw tooLong(limitBytes);
      if (this.#splitter.broken !== null) throw this.#splitter.broken;
      if (chunks === null) return;
      if (this.#splitter.pendingBytes > freeBytes) await this.#holdLong();
      else this.#dropLong();
    }
  }

  /** An item that grows large takes its share of the budget at once, and gives it back before it is sent. */
  async #holdLong(): Promise<void> {
    if (this.#holdsLong) return;
    const { face, call } = this.#stream;
    this.#releaseLong = await reserve(face.maxRequestBytes, call, face);
    this.#holdsLong = true;
  }

  #dropLong(): void {
    if (!this.#holdsLong) return;
    this.#holdsLong = false;
    this.#releaseLong();
  }

  async #send(items: readonly StreamItem[]): Promise<void> {
    let group: Group = { items: [], sizeBytes: 0 };
    for (const item of items) {
      const sizeBytes = encodedBytes(item);
      const alone = this.#mayBeRefused(item.record);
      if (group.items.length > 0 && (alone || group.sizeBytes + sizeBytes > this.#limits.batchBytes)) {
        await this.#sendGroup(group);
        group = { items: [], sizeBytes: 0 };
      }
      group.items.push(this.#placed(item.record));
      group.sizeBytes += sizeBytes;
      if (!alone) continue;
      await this.#sendGroup(group);
      group = { items: [], sizeBytes: 0 };
    }
    if (group.items.length > 0) await this.#sendGroup(group);
  }

  /** Whether the broker may find its time too early or too late. */
  #mayBeRefused(record: RecordInput | Error): boolean {
    if (record instanceof Error || record.timestamp === undefined) return false;
    const now = this.#stream.face.clock.now();
    const { beforeMaxMs, afterMaxMs } = this.#limits;
    return record.timestamp < 0 || now - record.timestamp > beforeMaxMs || record.timestamp - now > afterMaxMs;
  }

  #placed(record: RecordInput | Error): RecordInput | Error {
    const { partition } = this.#stream.call;
    if (record instanceof Error || partition < 0 || record.partition === undefined || record.partition === partition)
      return record;
    return invalid(`partition is not the path's, ${partition}`);
  }

  async #sendGroup(group: Group): Promise<void> {
    const { call, face } = this.#stream;
    this.#dropLong();
    while (
      this.#underWayGroups > 0 &&
      (this.#underWayGroups >= maxGroups || this.#underWayBytes + group.sizeBytes > maxUnderWayBytes)
    ) {
      if (this.#cancelled) return;
      await new Promise<void>((resolve) => {
        this.#moreRoom = resolve;
      });
    }
    if (this.#cancelled) return;
    const release = await face.broker.reserve(group.sizeBytes, call.signal);
    this.#answer(this.#produce(face.broker, group, release), group.sizeBytes);
  }

  /** The broker has taken its place in the log's order when the call returns its promise. */
  async #produce(broker: Broker, group: Group, release: () => void): Promise<Result[]> {
    const { call, options } = this.#stream;
    const records = group.items.filter((item): item is RecordInput => !(item instanceof Error));
    let results: ProduceResult[] = [];
    let refused: Error | null = null;
    try {
      const fixed = call.partition < 0 ? {} : { partition: call.partition };
      if (records.length > 0) results = await broker.produce(call.topic, records, { ...options, ...fixed });
    } catch (thrown) {
      refused = thrown as Error;
      logUnforeseen(this.#stream.face, thrown, "a streaming produce");
      // Every item to come would meet the same.
      if (errorMember(thrown).code === "BROKER_CLOSED") this.#body?.leave();
    } finally {
      release();
    }
    let at = 0;
    return group.items.map((item) => {
      if (item instanceof Error) return { error: item };
      if (refused !== null) return { error: refused };
      return results[at++] as ProduceResult;
    });
  }

  // ---- out: the answers --------------------------------------------------------------------

  #answer(results: Promise<Result[]>, sizeBytes: number): void {
    this.#underWayGroups += 1;
    this.#underWayBytes += sizeBytes;
    this.#answers.push({ bytes: results.then((some) => encodeResults(some, this.#stream.answerForm)), sizeBytes });
    this.#moreAnswers();
  }

  async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    while (this.#answers.length === 0) {
      if (this.#ended) return controller.close();
      await new Promise<void>((resolve) => {
        this.#moreAnswers = resolve;
      });
    }
    const { bytes, sizeBytes } = this.#answers[0]!;
    controller.enqueue(await bytes);
    this.#answers.shift();
    this.#underWayGroups -= 1;
    this.#underWayBytes -= sizeBytes;
    this.#moreRoom();
  }

  /** Nobody listens any more: what was sent stays sent, nothing more is read. */
  cancel(): void {
    this.#cancelled = true;
    this.#body?.leave();
    this.#moreRoom();
  }
}

const encoder = new TextEncoder();

function encodeResults(results: readonly Result[], form: Form): Uint8Array {
  if (form === "lines") return encoder.encode(results.map((result) => `${lineOf(result)}\n`).join(""));
  const items = results.map((result) =>
    encodeCbor("error" in result ? { error: errorMember(result.error) } : resultCbor(result)),
  );
  const whole = new Uint8Array(items.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const item of items) {
    whole.set(item, at);
    at += item.length;
  }
  return whole;
}

function lineOf(result: Result): string {
  return "error" in result ? JSON.stringify({ error: errorMember(result.error) }) : resultJson(result);
}

/** What an item takes in a batch, at most: strings are no longer there than in the item, bytes may be ({"json":1e20}). */
function encodedBytes({ record, sizeBytes }: StreamItem): number {
  if (record instanceof Error) return sizeBytes;
  const { key, value, headers = [] } = record;
  let most = sizeBytes + recordOverheadBytes;
  for (const bytes of [key, value, ...headers.map((header) => header[1])])
    if (bytes instanceof Uint8Array) most += bytes.length;
  return most + headers.length * headerOverheadBytes;
}

function endedEarly(): never {
  throw invalid("the body broke off; what was answered before is appended, an unfinished item is not");
}

function fellSilent(): Error {
  return invalid(
    `no byte came for ${bodyIdleMs / 1000} s within a large item; what was answered before is appended, the item is not`,
  );
}

function tooLong(limitBytes: number): Error {
  return new MoldauError(
    "MESSAGE_TOO_LARGE",
    `one record of a stream may take ${limitBytes} bytes at most; the stream ends here`,
  );
}
