// Whatever ends a check ends what it started: all of the command's group, those that heed no signal too.

import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";

const withinMs = 30_000;
/** What precedes a program's path on the runtime that runs this. */
const verb = "Bun" in globalThis ? ["run"] : "Deno" in globalThis ? ["run", "-A", "--no-check", "--quiet"] : [];
const extension = import.meta.url.endsWith(".ts") ? "ts" : "js";
const moldau = [process.execPath, ...verb, fileURLToPath(new URL(`../main.${extension}`, import.meta.url))];

interface Checking {
  readonly child: ChildProcess;
  readonly url: string;
  /** What the check has printed. */
  said(): string;
  /** Those of the command's group that run: none of them before it was started. */
  running(): string[];
  readonly ended: Promise<number | string>;
}

/** A check of a log that `line` starts, after three that stay beside it. `deaf`: two of those heed no SIGTERM. */
async function checking(folder: string, line: (port: number) => string, deaf: boolean): Promise<Checking> {
  const port = await freePort();
  const url = `http://127.0.0.1:${port}`;
  const beside = `echo $$ > '${folder}/group'; sleep 300 & sh -c '${deaf ? 'trap "" TERM; ' : ""}sleep 301 & wait; wait' & `;
  const [command, ...args] = moldau as [string, ...string[]];
  const child = spawn(
    command,
    [
      ...[...args, "check", "--target", url, "--seconds", "600", "--kills", "0", "--seed", "7"],
      ...["--report", `${folder}/report.html`, "--restart-command", `${beside}${line(port)}`],
    ],
    { cwd: folder, stdio: ["ignore", "pipe", "pipe"] },
  );
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk: Buffer) => (said += chunk));
  const ended = new Promise<number | string>((resolve) =>
    child.once("close", (status, signal) => resolve(status ?? signal ?? "?")),
  );
  const running = (): string[] => {
    try {
      return runningOf(Number(readFileSync(`${folder}/group`, "utf8")));
    } catch {
      return [];
    }
  };
  return { child, url, said: () => said, running, ended };
}

/** Names and numbers of a group's processes, without those that are dead and were not reaped. */
function runningOf(group: number): string[] {
  return readdirSync("/proc").flatMap((pid) => {
    if (!/^\d+$/.test(pid)) return [];
    try {
      const stat = readFileSync(`/proc/${pid}/stat`, "latin1");
      const [state, , groupOf] = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
      return Number(groupOf) === group && state !== "Z" && state !== "X" ? [stat.slice(0, stat.indexOf(")") + 1)] : [];
    } catch {
      return [];
    }
  });
}

function freePort(): Promise<number> {
  return new Promise((resolve) => {
    const server = createServer();
    server.listen(0, "127.0.0.1", () => {
      const { port } = server.address() as { port: number };
      server.close(() => resolve(port));
    });
  });
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  const deadline = performance.now() + withinMs;
  while (!(await holds())) {
    assert.ok(performance.now() < deadline, `${what} did not come about in ${withinMs / 1000} s`);
    await new Promise((resolve) => setTimeout(resolve, 50));
  }
}

/** It works when it has made its topics. */
async function works(url: string): Promise<boolean> {
  const answer = await fetch(`${url}/v1/topics`).catch(() => null);
  return (await answer?.text())?.includes("moldau-check-7") ?? false;
}

const serves = (folder: string) => (port: number) =>
  `exec ${moldau.map((word) => `'${word}'`).join(" ")} serve --http-port ${port} --kafka-port off --data-dir '${folder}/data'`;
const neverAnswers = () => (): string => "exec sleep 302";

interface Case {
  readonly name: string;
  readonly line: (folder: string) => (port: number) => string;
  readonly deaf: boolean;
  readonly signals: readonly NodeJS.Signals[];
  readonly status: number;
  readonly says: RegExp;
}

const cases: readonly Case[] = [
  {
    ...{ name: "SIGINT ends the work and judges it", line: serves, deaf: false, signals: ["SIGINT"], status: 0 },
    says: /ending the work, then judging[\s\S]*holds: [\s\S]*stopped early/,
  },
  {
    ...{ name: "SIGTERM does the same", line: serves, deaf: true, signals: ["SIGTERM"], status: 0 },
    says: /ending the work, then judging[\s\S]*holds: [\s\S]*stopped early/,
  },
  {
    ...{
      name: "a second SIGINT ends it at once",
      line: serves,
      deaf: true,
      signals: ["SIGINT", "SIGINT"],
      status: 130,
    },
    says: /once more to end at once/,
  },
  {
    ...{ name: "SIGHUP ends it at once", line: serves, deaf: true, signals: ["SIGHUP"], status: 129 },
    says: /checking http/,
  },
  {
    ...{ name: "SIGQUIT ends it at once", line: serves, deaf: true, signals: ["SIGQUIT"], status: 131 },
    says: /checking http/,
  },
  {
    ...{
      name: "SIGTERM, before the log has answered",
      line: neverAnswers,
      deaf: false,
      signals: ["SIGTERM"],
      status: 2,
    },
    says: /it was stopped before .* answered/,
  },
];

for (const { name, line, deaf, signals, status, says } of cases) {
  test(`${name}, and nothing of the command's group runs on`, async () => {
    const folder = mkdtempSync(join(tmpdir(), "moldau-signals-"));
    const check = await checking(folder, line(folder), deaf);
    try {
      await until("the command's group", () => check.running().length >= 4);
      if (line === serves) await until("the work", () => works(check.url));
      for (const [at, signal] of signals.entries()) {
        // What comes sooner is taken for an echo of the first.
        if (at > 0) await new Promise((resolve) => setTimeout(resolve, 600));
        assert.ok(check.running().length >= (at === 0 ? 4 : 2), "the deaf ones run until then");
        // Not by the child's own method, which takes one signal alone under Deno, and takes it for how the child ends.
        process.kill(check.child.pid as number, signal);
      }
      assert.equal(await check.ended, status, check.said());
      assert.match(check.said(), says);
      // The last signals are on their way when a check ends.
      await until("the end of the group", () => check.running().length === 0);
    } finally {
      check.child.kill("SIGKILL");
      for (const one of check.running()) process.kill(Number.parseInt(one, 10), "SIGKILL");
      rmSync(folder, { recursive: true, force: true });
    }
  });
}
