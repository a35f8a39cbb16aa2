// Moldau run for real, under any runtime: the server as a process, and its commands.
//
// Owns: starting, stopping and killing what the end-to-end scripts talk to, and its data folders.
// Never: builds (`npm run build` does) or leaves a process behind.
import { spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import http from "node:http";
import https from "node:https";
import net from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtime } from "./runtimes.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
/** Where the built tree lies; another one may be tested instead. */
export const dist = process.env.MOLDAU_DIST ?? join(root, "dist");
const readyTimeoutMs = 60_000;
const stopTimeoutMs = 20_000;
const printTimeoutMs = 10_000;
const running = new Set();
const folders = new Set();

/** A test that failed in its middle leaves its server; this process would wait for it without an end. */
export function killAll() {
  for (const child of running) child.kill("SIGKILL");
}

process.on("exit", () => {
  killAll();
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(1));

/** The command line that is `moldau` under the runtime of that name: a program and its arguments. */
export function moldau(name) {
  const { command, run } = runtime(name);
  const built = name.startsWith("node");
  return { command, args: [...run, built ? join(dist, "server/main.js") : join(root, "server/main.ts")] };
}

export const tls = {
  key: fileURLToPath(new URL("tls/test-only.key", import.meta.url)),
  cert: fileURLToPath(new URL("tls/test-only.crt", import.meta.url)),
};
export const testCertificate = readFileSync(tls.cert);

export function temporaryFolder() {
  const folder = mkdtempSync(join(tmpdir(), "moldau-e2e-"));
  folders.add(folder);
  return folder;
}

export function freePort() {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    server.once("error", reject);
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => resolve(port));
    });
  });
}

/** Starts `serve` and resolves when /readyz says 200. `kafka`: also for Kafka's clients, on this port or (true) a free one. */
export async function startServer(name, { folder, port, kafka = false, flags = [], secure = false, env = {} } = {}) {
  const data = folder ?? temporaryFolder();
  const at = port ?? (await freePort());
  const kafkaPort = kafka === true ? await freePort() : kafka || "off";
  const { command, args } = moldau(name);
  const ports = ["--http-port", String(at), "--kafka-port", String(kafkaPort)];
  const secureFlags = secure ? ["--tls-cert", tls.cert, "--tls-key", tls.key] : [];
  const child = spawn(command, [...args, ...ports, "--data-dir", data, ...secureFlags, ...flags], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  running.add(child);
  const server = {
    name,
    child,
    folder: data,
    port: at,
    kafkaPort,
    kafka: `127.0.0.1:${kafkaPort}`,
    url: `${secure ? "https" : "http"}://127.0.0.1:${at}`,
    output: "",
    ended: new Promise((resolve) => child.once("close", (status, signal) => resolve({ status, signal }))),
    /** SIGTERM; resolves to how it ended. */
    async stop() {
      child.kill("SIGTERM");
      const timer = setTimeout(() => child.kill("SIGKILL"), stopTimeoutMs);
      const end = await server.ended;
      clearTimeout(timer);
      return end;
    },
    async kill() {
      child.kill("SIGKILL");
      return server.ended;
    },
    /** Waits for what it prints: that and its readiness come by two ways, in either order. */
    async prints(words) {
      const deadline = Date.now() + printTimeoutMs;
      while (!server.output.includes(words)) {
        if (Date.now() > deadline) throw new Error(`${server.name} did not print '${words}':\n${server.output}`);
        await new Promise((resolve) => setTimeout(resolve, 20));
      }
    },
    /** The most memory it ever had. Mebibytes. */
    peakMemory() {
      const status = readFileSync(`/proc/${child.pid}/status`, "utf8");
      return Number(/VmHWM:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
    },
  };
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (server.output += chunk));
  server.ended.then(() => running.delete(child));
  await ready(server);
  return server;
}

async function ready(server) {
  const deadline = Date.now() + readyTimeoutMs;
  while (Date.now() < deadline) {
    if (server.child.exitCode !== null || server.child.signalCode !== null) break;
    if (await isReady(server.url)) return;
    await new Promise((resolve) => setTimeout(resolve, 30));
  }
  server.child.kill("SIGKILL");
  throw new Error(`moldau under ${server.name} did not start:\n${server.output}`);
}

function isReady(url) {
  return new Promise((resolve) => {
    const { get } = url.startsWith("https:") ? https : http;
    const request = get(`${url}/readyz`, { agent: false, rejectUnauthorized: false, timeout: 5000 }, (response) => {
      response.resume();
      resolve(response.statusCode === 200);
    });
    request.once("timeout", () => request.destroy(new Error("no answer")));
    request.once("error", () => resolve(false));
  });
}

/**
 * Runs a command to its end. `input` is bytes, a stream to pipe in or a file's number; `output`
 * is a file's number; `watch` is handed the child.
 */
export function command(name, args, { input, output, watch, env = {}, timeoutMs = 600_000 } = {}) {
  const { command: program, args: before } = moldau(name);
  const child = spawn(program, [...before, ...args], {
    cwd: root,
    env: { ...process.env, ...env },
    stdio: [input === undefined ? "ignore" : typeof input === "number" ? input : "pipe", output ?? "pipe", "pipe"],
  });
  running.add(child);
  const chunks = [];
  let stderr = "";
  child.stdout?.on("data", (chunk) => chunks.push(chunk));
  child.stderr.on("data", (chunk) => (stderr += chunk));
  watch?.(child);
  if (child.stdin !== null) {
    child.stdin.on("error", () => {});
    if (typeof input.pipe === "function") input.pipe(child.stdin);
    else child.stdin.end(input);
  }
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  return new Promise((resolve) => {
    child.once("close", (status, signal) => {
      clearTimeout(timer);
      running.delete(child);
      const stdout = Buffer.concat(chunks);
      resolve({ status, signal, stdout, text: stdout.toString(), stderr });
    });
  });
}
