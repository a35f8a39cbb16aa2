// `moldau check` against Apache Kafka itself: one KRaft node, from Maven's jars, on this machine.
//
//   node .ci/check-apache-kafka.mjs [--seconds 60] [--seed 7] [--kills 0] [--folder FOLDER] [--report FILE] [--json FILE] [--property name=value]...
//
// Not part of CI: it fetches 45 MB, and Java 17 and Maven have to be there. `--folder` keeps the jars for the next
// time; the node's data is made anew each time. With --kills the node is killed with SIGKILL and started again.
// --property adds to Kafka's server.properties, which is its own default otherwise.
//
// Owns: fetching, formatting and starting Kafka. The verdict is the command's, and so is the exit code.
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { freePort, moldau } from "./moldau.mjs";

const kafka = "4.3.1";
const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "60" },
    seed: { type: "string", default: "7" },
    kills: { type: "string", default: "0" },
    folder: { type: "string" },
    report: { type: "string", default: "moldau-check-kafka.html" },
    json: { type: "string" },
    runtime: { type: "string", default: "node" },
    property: { type: "string", multiple: true, default: [] },
  },
});
const kills = Number(flags.kills);
const scratch = mkdtempSync(join(tmpdir(), "moldau-apache-kafka-"));
process.on("exit", () => rmSync(scratch, { recursive: true, force: true, maxRetries: 5 }));
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => {});

const jars = fetchKafka(resolve(flags.folder ?? scratch));
const [port, controllerPort] = [await freePort(), await freePort()];
const properties = configure();
const start = `exec java -Xmx768m -Dlog4j2.configurationFile=${join(scratch, "log4j2.properties")} -cp '${jars}/*' kafka.Kafka ${properties}`;

let status;
if (kills > 0) {
  status = await check(["--restart-command", start, "--kills", flags.kills, "--start-seconds", "120"]);
} else {
  const node = spawn("/bin/sh", ["-c", start], { stdio: ["ignore", "pipe", "inherit"] });
  const ended = new Promise((done) => node.once("exit", done));
  let output = "";
  node.stdout.on("data", (chunk) => (output = (output + chunk).slice(-20_000)));
  try {
    await listening(port, node, () => output);
    status = await check([]);
  } finally {
    node.kill("SIGTERM");
    const timer = setTimeout(() => node.kill("SIGKILL"), 20_000);
    await ended;
    clearTimeout(timer);
  }
}
console.log(`Apache Kafka ${kafka}, ${kills} SIGKILLs: moldau check ended with ${status}`);
process.exit(status);

/** Kafka's jars and those it needs at run time, and a logger's that says on standard output what is wrong. */
function fetchKafka(folder) {
  const lib = join(folder, `kafka-${kafka}`);
  if (existsSync(lib) && readdirSync(lib).some((jar) => jar === `kafka_2.13-${kafka}.jar`)) return lib;
  mkdirSync(lib, { recursive: true });
  const dependency = (group, artifact, version) =>
    `<dependency><groupId>${group}</groupId><artifactId>${artifact}</artifactId><version>${version}</version></dependency>`;
  writeFileSync(
    join(scratch, "pom.xml"),
    `<project xmlns="http://maven.apache.org/POM/4.0.0"><modelVersion>4.0.0</modelVersion>
<groupId>moldau</groupId><artifactId>checked-kafka</artifactId><version>1</version>
<dependencies>
${dependency("org.apache.kafka", "kafka_2.13", kafka)}
${dependency("org.apache.logging.log4j", "log4j-slf4j-impl", "2.25.4")}
</dependencies></project>
`,
  );
  console.log(`fetching Apache Kafka ${kafka} with Maven`);
  execFileSync(
    "mvn",
    ["-q", "-B", "dependency:copy-dependencies", "-DincludeScope=runtime", `-DoutputDirectory=${lib}`],
    { cwd: scratch, stdio: ["ignore", "inherit", "inherit"] },
  );
  return lib;
}

/** One node that is broker and controller, with Kafka's own defaults but for what one node needs. */
function configure() {
  const file = join(scratch, "server.properties");
  const oneReplica = ["offsets.topic.replication.factor", "transaction.state.log.replication.factor"];
  const lines = [
    "process.roles=broker,controller",
    "node.id=1",
    `controller.quorum.voters=1@127.0.0.1:${controllerPort}`,
    `listeners=PLAINTEXT://127.0.0.1:${port},CONTROLLER://127.0.0.1:${controllerPort}`,
    `advertised.listeners=PLAINTEXT://127.0.0.1:${port}`,
    "controller.listener.names=CONTROLLER",
    "listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT",
    `log.dirs=${join(scratch, "data")}`,
    ...[...oneReplica, "transaction.state.log.min.isr", "share.coordinator.state.topic.replication.factor"].map(
      (name) => `${name}=1`,
    ),
    "share.coordinator.state.topic.min.isr=1",
    "group.initial.rebalance.delay.ms=0",
    ...flags.property,
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  writeFileSync(
    join(scratch, "log4j2.properties"),
    [
      "rootLogger.level=warn",
      "rootLogger.appenderRef.stdout.ref=stdout",
      "appender.stdout.type=Console",
      "appender.stdout.name=stdout",
      "appender.stdout.layout.type=PatternLayout",
      "appender.stdout.layout.pattern=%d %p %m (%c)%n",
      "",
    ].join("\n"),
  );
  const java = (...args) => execFileSync("java", ["-cp", `${jars}/*`, ...args], { encoding: "utf8" });
  const id = java("kafka.tools.StorageTool", "random-uuid").trim().split("\n").at(-1);
  java("kafka.tools.StorageTool", "format", "-t", id, "-c", file);
  return file;
}

async function listening(at, node, output) {
  for (let waited = 0; waited < 600; waited++) {
    if (node.exitCode !== null) throw new Error(`Kafka did not start:\n${output()}`);
    const isUp = await new Promise((done) => {
      const socket = net.connect(at, "127.0.0.1", () => {
        socket.destroy();
        done(true);
      });
      socket.once("error", () => done(false));
    });
    if (isUp) return;
    await new Promise((done) => setTimeout(done, 200));
  }
  throw new Error(`Kafka does not listen:\n${output()}`);
}

/** Its exit code; not spawnSync, so that what the node prints is read meanwhile. */
function check(more) {
  const { command, args } = moldau(flags.runtime);
  const files = [
    "--report",
    resolve(flags.report),
    ...(flags.json === undefined ? [] : ["--json", resolve(flags.json)]),
  ];
  const child = spawn(
    command,
    [
      ...args,
      "check",
      "--target",
      `kafka://127.0.0.1:${port}`,
      "--seconds",
      flags.seconds,
      "--seed",
      flags.seed,
      ...files,
      ...more,
    ],
    { stdio: "inherit" },
  );
  return new Promise((done) => child.once("exit", (code) => done(code ?? 1)));
}
