// Commands that a person gives, run by the shell, each in a process group of its own.
//
// Owns: that a signal reaches all that a command started (`npx` and the shell stand before the server), and that
//   nothing of it is left when this process ends, however it ends but by SIGKILL.
// Never: interprets what a command prints.

import { spawn } from "node:child_process";
import { readdirSync, readFileSync } from "node:fs";
import process from "node:process";
import type { RunningCommand } from "../runtime.ts";

const running = new Set<number>();
let watches = false;

export function startCommand(line: string, onOutput: (text: string) => void): RunningCommand {
  if (!watches) {
    process.on("exit", endAll);
    // Their default ends this process without an "exit".
    for (const [signal, number] of [
      ["SIGHUP", 1],
      ["SIGQUIT", 3],
    ] as const)
      process.once(signal, () => process.exit(128 + number));
  }
  watches = true;
  const child = spawn("/bin/sh", ["-c", line], { detached: true, stdio: ["ignore", "pipe", "pipe"] });
  const { pid } = child;
  if (pid !== undefined) running.add(pid);
  const decoder = new TextDecoder();
  for (const stream of [child.stdout, child.stderr]) {
    stream.on("data", (chunk: Uint8Array) => onOutput(decoder.decode(chunk, { stream: true })));
  }
  const ended = new Promise<string>((resolve) => {
    child.once("error", (error) => resolve(`it could not be started: ${error.message}`));
    // Not "close": what the command left behind may hold the pipes open.
    child.once("exit", (status, signal) =>
      resolve(signal === null ? `it ended with status ${status}` : `it ended by ${signal}`),
    );
  });
  let isGone = pid === undefined;
  const send = (name: "SIGTERM" | "SIGKILL" | 0): boolean => {
    if (isGone) return false;
    if (signalGroup(pid as number, name)) return true;
    // Its number may be somebody else's from now on.
    isGone = true;
    running.delete(pid as number);
    return false;
  };
  return { ended, signal: (name) => void send(name), isAlive: () => send(0) && groupRuns(pid as number) };
}

/** Whoever is dead and was not reaped yet runs no more: some containers have nobody who reaps. */
function groupRuns(group: number): boolean {
  let pids: string[];
  try {
    pids = readdirSync("/proc").filter((name) => /^\d+$/.test(name));
  } catch {
    return true;
  }
  return pids.length === 0 || pids.some((pid) => isRunning(pid, group));
}

function isRunning(pid: string, group: number): boolean {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
    // The name in brackets may hold anything.
    const [state, , groupOf] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
    return Number(groupOf) === group && state !== "Z" && state !== "X";
  } catch {
    return false;
  }
}

/** Whether there was anyone to receive it. */
function signalGroup(pid: number, name: "SIGTERM" | "SIGKILL" | 0): boolean {
  try {
    process.kill(-pid, name);
    return true;
  } catch (error) {
    if ((error as { code?: string }).code === "ESRCH") return false;
    throw error;
  }
}

function endAll(): void {
  for (const pid of running) signalGroup(pid, "SIGKILL");
}
