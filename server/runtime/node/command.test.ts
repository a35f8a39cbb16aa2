import assert from "node:assert/strict";
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
