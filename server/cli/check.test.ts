import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { commandLine } from "./check.ts";

test("the line that runs it again gives a shell what was given", () => {
  fc.assert(
    fc.property(
      fc.string({ minLength: 1 }).filter((text) => !text.includes("\0")),
      (restartCommand) => {
        const line = commandLine({
          target: "kafka://h:1",
          seconds: 60,
          seed: 7,
          startSeconds: 60,
          healSeconds: 60,
          restartCommand,
        });
        const script = `npx() { printf '%s\\0' "$@"; }; ${line}`;
        const words = execFileSync("bash", ["-c", script], { encoding: "utf8" }).split("\0").slice(0, -1);
        assert.equal(words[words.indexOf("--restart-command") + 1], restartCommand);
        assert.deepEqual(words.slice(0, 8), [
          "moldau",
          "check",
          "--target",
          "kafka://h:1",
          "--seconds",
          "60",
          "--seed",
          "7",
        ]);
      },
    ),
    { numRuns: 20 },
  );
});
