// How `moldau serve` answers Kafka's clients: its flags, and the port.
//
// Owns: which flags there are, and what the face is made of.
// Never: reads a request (server/kafka), or knows which runtime it is on.

import { type Command, Option } from "commander";
import { type Broker, type Logger, limits } from "../../engine/index.ts";
import { advertise, type Endpoint } from "../kafka/advertised.ts";
import { KafkaServer } from "../kafka/server.ts";
import { ListenError, type Listener, type Runtime } from "../runtime/runtime.ts";
import { webClock, webEntropy } from "../runtime/web/world.ts";
import { explainListen } from "./explain-listen.ts";
import { parseEndpoint, parseInteger, parsePortOrOff, parseYesOrNo } from "./parse.ts";

export interface KafkaFlags {
  readonly host: string;
  readonly dataDir: string;
  readonly memory?: boolean;
  readonly kafkaPort: number | "off";
  readonly advertisedKafka?: Endpoint;
  readonly autoCreateTopics: boolean;
  readonly numPartitions: number;
}

export interface KafkaListener extends Listener {
  /** What clients are told. */
  readonly endpoint: Endpoint;
}

export function addKafkaOptions(command: Command): Command {
  return command
    .addOption(
      new Option("--kafka-port <port>", "the port of Kafka's protocol; 0 takes a free one, off: none")
        .env("MOLDAU_KAFKA_PORT")
        .default(9092)
        .argParser(parsePortOrOff),
    )
    .addOption(
      new Option("--advertised-kafka <host:port>", "where Kafka's clients are told to connect")
        .env("MOLDAU_ADVERTISED_KAFKA")
        .argParser(parseEndpoint),
    )
    .addOption(
      new Option("--auto-create-topics <yes|no>", "create a topic that a Kafka client asks for")
        .env("MOLDAU_AUTO_CREATE_TOPICS")
        .default(true, "yes")
        .argParser(parseYesOrNo),
    )
    .addOption(
      new Option("--num-partitions <count>", "the partitions of such a topic")
        .env("MOLDAU_NUM_PARTITIONS")
        .default(1)
        .argParser(parseInteger("The number of partitions", 1, limits.maxPartitionsPerTopic)),
    );
}

/** null when it is off. Rejects with UserError. */
export async function listenForKafka(
  { host, dataDir, memory, kafkaPort, advertisedKafka, autoCreateTopics, numPartitions }: KafkaFlags,
  runtime: Runtime,
  broker: Broker,
  logger: Logger,
): Promise<KafkaListener | null> {
  if (kafkaPort === "off") return null;
  let port = kafkaPort;
  // With port 0 it is known only once it listens.
  const advertised = advertise(broker.nodeId, () => ({ host, port }), advertisedKafka ?? null);
  const server = new KafkaServer({
    broker,
    clock: webClock,
    entropy: webEntropy,
    logger,
    get node() {
      return advertised.node();
    },
    nodeFor: advertised.nodeFor,
    clusterId: broker.clusterId,
    autoCreateTopics,
    numPartitions,
    ...(memory === true ? {} : { dataFolder: runtime.process.resolvePath(dataDir) }),
  });
  try {
    const listener = await runtime.listen({
      host,
      port,
      connect: (wire, addresses) => server.connect(wire, addresses),
      onError: (error, client) => logger.log("warn", `a Kafka connection failed: ${error.message}`, { client }),
    });
    port = listener.port;
    const { host: toldHost, port: toldPort } = advertised.node();
    return { port, close: (graceMs) => listener.close(graceMs), endpoint: { host: toldHost, port: toldPort } };
  } catch (error) {
    throw error instanceof ListenError ? explainListen(error, { host, port, flag: "--kafka-port" }) : error;
  }
}
