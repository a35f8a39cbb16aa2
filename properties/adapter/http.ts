// Moldau over HTTP, through fetch.
//
// Owns: the requests, and what a failure says about its effect: a problem document says it itself; a
//   refused connection had none of a request that only asks; anything else may have had one.

import { ConsumerMember, type ConsumerTransport } from "./consumer-member.ts";
import {
  type Appended,
  type AppendOptions,
  type GroupMember,
  type ListedTopic,
  type LogAdapter,
  LogError,
  type Manifest,
  type MemberListener,
  type Offsets,
  type Place,
  type ReadAnswer,
  type ReadOptions,
  type RecordToAppend,
  type StoredRecord,
  type TopicOptions,
} from "./contract.ts";
import { inProgram, otherAddress } from "./other-address.ts";

export interface HttpAdapterOptions {
  /** Of the server: `http://127.0.0.1:8080`. */
  readonly url: string;
  /** Of a request without an answer. Milliseconds. */
  readonly requestTimeoutMs?: number; // 10 000
}

interface PartitionAnswer {
  readonly partition: number;
  readonly state: string;
  readonly reason?: string;
  readonly logStartOffset: number;
  readonly highWatermark: number;
  readonly logEndOffset: number;
}

interface TopicAndPartitions {
  readonly topic: string;
  readonly partitions: readonly number[];
}

interface MembershipAnswer {
  readonly memberId: string;
  readonly memberEpoch: number;
  readonly assignment: readonly TopicAndPartitions[] | null;
}

type ProduceOutcome =
  | { readonly offset: number; readonly duplicate?: boolean }
  | { readonly error: { readonly code: string; readonly effect: "none" | "unknown"; readonly detail: string } };

/** Rejects when nobody answers there, or not as Moldau does: with the address, and what to give instead. */
export async function openHttpAdapter(options: HttpAdapterOptions): Promise<HttpAdapter> {
  const url: unknown = options?.url;
  if (typeof url !== "string" || !/^https?:\/\/[^/]/.test(url))
    throw new TypeError(
      `openHttpAdapter({ url }): url is ${JSON.stringify(url)}, and has to be as "http://127.0.0.1:8080"`,
    );
  try {
    return await connectHttp(options);
  } catch (error) {
    const { code, effect, message } = error as LogError;
    if (!(error instanceof LogError))
      throw new Error(`${url} answers, but not as Moldau does (${message}): is it Moldau's HTTP?`);
    const ask = "is it running, and is that where its HTTP listens?";
    const instead = (await otherAddress(url, error, inProgram)) ?? ask;
    // Without its cause: of that the message has all, and a runtime prints the stacks of fetch before it.
    throw new LogError(code, effect, `no answer from ${url} (${message}): ${instead}`);
  }
}

/** As `openHttpAdapter`, for who tells his users himself what is wrong. Rejects with what came of the first request. */
export async function connectHttp(options: HttpAdapterOptions): Promise<HttpAdapter> {
  const adapter = new HttpAdapter(options);
  await adapter.ping();
  return adapter;
}

export class HttpAdapter implements LogAdapter {
  readonly name: string;
  readonly supports: Manifest = {
    acks: ["all", "leader", "none"],
    idempotence: true,
    conditionalAppends: true,
    deleteRecords: true,
    lookUpByTime: true,
    compaction: true,
    groups: "consumer",
    listTopics: true,
    logEnd: true,
  };
  readonly #url: string;
  readonly #timeoutMs: number;

  constructor({ url, requestTimeoutMs = 10_000 }: HttpAdapterOptions) {
    this.#url = url.replace(/\/+$/, "");
    this.#timeoutMs = requestTimeoutMs;
    this.name = `Moldau at ${this.#url}`;
  }

  async ping(): Promise<void> {
    const answer = (await this.#call("GET", "/readyz")) as { readonly status?: unknown } | null;
    if (answer?.status !== "ready") throw new Error(`GET ${this.#url}/readyz is not answered as Moldau does`);
  }

  async createTopic(topic: string, { partitions, configs = {} }: TopicOptions): Promise<void> {
    await this.#call("PUT", `/v1/topics/${topic}`, { partitions, configs });
  }

  async listTopics(): Promise<ListedTopic[]> {
    const { topics } = (await this.#call("GET", "/v1/topics")) as { topics: readonly { name: string; id: string }[] };
    return topics.map(({ name, id }) => ({ topic: name, id }));
  }

  async deleteTopic(topic: string): Promise<void> {
    await this.#call("DELETE", `/v1/topics/${topic}`);
  }

  async append(place: Place, records: readonly RecordToAppend[], options: AppendOptions): Promise<Appended> {
    const { acks, producer, expectedEndOffset } = options;
    const headers: Record<string, string> = {};
    if (producer !== undefined) {
      headers["producer-id"] = `${producer.id}`;
      headers["producer-epoch"] = `${producer.epoch}`;
      headers["producer-seq"] = `${producer.sequence}`;
    }
    if (expectedEndOffset !== undefined) headers["if-match"] = `"${expectedEndOffset}"`;
    const answer = await this.#call("POST", recordsOf(place), { records, acks }, headers);
    const { results, duplicate } = answer as { results: readonly ProduceOutcome[]; duplicate?: boolean };
    if (acks === "none") return {};
    const offsets = results.map((result) => {
      if (!("error" in result)) return result.offset;
      const { code, effect, detail } = result.error;
      // Some of its records may lie there.
      throw new LogError(code, results.length === 1 ? effect : "unknown", detail);
    });
    if (producer === undefined) return { offsets };
    const first = results[0];
    return { offsets, duplicate: duplicate ?? (first !== undefined && "offset" in first && first.duplicate === true) };
  }

  async read(place: Place, { offset, maxWaitMs }: ReadOptions): Promise<ReadAnswer> {
    const query = `?offset=${offset}&waitMs=${maxWaitMs}`;
    const { records, nextOffset, logStartOffset, highWatermark } = (await this.#call(
      "GET",
      `${recordsOf(place)}${query}`,
    )) as ReadAnswer & { readonly records: readonly (StoredRecord & { readonly key: string | null })[] };
    return {
      ...{ nextOffset, logStartOffset, highWatermark },
      records: records.map(({ offset: at, timestamp, value, key }) => ({
        ...{ offset: at, timestamp, value },
        ...(key === null ? {} : { key }),
      })),
    };
  }

  async offsets({ topic, partition }: Place): Promise<Offsets> {
    const { partitions } = (await this.#call("GET", `/v1/topics/${topic}`)) as {
      partitions: readonly PartitionAnswer[];
    };
    const found = partitions.find((one) => one.partition === partition);
    if (found === undefined) throw new LogError("UNKNOWN_TOPIC_OR_PARTITION", "none", `${topic} has no ${partition}`);
    if (found.state === "offline") throw new LogError("LEADER_NOT_AVAILABLE", "none", found.reason);
    return found;
  }

  async allocateProducer(): Promise<{ readonly id: number; readonly epoch: number }> {
    const answer = (await this.#call("POST", "/v1/producers")) as { producerId: number; producerEpoch: number };
    return { id: answer.producerId, epoch: answer.producerEpoch };
  }

  async deleteRecords(place: Place, before: number): Promise<number> {
    const answer = await this.#call("DELETE", `${recordsOf(place)}?before=${before}`);
    return (answer as { logStartOffset: number }).logStartOffset;
  }

  async lookUp(
    { topic, partition }: Place,
    timestamp: number,
  ): Promise<{ readonly offset: number; readonly timestamp: number } | null> {
    const path = `/v1/topics/${topic}/partitions/${partition}/offsets?timestamp=${timestamp}`;
    const answer = (await this.#call("GET", path)) as { offset: number | null; timestamp: number };
    return answer.offset === null ? null : { offset: answer.offset, timestamp: answer.timestamp };
  }

  async joinGroup(group: string, topics: readonly string[], listener: MemberListener): Promise<GroupMember> {
    const members = `/v1/groups/${group}/members`;
    const transport: ConsumerTransport = {
      join: async (memberId) => answerOf(await this.#call("POST", members, { topics, memberId, rebalanceTimeoutMs })),
      heartbeat: async (member, memberEpoch, owned, asNew) => {
        const all = asNew ? { topics, rebalanceTimeoutMs } : {};
        return answerOf(
          await this.#call("POST", `${members}/${member}`, { memberEpoch, assignment: byTopic(owned), ...all }),
        );
      },
      commit: async (memberId, memberEpoch, { topic, partition }, offset) => {
        const offsets = [{ topic, partition, offset }];
        await this.#call("POST", `/v1/groups/${group}/offsets`, { memberId, memberEpoch, offsets });
      },
      leave: async (member) => void (await this.#call("DELETE", `${members}/${member}`)),
    };
    return new ConsumerMember(transport, listener);
  }

  async committed(group: string, { topic, partition }: Place): Promise<number | null> {
    try {
      const { offsets } = (await this.#call("GET", `/v1/groups/${group}/offsets?topics=${topic}`)) as {
        offsets: readonly { topic: string; partition: number; offset: number }[];
      };
      const found = offsets.find((one) => one.topic === topic && one.partition === partition);
      return found === undefined || found.offset < 0 ? null : found.offset;
    } catch (error) {
      if (error instanceof LogError && error.code === "GROUP_ID_NOT_FOUND") return null;
      throw error;
    }
  }

  async close(): Promise<void> {}

  async #call(method: string, path: string, body?: unknown, headers: Record<string, string> = {}): Promise<unknown> {
    let status: number;
    let text: string;
    try {
      const answer = await fetch(`${this.#url}${path}`, {
        method,
        headers: body === undefined ? headers : { ...headers, "content-type": "application/json" },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
        signal: AbortSignal.timeout(this.#timeoutMs),
      });
      status = answer.status;
      text = await answer.text();
    } catch (error) {
      const [code, effect, message] = withoutAnswer(error);
      // The fetch of some runtimes sends a request again when the connection that it was sent over breaks: what is
      // refused then is the second attempt, and the first may have had its effect.
      throw new LogError(code, method === "GET" ? effect : "unknown", message, { cause: error });
    }
    const parsed = parse(text, `${method} ${path} was answered with ${status}`);
    if (status < 400) return parsed;
    const { code, effect, detail } = (parsed ?? {}) as { code?: string; effect?: "none" | "unknown"; detail?: string };
    // Somebody else's: a proxy, or another server.
    if (code === undefined || effect === undefined) throw new Error(`${method} ${path} was answered with ${status}`);
    throw new LogError(code, effect, detail);
  }
}

/** An answer without JSON is not Moldau's. */
function parse(text: string, what: string): unknown {
  if (text === "") return null;
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new Error(`${what}, and without JSON`, { cause: error });
  }
}

/** Nobody listens, in the words of each runtime. */
/** What a member has to let go of what it is to give up. */
const rebalanceTimeoutMs = 30_000;
const refusal = /ECONNREFUSED|ConnectionRefused|connection refused|unable to connect/i;

function withoutAnswer(error: unknown): [code: string, effect: "none" | "unknown", message: string] {
  const { name, message, code, cause } = error as {
    name: string;
    message: string;
    code?: unknown;
    cause?: { code?: unknown; message?: string };
  };
  const known = [cause?.code, code].find((one): one is string => typeof one === "string") ?? name;
  const refused = refusal.test(`${known} ${message} ${cause?.message ?? ""}`);
  return [refused ? "ECONNREFUSED" : known, refused ? "none" : "unknown", `no answer: ${message} (${known})`];
}

function recordsOf({ topic, partition }: Place): string {
  return `/v1/topics/${topic}/partitions/${partition}/records`;
}

function byTopic(places: readonly Place[]): TopicAndPartitions[] {
  const topics = [...new Set(places.map(({ topic }) => topic))];
  return topics.map((topic) => ({
    topic,
    partitions: places.filter((place) => place.topic === topic).map(({ partition }) => partition),
  }));
}

function answerOf(answer: unknown): { member: string; epoch: number; assignment: Place[] | null } {
  const { memberId, memberEpoch, assignment } = answer as MembershipAnswer;
  const places =
    assignment?.flatMap(({ topic, partitions }) => partitions.map((partition) => ({ topic, partition }))) ?? null;
  return { member: memberId, epoch: memberEpoch, assignment: places };
}
