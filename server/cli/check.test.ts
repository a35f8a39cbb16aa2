import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import fc from "fast-check";
import { nodeProcess } from "../runtime/node/process.ts";
import { BrokenPipeError, type Runtime } from "../runtime/runtime.ts";
import { commandLine, parseTarget, tell } from "./check.ts";
import { Exit } from "./options.ts";
import { run } from "./program.ts";

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

test("a target is kafka://, http:// or https://, and another is told what to give", () => {
  const good = {
    "kafka://h:1": "kafka://h:1",
    "kafka://h:1,[::1]:2/": "kafka://h:1,[::1]:2",
    "KAFKA://h:1": "kafka://h:1",
    "http://h:1/": "http://h:1",
    "HTTPS://h": "https://h",
  };
  for (const [text, target] of Object.entries(good)) assert.equal(parseTarget(text), target);
  const bad = {
    "kafka:/h:1": /Give kafka:\/\/h:1, with two slashes/,
    "kafka:h:1": /Give kafka:\/\/h:1, with two slashes/,
    "kafka:///h:1": /Give kafka:\/\/h:1, with two slashes/,
    "kafka://h": /Give a host and a port/,
    "kafka://": /Give a host and a port/,
    "h:9092": /kafka:\/\/host:port, .*Which of kafka:\/\/h:9092 and http:\/\/h:9092 is it\?/,
    "127.0.0.1:9092": /Which of kafka:\/\/127\.0\.0\.1:9092 and/,
    localhost: /^Give kafka:\/\/host:port, or http:\/\/host:port or https:\/\/host:port for Moldau's own face\.$/,
    "sasl_ssl://h:9092": /^Give kafka:/,
    "ssl://h:9092": /ssl: is not known here.*Is it kafka:\/\/h:9092\? .*without TLS/,
    "tcp://": /tcp: is not known here/,
    "http://": /Give a URL/,
  };
  for (const [text, message] of Object.entries(bad))
    assert.throws(
      () => parseTarget(text),
      (error: Error) => message.test(error.message),
      text,
    );
});

test("a log that answers without what follows the server is told by the address to give", async () => {
  const server = createServer(({ url }, response) => {
    response.writeHead(url === "/readyz" ? 200 : 404, { "content-type": "application/json" });
    response.end(url === "/readyz" ? '{"status":"ready"}' : "{}");
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  try {
    for (const path of ["/v1", "/v1/topics"]) {
      let said = "";
      const process = {
        ...{ ...nodeProcess, args: ["check", "--target", `${url}${path}`], onSignal: () => {} },
        writeError: (text: string) => void (said += text),
      };
      assert.equal(await run({ name: "node", version: "0", process } as unknown as Runtime, "0"), 2);
      assert.ok(said.endsWith(`: give ${url}\n`), said);
    }
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
});

test("where a report cannot be written is told before the run, with 2; what is there stays as it is", async () => {
  const folder = mkdtempSync(join(tmpdir(), "moldau-check-"));
  const file = join(folder, "there.json");
  writeFileSync(file, "kept");
  const checked = async (...flags: string[]): Promise<{ status: number; said: string }> => {
    let said = "";
    const process = {
      ...nodeProcess,
      args: ["check", "--target", "http://127.0.0.1:9", ...flags],
      writeError: (text: string) => void (said += text),
      // The run has begun.
      onSignal: () => {
        throw new Exit(77);
      },
    };
    const status = await run({ name: "node", version: "0", process } as unknown as Runtime, "0");
    return { status, said };
  };
  try {
    const wrong: Readonly<Record<string, RegExp>> = {
      [join(folder, "no", "x.html")]: /there is no folder .*no\n$/,
      [folder]: /is a folder\n$/,
      [join(file, "x.html")]: /cannot be written: .*(is no folder|ENOTDIR)/,
    };
    for (const [path, message] of Object.entries(wrong)) {
      for (const flag of ["--report", "--json"]) {
        const { status, said } = await checked(flag, path);
        assert.equal(status, 2, `${flag} ${path}`);
        assert.ok(said.startsWith(`moldau: ${flag} ${path} cannot be written: `), said);
        assert.match(said, message);
      }
    }
    assert.deepEqual(await checked("--report", join(folder, "new.html"), "--json", file), { status: 77, said: "" });
    assert.deepEqual(readdirSync(folder), ["there.json"]);
    assert.equal(readFileSync(file, "utf8"), "kept");
  } finally {
    rmSync(folder, { recursive: true });
  }
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
