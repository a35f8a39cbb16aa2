import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { test } from "node:test";
import fc from "fast-check";
import { BrokenPipeError, type Runtime } from "../runtime/runtime.ts";
import { commandLine, tell } from "./check.ts";
import { Exit } from "./options.ts";

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

const { createReport } = await import("../../properties/report/report.ts");
const violated = createReport({
  ...{ target: "http://h:1", seed: 7, seconds: 1, startedAt: new Date(0), command: "npx moldau check", history: [] },
  tool: { moldau: "0", runtime: "node 0" },
  verdict: {
    ...{ holds: false, events: 0, operations: 0, checked: [], notApplicable: [] },
    violations: [{ invariant: "A1", source: "s", message: "m", events: [] }],
  },
});

for (const [what, writeOut] of [
  ["is printed", null],
  ["can be printed no more", new BrokenPipeError()],
] as const) {
  test(`a violation that cannot be saved and ${what} is still the exit code`, async () => {
    let printed = "";
    let complained = "";
    const process = {
      writeTextFile: () => {
        throw new Error("EROFS");
      },
      writeError: (text: string) => void (complained += text),
      writeOut: async (bytes: Uint8Array) => {
        if (writeOut !== null) throw writeOut;
        printed += new TextDecoder().decode(bytes);
      },
      resolvePath: (path: string) => path,
    };
    const runtime = { process } as unknown as Runtime;
    await assert.rejects(tell(violated, { json: "/no/such/x.json" }, { runtime }), (error) => {
      return error instanceof Exit && error.code === 1;
    });
    assert.match(complained, /could not be written: EROFS/);
    if (writeOut === null) assert.match(printed, /^VIOLATED: http:\/\/h:1/);
  });
}
