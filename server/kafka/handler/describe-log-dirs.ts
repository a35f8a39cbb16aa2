// DescribeLogDirs 1-4: the data folder, with the size of every partition, or of those named.
//
// Departs from Kafka: there is one folder; how large the disk is, and what of it is free, is not
// told (-1, as Kafka has it for what it does not know); no partition is ever on its way to another
// folder, and none lags behind itself.

import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { describeLogDirs } from "../schema/describe-log-dirs.ts";
import type { RequestOf, ResponseOf } from "../schema/notation.ts";
import { checkNamed, done } from "./outcome.ts";

type Asked = NonNullable<RequestOf<typeof describeLogDirs>["topics"]>;
type Described = ResponseOf<typeof describeLogDirs>["results"][number]["topics"][number];

/** What has no path is in memory. */
const noPath = "memory";

export function describeLogDirsHandler(face: KafkaFace): Handler<typeof describeLogDirs> {
  return {
    api: describeLogDirs,
    handle({ topics }) {
      const { errorCode } = done;
      return {
        errorCode,
        results: [
          {
            errorCode,
            logDir: face.dataFolder ?? noPath,
            topics: topics === null ? describeAll(face) : describeNamed(topics, face),
          },
        ],
      };
    },
  };
}

function describeAll({ broker }: KafkaFace): Described[] {
  return broker.listTopics().map(({ name }) => describe(name, null, broker));
}

/** Those that are not there are left out, as in Kafka. */
function describeNamed(asked: Asked, { broker }: KafkaFace): Described[] {
  const count = asked.reduce((sum, { partitions }) => sum + partitions.length, asked.length);
  checkNamed(count, "topics and partitions");
  const known = new Set(broker.listTopics().map(({ name }) => name));
  const wanted: Map<string, Set<number>> = new Map();
  for (const { topic, partitions } of asked) {
    const all = wanted.get(topic) ?? new Set();
    for (const partition of partitions) all.add(partition);
    wanted.set(topic, all);
  }
  return [...wanted]
    .filter(([name]) => known.has(name))
    .map(([name, partitions]) => describe(name, partitions, broker));
}

/** null: every partition. */
function describe(name: string, wanted: ReadonlySet<number> | null, broker: KafkaFace["broker"]): Described {
  const { partitions } = broker.describeTopic(name);
  return {
    name,
    partitions: partitions
      .filter(({ partition }) => wanted === null || wanted.has(partition))
      .map(({ partition, sizeBytes }) => ({
        partitionIndex: partition,
        partitionSize: sizeBytes,
        offsetLag: 0,
        isFutureKey: false,
      })),
  };
}
