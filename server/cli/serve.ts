// `moldau serve`: a broker on a data folder, answering HTTP and Kafka's clients.
//
// Owns: the order of a start and of a stop, and what is said at both.
// Never: knows which runtime it is on; it is handed one.
//
// Invariants: it listens only once the folder is recovered; at a stop, waits end before requests
//   are cut, and what was acknowledged is synced before the exit.

import { type Command, Option } from "commander";
import {
  type Broker,
  type Durability,
  type Logger,
  MoldauError,
  memoryStorage,
  type RecoveryReport,
  type Storage,
  StorageError,
} from "../../engine/index.ts";
import { createApp } from "../http/app.ts";
import { GroupSessions } from "../http/group-sessions.ts";
import { ListenError, type Listener, type TlsOptions } from "../runtime/runtime.ts";
import { openBroker } from "../runtime/web/index.ts";
import { jsonLogger, textLogger, webClock } from "../runtime/web/world.ts";
import { explainListen } from "./explain-listen.ts";
import { addKafkaOptions, type KafkaFlags, type KafkaListener, listenForKafka } from "./kafka-listener.ts";
import { type CommandContext, dataFolderOption, oneOf, UserError } from "./options.ts";
import { parseBoolean, parseInteger } from "./parse.ts";
import { examples } from "./topics.ts";

export interface ServeFlags extends KafkaFlags {
  readonly httpPort: number;
  readonly dataDir: string;
  readonly memory?: boolean;
  readonly durability: Durability;
  readonly tlsCert?: string;
  readonly tlsKey?: string;
  readonly corsOrigin?: string;
  readonly logFormat: "text" | "json";
}

/** How long requests in flight may take at a stop. Milliseconds. */
const graceMs = 10_000;

export function addServe(program: Command, context: CommandContext): Command {
  return addKafkaOptions(
    program
      .command("serve", { isDefault: true })
      .description("serve the log over HTTP and to Kafka's clients (this is what `moldau` alone does)")
      .addOption(new Option("--host <address>", "the address to listen on").env("MOLDAU_HOST").default("127.0.0.1"))
      .addOption(
        new Option("--http-port <port>", "the port of HTTP/1.1 and HTTP/2; 0 takes a free one")
          .env("MOLDAU_HTTP_PORT")
          .default(8080)
          .argParser(parseInteger("A port", 0, 65_535)),
      )
      .addOption(dataFolderOption("the data folder; made when it is not there"))
      // Not by .env(): commander takes a flag for given whenever its variable is there, be it "false".
      .option("--memory", "keep everything in memory, whatever --data-dir says (env: MOLDAU_MEMORY)")
      .addOption(
        new Option("--durability <kind>", "what acknowledged means: sync: on disk; os: with the operating system")
          .env("MOLDAU_DURABILITY")
          .default("sync")
          .argParser(oneOf("sync", "os")),
      )
      .addOption(
        new Option("--tls-cert <file>", "a certificate chain (PEM); serves HTTPS, with --tls-key").env(
          "MOLDAU_TLS_CERT",
        ),
      )
      .addOption(new Option("--tls-key <file>", "its private key (PEM)").env("MOLDAU_TLS_KEY"))
      .addOption(new Option("--cors-origin <origin>", "let pages of this origin (or *) call").env("MOLDAU_CORS_ORIGIN"))
      .addOption(
        new Option("--log-format <format>", "text or json")
          .env("MOLDAU_LOG_FORMAT")
          .default("text")
          .argParser(oneOf("text", "json")),
      )
      .addHelpText(
        "after",
        examples(
          "moldau",
          "moldau --http-port 9000 --kafka-port off --data-dir /var/lib/moldau",
          "moldau --host 0.0.0.0 --advertised-kafka broker.example.org:9092",
          "moldau --tls-cert cert.pem --tls-key key.pem",
          "MOLDAU_DURABILITY=os moldau",
        ),
      )
      .action((flags: ServeFlags, command: Command) =>
        serve({ ...flags, memory: flags.memory ?? memoryFromEnvironment(command, context) }, context),
      ),
  );
}

/** Only a plain yes: whoever wrote anything else may mean to keep the data. */
function memoryFromEnvironment(command: Command, { runtime }: CommandContext): boolean {
  const text = runtime.process.env.MOLDAU_MEMORY;
  if (text === undefined) return false;
  return (
    parseBoolean(text) ??
    command.error(`error: MOLDAU_MEMORY is '${text}'. It is true or 1, false or 0, or not set at all.`)
  );
}

async function serve(flags: ServeFlags, context: CommandContext): Promise<void> {
  const { runtime, version } = context;
  const { process } = runtime;
  const logger = (flags.logFormat === "json" ? jsonLogger : textLogger)((line) => process.writeError(line));
  const stopping = stopSignal(context);
  const tls = readTls(flags, context);
  const broker = await open(flags, context, logger);
  const sessions = new GroupSessions({ broker, clock: webClock, logger });
  const listeners: Listener[] = [];
  let kafka: KafkaListener | null = null;
  let httpPort: number;
  try {
    const app = createApp({
      broker,
      runtime: { name: runtime.name, version: runtime.version },
      version,
      clock: webClock,
      logger,
      sessions,
      ...(flags.corsOrigin === undefined ? {} : { corsOrigin: flags.corsOrigin }),
    });
    const http = await runtime.serve({
      fetch: (request, exchange) => app.fetch(request, exchange === undefined ? {} : { exchange }),
      host: flags.host,
      port: flags.httpPort,
      onError: (error) =>
        logger.log("warn", "a connection failed", { reason: error instanceof Error ? error.message : String(error) }),
      ...(tls === undefined ? {} : { tls }),
    });
    listeners.push(http);
    httpPort = http.port;
    kafka = await listenForKafka(flags, runtime, broker, logger);
    if (kafka !== null) listeners.push(kafka);
  } catch (error) {
    await Promise.all(listeners.map((listener) => listener.close(0)));
    await broker.close();
    const { host, httpPort: port } = flags;
    throw error instanceof ListenError ? explainListen(error, { host, port, flag: "--http-port" }) : error;
  }
  announce(flags, context, { broker, httpPort, kafka, logger });

  const signal = await stopping;
  logger.log("info", "stopping", { signal });
  const closed = Promise.all(listeners.map((listener) => listener.close(graceMs)));
  try {
    await sessions.close();
    await broker.close();
  } finally {
    await closed;
  }
  logger.log("info", "stopped");
  process.exit(0);
}

/** The first signal asks for a graceful end; one after it ends at once. */
function stopSignal({ runtime: { process } }: CommandContext): Promise<string> {
  return new Promise((resolve) => {
    process.onSignal((signal, isRepeated) => {
      if (isRepeated) process.exit(signal === "SIGINT" ? 130 : 143);
      resolve(signal);
    });
  });
}

async function open(flags: ServeFlags, { runtime }: CommandContext, logger: Logger): Promise<Broker> {
  let storage: Storage;
  try {
    storage = flags.memory === true ? memoryStorage() : await runtime.openStorage(flags.dataDir);
  } catch (error) {
    throw explainFolder(error, flags.dataDir);
  }
  try {
    return await openBroker({ storage, durability: flags.durability, logger, decompressor: runtime.decompressor });
  } catch (error) {
    await storage.close().catch(() => {});
    throw explainFolder(error, flags.dataDir);
  }
}

function explainFolder(error: unknown, folder: string): unknown {
  const isExpected =
    error instanceof StorageError || (error instanceof MoldauError && error.code === "DATA_FOLDER_UNUSABLE");
  if (!isExpected) return error;
  const { message } = error;
  // The folder beside the flag would read as the one to choose.
  if (message.endsWith("another folder")) return new UserError(`${message} with --data-dir`);
  const namesIt = message.includes("--data-dir") || message.includes(folder);
  return new UserError(namesIt ? message : `${message} (--data-dir ${folder})`);
}

function readTls(flags: ServeFlags, { runtime }: CommandContext): TlsOptions | undefined {
  const { tlsCert, tlsKey } = flags;
  if (tlsCert === undefined && tlsKey === undefined) return undefined;
  if (tlsCert === undefined || tlsKey === undefined) throw new UserError("TLS needs both --tls-cert and --tls-key");
  const read = (flag: string, path: string, label: string): string => {
    let text: string;
    try {
      text = runtime.process.readTextFile(path);
    } catch (error) {
      throw new UserError(`${flag}: ${(error as Error).message}`);
    }
    if (!text.includes(label)) throw new UserError(`${flag}: ${path} holds no PEM ${label.toLowerCase()}`);
    return text;
  };
  return { cert: read("--tls-cert", tlsCert, "CERTIFICATE"), key: read("--tls-key", tlsKey, "PRIVATE KEY") };
}

interface Started {
  readonly broker: Broker;
  readonly httpPort: number;
  readonly kafka: KafkaListener | null;
  readonly logger: Logger;
}

function announce(flags: ServeFlags, { runtime, version }: CommandContext, started: Started): void {
  const { broker, httpPort, kafka, logger } = started;
  const isTls = flags.tlsCert !== undefined;
  const url = `${isTls ? "https" : "http"}://${hostInUrl(flags.host)}:${httpPort}`;
  const kafkaAddress = kafka === null ? null : `${hostInUrl(kafka.endpoint.host)}:${kafka.endpoint.port}`;
  const folder = flags.memory === true ? "none: everything is in memory" : runtime.process.resolvePath(flags.dataDir);
  const recovery = recoveryLine(broker.report);
  if (!isLoopback(flags.host)) {
    logger.log(
      "warn",
      `listening on ${flags.host} without authentication: whoever reaches it can read, write and delete`,
    );
  }
  if (flags.logFormat === "json") {
    const { cleanShutdown, topics, partitions, offlinePartitions, truncatedBytes, rebuiltIndexes, durationMs } =
      broker.report;
    const found = {
      cleanShutdown,
      topics,
      partitions,
      offlinePartitions,
      truncatedBytes,
      rebuiltIndexes,
      recoveryMs: Math.round(durationMs),
    };
    logger.log("info", "listening", {
      url,
      kafka: kafkaAddress,
      folder,
      durability: broker.durability,
      runtime: runtime.name,
      version,
      ...found,
    });
  } else {
    const insecure = isTls ? "k" : "";
    const json = "-H 'content-type: application/json'";
    const first = `curl -${insecure}sX PUT ${url}/v1/topics/hello ${json} -d '{}'`;
    const second = `curl -${insecure}s ${url}/v1/topics/hello/records ${json} -d '{"records":[{"value":"world"}]}'`;
    runtime.process.writeError(
      [
        `moldau ${version} on ${runtime.name} ${runtime.version}`,
        `  url         ${url} (HTTP/1.1 and HTTP/2)`,
        `  kafka       ${kafkaAddress ?? "off"}${isTls && kafka !== null ? " (without TLS)" : ""}`,
        `  folder      ${folder}`,
        `  durability  ${durabilityLine(broker.durability, flags.memory === true)}`,
        `  recovery    ${recovery}`,
        `  try         ${first} && ${second}`,
        "",
      ].join("\n"),
    );
  }
}

function durabilityLine(durability: Durability, inMemory: boolean): string {
  if (inMemory) return "none: the end of this process is the end of the data";
  if (durability === "sync") return "sync: acknowledged means on disk";
  return "os: acknowledged means with the operating system; a power cut may lose it";
}

function recoveryLine(report: RecoveryReport): string {
  const found = [
    shutdownOf(report),
    `${report.topics} topic${report.topics === 1 ? "" : "s"}`,
    `${report.partitions} partition${report.partitions === 1 ? "" : "s"}`,
  ];
  if (report.offlinePartitions > 0) found.push(`${report.offlinePartitions} OFFLINE`);
  if (report.truncatedBytes > 0) found.push(`${report.truncatedBytes} torn bytes cut off`);
  if (report.rebuiltIndexes > 0) found.push(`${report.rebuiltIndexes} indexes rebuilt`);
  return `${found.join(", ")}, in ${Math.round(report.durationMs)} ms`;
}

function shutdownOf({ cleanShutdown, topics }: RecoveryReport): string {
  if (!cleanShutdown) return "no clean shutdown";
  return topics === 0 ? "nothing to recover" : "a clean shutdown";
}

export function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || host === "[::1]" || /^127\.\d+\.\d+\.\d+$/.test(host);
}

/** What a browser on this machine would type. */
export function hostInUrl(host: string): string {
  if (host === "0.0.0.0" || host === "::" || host === "[::]") return "localhost";
  return host.includes(":") && !host.startsWith("[") ? `[${host}]` : host;
}
