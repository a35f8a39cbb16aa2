// The process behind the CLI, by node:process and node:fs, which work alike on Node, Bun and Deno.
//
// Owns: arguments, standard streams, signals, small text files.
// Never: the data folder (storage.ts).

import { accessSync, constants, readFileSync, statSync, writeFileSync, writeSync } from "node:fs";
import path from "node:path";
import process from "node:process";
import tty from "node:tty";
import { BrokenPipeError, type Process } from "../runtime.ts";
import { startCommand } from "./command.ts";

const retryAfterMs = 2;
/** A signal that follows the first within this is the same one, passed on. */
const echoMs = 500;

export const nodeProcess: Process = {
  args: process.argv.slice(2),
  env: process.env,
  stdinIsTerminal: tty.isatty(0),
  stdoutIsTerminal: tty.isatty(1),
  stderrIsTerminal: tty.isatty(2),
  async *stdin() {
    for await (const chunk of process.stdin) yield typeof chunk === "string" ? new TextEncoder().encode(chunk) : chunk;
  },
  async writeOut(bytes) {
    let at = 0;
    while (at < bytes.length) {
      try {
        at += writeSync(1, bytes, at, bytes.length - at);
      } catch (error) {
        const { code } = error as { code?: string };
        if (code === "EPIPE") throw new BrokenPipeError();
        if (code !== "EAGAIN") throw error;
        await new Promise((resolve) => setTimeout(resolve, retryAfterMs));
      }
    }
  },
  writeError(text) {
    try {
      writeSync(2, text);
    } catch {
      // Nobody is left to tell.
    }
  },
  onSignal(run) {
    let first: number | undefined;
    const receive = (signal: "SIGINT" | "SIGTERM"): void => {
      if (first === undefined) {
        first = performance.now();
        run(signal, false);
      } else if (performance.now() - first >= echoMs) run(signal, true);
    };
    process.on("SIGINT", () => receive("SIGINT"));
    process.on("SIGTERM", () => receive("SIGTERM"));
  },
  exit: (code) => process.exit(code),
  readTextFile: (file) => readFileSync(file, "utf8"),
  writeTextFile: (file, text) => writeFileSync(file, text),
  checkWritable(file) {
    const found = statSync(file, { throwIfNoEntry: false });
    if (found?.isDirectory() === true) throw new Error(`${file} is a folder`);
    if (found !== undefined) return accessSync(file, constants.W_OK);
    const folder = path.dirname(file);
    const beside = statSync(folder, { throwIfNoEntry: false });
    if (beside === undefined) throw new Error(`there is no folder ${folder}`);
    if (!beside.isDirectory()) throw new Error(`${folder} is no folder`);
    accessSync(folder, constants.W_OK | constants.X_OK);
  },
  startCommand,
  resolvePath: (file) => path.resolve(file),
};
