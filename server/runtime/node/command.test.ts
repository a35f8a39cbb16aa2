import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { startCommand } from "./command.ts";

async function until(holds: () => boolean): Promise<void> {
  for (let tries = 0; !holds(); tries++) {
    assert.ok(tries < 500, "it did not come about in 10 s");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

test("what it prints on either stream is told, and how it ended", async () => {
  let output = "";
  const command = startCommand("echo out; echo error >&2; exit 3", (text) => (output += text));
  assert.equal(await command.ended, "it ended with status 3");
  await until(() => output.includes("out\n") && output.includes("error\n"));
  await until(() => !command.isAlive());
});

test("SIGKILL reaches all that the command started", async () => {
  let output = "";
  // The shell stays before both, as npx stays before a server.
  const command = startCommand("sleep 60 & echo child $!; sleep 61; true", (text) => (output += text));
  await until(() => /child \d+\n/.test(output));
  const child = Number(/child (\d+)/.exec(output)?.[1]);
  assert.ok(isAlive(child));
  command.signal("SIGKILL");
  assert.equal(await command.ended, "it ended by SIGKILL");
  await until(() => !command.isAlive() && !isAlive(child));
  command.signal("SIGKILL");
});

test("whoever is dead and was never reaped is no part of what runs", async () => {
  let output = "";
  // It ends when its parent has become a `sleep`, in a session of its own, which never asks how it ended.
  const line = "sh -c 'sleep 0.2 & echo zombie $!; exec setsid sleep 60' & echo group $$ parent $!";
  const command = startCommand(line, (text) => (output += text));
  assert.equal(await command.ended, "it ended with status 0");
  await until(() => /zombie \d+\n/.test(output) && /parent \d+\n/.test(output));
  const [zombie, group, parent] = ["zombie", "group", "parent"].map((name) =>
    Number(new RegExp(`${name} (\\d+)`).exec(output)?.[1]),
  ) as [number, number, number];
  try {
    await until(() => !command.isAlive());
    assert.ok(isAlive(parent), "nobody reaps it");
    assert.ok(isAlive(zombie) && isAlive(-group), "the system still has it, and its group");
    assert.match(readFileSync(`/proc/${zombie}/stat`, "latin1"), /\) Z /);
    // Beside one that runs, its group does too.
    const other = startCommand("sleep 0.1 & exec sleep 60", () => {});
    await new Promise((resolve) => setTimeout(resolve, 300));
    assert.ok(other.isAlive());
    other.signal("SIGKILL");
    await other.ended;
    await until(() => !other.isAlive());
  } finally {
    process.kill(parent, "SIGKILL");
  }
});

test("a command that cannot be is told by its end", async () => {
  let output = "";
  const command = startCommand("no-such-command-at-all", (text) => (output += text));
  assert.equal(await command.ended, "it ended with status 127");
  await until(() => output.includes("no-such-command-at-all"));
});

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch {
    return false;
  }
}
