// A server in a process of its own, and what that process costs.
//
// Owns: its start, its end, and the look at it through /proc. None outlives this process.
// Never: speaks to it (load/).

import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Bench, SubjectRuntime } from "./benchmark.ts";

const readyTimeoutMs = 60_000;
const stopTimeoutMs = 20_000;
/** A second of a core in the units of /proc/<pid>/stat; Linux has had 100 on every machine for long. */
const ticksPerSecond = 100;

export interface ChildServer {
  readonly port: number;
  /** Of Kafka's protocol; 0 where there is none. */
  readonly kafkaPort: number;
  readonly child: ChildProcess;
  /** From its start until it said its address. Milliseconds. */
  readonly readyMs: number;
  /** Seconds of a core used so far, all threads together; null where there is no /proc. */
  cpuSeconds(): number | null;
  /** Resident memory. MiB; null where there is no /proc. */
  residentMiB(): number | null;
  stop(): Promise<void>;
}

const running = new Set<ChildProcess>();
process.on("exit", () => {
  for (const child of running) child.kill("SIGKILL");
});

export interface MoldauOptions {
  readonly folder: string;
  readonly durability?: "sync" | "os";
  /** Serves Kafka's clients too. */
  readonly kafka?: boolean;
}

export function startMoldau(
  { runtime, root, profiles }: Bench,
  { folder, durability = "sync", kafka = false }: MoldauOptions,
): Promise<ChildServer> {
  const profile = profiles === undefined || runtime.name !== "node" ? [] : ["--cpu-prof", `--cpu-prof-dir=${profiles}`];
  // A profile tells layers by their files, and the command is one file when it is bundled.
  const built = profile.length > 0 ? "dist/server/program.js" : "dist/server/main.js";
  const program = join(root, runtime.built ? built : "server/main.ts");
  const flags = [
    "serve",
    "--http-port",
    "0",
    "--kafka-port",
    kafka ? "0" : "off",
    "--data-dir",
    folder,
    "--durability",
    durability,
  ];
  return start(runtime.command, [...runtime.arguments, ...profile, program, ...flags], root);
}

/** One of bench/servers. */
export function startPeer({ runtime, root }: Bench, kind: string, file = ""): Promise<ChildServer> {
  return start(runtime.command, [...runtime.arguments, peerProgram(runtime, root), kind, file], root);
}

/** One of bench/servers/tcp.ts, which is the same on every runtime. */
export function startTcpPeer({ runtime, root }: Bench, kind: string, file: string): Promise<ChildServer> {
  return start(runtime.command, [...runtime.arguments, peerProgram(runtime, root, "tcp"), kind, file], root);
}

function peerProgram({ name, built }: SubjectRuntime, root: string, server: string = name): string {
  return join(root, built ? "dist/bench/servers" : "bench/servers", `${server}.${built ? "js" : "ts"}`);
}

/** Resolves when it prints its address, as Moldau does once it listens. */
function start(command: string, args: readonly string[], cwd: string): Promise<ChildServer> {
  const started = performance.now();
  const child = spawn(command, args, { cwd, stdio: ["pipe", "pipe", "pipe"] });
  running.add(child);
  const ended = new Promise<void>((resolve) => child.once("close", () => resolve()));
  ended.then(() => running.delete(child));
  let output = "";
  return new Promise((resolve, reject) => {
    const fail = (why: string): void => {
      child.kill("SIGKILL");
      reject(new Error(`${command} ${args.join(" ")} ${why}:\n${output}`));
    };
    const timer = setTimeout(() => fail("did not start"), readyTimeoutMs);
    child.once("error", reject);
    child.once("exit", (status) => {
      clearTimeout(timer);
      fail(`ended with ${status}`);
    });
    const read = (chunk: Buffer): void => {
      output += chunk;
      const port = /http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
      if (port === undefined) return;
      const kafkaPort = /kafka +127\.0\.0\.1:(\d+)/.exec(output)?.[1] ?? 0;
      if (kafkaPort === 0 && args.includes("--kafka-port") && !args.includes("off")) return;
      clearTimeout(timer);
      const ports = { port: Number(port), kafkaPort: Number(kafkaPort) };
      resolve(serverOf(child, ports, performance.now() - started, ended));
    };
    child.stdout.on("data", read);
    child.stderr.on("data", read);
  });
}

function serverOf(
  child: ChildProcess,
  ports: Pick<ChildServer, "port" | "kafkaPort">,
  readyMs: number,
  ended: Promise<void>,
): ChildServer {
  const look = <T>(file: string, read: (text: string) => T): T | null => {
    let text: string;
    try {
      text = readFileSync(`/proc/${child.pid}/${file}`, "utf8");
    } catch {
      return null;
    }
    return read(text);
  };
  return {
    ...ports,
    child,
    readyMs,
    cpuSeconds: () =>
      look("stat", (text) => {
        // The second field is the name in brackets and may hold spaces; 14 and 15 are the times.
        const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
        return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
      }),
    residentMiB: () => look("status", (text) => Number(/^VmRSS:\s+(\d+) kB/m.exec(text)?.[1]) / 1024),
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      await ended;
      clearTimeout(timer);
    },
  };
}
