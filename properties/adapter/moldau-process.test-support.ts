// Moldau as a process of its own, for the tests of adapters that reach it through a socket.
//
// Owns: starting it under the runtime that runs the test, killing it, starting it again on its folder.

import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";

const startsWithinMs = 60_000;
/** What precedes a program's path on the runtime that runs this. */
const verb = "Bun" in globalThis ? ["run"] : "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];

export class MoldauProcess {
  readonly folder: string;
  #child: ChildProcess | null = null;
  #httpPort = 0;
  #kafkaPort = 0;

  private constructor(folder: string) {
    this.folder = folder;
  }

  static async start(): Promise<MoldauProcess> {
    const moldau = new MoldauProcess(mkdtempSync(join(tmpdir(), "moldau-adapter-")));
    await moldau.start();
    return moldau;
  }

  get url(): string {
    return `http://127.0.0.1:${this.#httpPort}`;
  }

  get bootstrap(): string {
    return `127.0.0.1:${this.#kafkaPort}`;
  }

  /** On the ports that it had before, when it had any. */
  start(): Promise<void> {
    const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
    const main = fileURLToPath(new URL(`../../server/main.${extension}`, import.meta.url));
    const ports = ["--http-port", `${this.#httpPort}`, "--kafka-port", `${this.#kafkaPort}`];
    const child = spawn(process.execPath, [...verb, main, "serve", ...ports, "--data-dir", this.folder], {
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.#child = child;
    let output = "";
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`it did not start:\n${output}`)), startsWithinMs);
      child.once("exit", (status, signal) => {
        clearTimeout(timer);
        reject(new Error(`it ended with ${status ?? signal}:\n${output}`));
      });
      const read = (chunk: Buffer): void => {
        output += chunk;
        const http = /http:\/\/127\.0\.0\.1:(\d+)/.exec(output)?.[1];
        const kafka = /kafka +127\.0\.0\.1:(\d+)/.exec(output)?.[1];
        if (http === undefined || kafka === undefined) return;
        [this.#httpPort, this.#kafkaPort] = [Number(http), Number(kafka)];
        clearTimeout(timer);
        resolve();
      };
      child.stdout.on("data", read);
      child.stderr.on("data", read);
    });
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = new Promise((resolve) => child.once("close", resolve));
    child.kill("SIGKILL");
    await ended;
  }

  /** For good. */
  async end(): Promise<void> {
    await this.kill();
    rmSync(this.folder, { recursive: true, force: true });
  }
}
