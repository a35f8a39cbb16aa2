// Fetch 4 to 16: whole record batches, lent to the wire out of the broker's pool.
//
// Owns: which partitions are read and which are in the answer; the errors that need no read.
// Never: copies a batch, or looks into one. Who asked before is fetch-sessions.ts.
//
// Departs from Kafka: a session that was used in the last two minutes is never given up for a larger
// one; everything below the high watermark is stable, and nothing is aborted, since there are no
// transactions; a follower's fetch is refused, since there are no followers.

import { type Broker, type FetchedPartition, type FetchOptions, limits, MoldauError } from "../../../engine/index.ts";
import { kafkaErrorCode, kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import { type FetchedBefore, type FetchPlan, type FetchRequest, FetchSessions } from "../fetch-sessions.ts";
import type { Handler, RequestContext } from "../handler.ts";
import { leaderEpochError } from "../leader-epoch.ts";
import { fetch } from "../schema/fetch.ts";
import type { ResponseOf } from "../schema/notation.ts";

type TopicAnswer = ResponseOf<typeof fetch>["responses"][number];
type PartitionAnswer = TopicAnswer["partitions"][number];

const noOffset = -1;
const noBytes = new Uint8Array(0);
const readCommitted = 1;

export function fetchHandler(face: KafkaFace): Handler<typeof fetch> {
  const { broker } = face;
  const sessions = new FetchSessions(face);
  return {
    api: fetch,
    async handle(request, context) {
      const { version } = context;
      const replicaId = version >= 15 ? request.replicaState.replicaId : request.replicaId;
      if (replicaId >= 0) throw new MoldauError("INVALID_REQUEST", `broker ${replicaId} has nothing to replicate here`);
      const plan = sessions.begin(request, version);
      if (typeof plan === "number") return { errorCode: plan, responses: [] };
      const answers = await read(broker, plan, request, context);
      const sessionId = plan.kind === "fresh" ? sessions.create(plan.partitions, version) : plan.sessionId;
      const told = plan.partitions.filter((one, at) => isNews(one, answers[at]!) || plan.kind !== "incremental");
      const byPartition = new Map(plan.partitions.map((one, at) => [one, answers[at]!]));
      const withRecords = told.filter((one) => byPartition.get(one)!.records !== noBytes);
      if (plan.kind === "incremental") sessions.moveToEnd(sessionId, withRecords);
      return { sessionId, responses: byTopic(told, byPartition) };
    },
  };
}

/** An answer for each partition of the plan, in its order. */
async function read(
  broker: Broker,
  { partitions }: FetchPlan,
  request: FetchRequest,
  { version, signal, onSent }: RequestContext,
): Promise<PartitionAnswer[]> {
  const answers: PartitionAnswer[] = [];
  const wanted: {
    readonly topic: string;
    readonly partition: number;
    readonly offset: number;
    readonly maxBytes: number;
  }[] = [];
  const places: number[] = [];
  for (const [at, one] of partitions.entries()) {
    const topic = version >= 13 ? broker.topicName(one.topicId) : one.topic;
    const refused = topic === null ? failed(one, kafkaErrors.UNKNOWN_TOPIC_ID.code) : refusalOf(broker, topic, one);
    if (refused !== null) answers[at] = refused;
    else {
      const { fetchOffset: offset, partitionMaxBytes } = one.asked;
      wanted.push({ topic: topic!, partition: one.partition, offset, maxBytes: Math.max(0, partitionMaxBytes) });
      places.push(at);
    }
  }
  if (wanted.length === 0) return answers;
  const hasRefused = wanted.length < partitions.length;
  const options: FetchOptions = {
    minBytes: hasRefused ? 0 : Math.max(0, request.minBytes),
    maxBytes: Math.min(limits.fetchBytes, Math.max(0, request.maxBytes)),
    maxWaitMs: hasRefused ? 0 : Math.max(0, request.maxWaitMs),
    pooled: true,
  };
  const fetched = await fetchOrEnd(broker, wanted, options, signal);
  onSent(() => {
    for (const { release } of fetched) release();
  });
  const aborted = request.isolationLevel === readCommitted ? [] : null;
  for (const [at, part] of fetched.entries()) {
    const one = partitions[places[at]!]!;
    answers[places[at]!] = part.error === undefined ? found(part, aborted) : failed(one, kafkaErrorCode(part.error));
  }
  return answers;
}

/** Whoever waits when the connection is to end gets what there is. */
async function fetchOrEnd(
  broker: Broker,
  wanted: Parameters<Broker["fetchBatches"]>[0],
  options: FetchOptions,
  signal: AbortSignal,
): Promise<FetchedPartition[]> {
  try {
    return await broker.fetchBatches(wanted, { ...options, signal });
  } catch (error) {
    if (!signal.aborted) throw error;
    return broker.fetchBatches(wanted, { ...options, maxWaitMs: 0 });
  }
}

/** What needs no look into the log: another leader's time, or a log that went another way. */
function refusalOf(broker: Broker, topic: string, one: FetchedBefore): PartitionAnswer | null {
  const { partition, asked } = one;
  const { currentLeaderEpoch, lastFetchedEpoch, fetchOffset } = asked;
  if (currentLeaderEpoch < 0 && lastFetchedEpoch < 0) return null;
  try {
    const errorCode = leaderEpochError(broker, topic, partition, currentLeaderEpoch);
    if (errorCode !== kafkaErrors.NONE.code) return failed(one, errorCode);
    if (lastFetchedEpoch < 0) return null;
    const divergingEpoch = broker.leaderEpochEnd(topic, partition, lastFetchedEpoch);
    const { epoch, endOffset } = divergingEpoch;
    if (epoch === -1 || (epoch === lastFetchedEpoch && endOffset >= fetchOffset)) return null;
    const { latest } = broker.offsets(topic, partition);
    return { ...failed(one, kafkaErrors.NONE.code), highWatermark: latest, divergingEpoch };
  } catch (error) {
    return failed(one, kafkaErrorCode(error));
  }
}

function failed({ partition }: FetchedBefore, errorCode: number): PartitionAnswer {
  return { partitionIndex: partition, errorCode, highWatermark: noOffset, records: noBytes };
}

function found(part: FetchedPartition, abortedTransactions: readonly never[] | null): PartitionAnswer {
  const { partition, bytes, highWatermark, lastStableOffset, logStartOffset } = part;
  return {
    partitionIndex: partition,
    errorCode: kafkaErrors.NONE.code,
    highWatermark,
    lastStableOffset,
    logStartOffset,
    abortedTransactions,
    records: bytes.length === 0 ? noBytes : bytes,
  };
}

/** Whether its client has to be told, which it is taken to be then. */
function isNews(one: FetchedBefore, answer: PartitionAnswer): boolean {
  const { errorCode, highWatermark, logStartOffset = noOffset, records, divergingEpoch } = answer;
  const isFailed = errorCode !== kafkaErrors.NONE.code;
  const hasMoved = highWatermark !== one.highWatermark || logStartOffset !== one.logStartOffset;
  // Whatever comes after an error is news.
  one.highWatermark = isFailed ? noOffset : highWatermark;
  one.logStartOffset = isFailed ? noOffset : logStartOffset;
  return isFailed || hasMoved || records !== noBytes || divergingEpoch !== undefined;
}

/** A topic's partitions that follow each other are one entry. */
function byTopic(told: readonly FetchedBefore[], answers: ReadonlyMap<FetchedBefore, PartitionAnswer>): TopicAnswer[] {
  const topics: { topic: string; topicId: string; partitions: PartitionAnswer[] }[] = [];
  for (const one of told) {
    const { topic, topicId } = one;
    const last = topics.at(-1);
    const answer = answers.get(one)!;
    if (last?.topic === topic && last.topicId === topicId) last.partitions.push(answer);
    else topics.push({ topic, topicId, partitions: [answer] });
  }
  return topics;
}
