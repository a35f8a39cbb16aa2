import assert from "node:assert/strict";
import http from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import { StorageError } from "../../engine/index.ts";
import type { Process, Runtime } from "../runtime/runtime.ts";
import { run } from "./program.ts";
import { hostInUrl, isLoopback } from "./serve.ts";

interface Ran {
  readonly status: number;
  readonly out: string;
  readonly error: string;
}

/** A runtime that can do nothing but read arguments and print. */
function ran(...args: string[]): Promise<Ran> {
  return ranWith({}, ...args);
}

async function ranWith(given: Partial<Process>, ...args: string[]): Promise<Ran> {
  let out = "";
  let error = "";
  const process: Partial<Process> = {
    args,
    env: {},
    stdoutIsTerminal: false,
    stderrIsTerminal: false,
    stdinIsTerminal: false,
    writeOut: async (bytes) => void (out += new TextDecoder().decode(bytes)),
    writeError: (text) => void (error += text),
    onSignal: () => {},
    readTextFile: (path) => {
      throw new Error(`ENOENT: ${String(path)}`);
    },
    ...given,
  };
  const runtime = {
    name: "node",
    version: "0",
    process,
    serve: () => assert.fail("listened"),
    openStorage: (folder: string) => {
      throw new StorageError("io", `opened ${folder}`);
    },
  };
  const status = await run(runtime as unknown as Runtime, "1.2.3");
  return { status, out, error };
}

test("--version and --help are answers", async () => {
  assert.deepEqual(await ran("--version"), { status: 0, out: "1.2.3\n", error: "" });
  const help = await ran("--help");
  assert.equal(help.status, 0);
  for (const word of ["topics", "produce", "consume", "--http-port", "MOLDAU_HTTP_PORT", "Examples:"])
    assert.ok(help.out.includes(word), word);
});

test("every command has examples in its help", async () => {
  for (const command of [
    ["serve"],
    ["topics"],
    ["topics", "create"],
    ["topics", "list"],
    ["topics", "describe"],
    ["topics", "alter"],
    ["topics", "delete"],
    ["produce"],
    ["consume"],
    ["groups"],
    ["groups", "list"],
    ["groups", "describe"],
    ["groups", "reset-offsets"],
    ["groups", "delete"],
    ["log", "dump"],
    ["log", "verify"],
    ["log", "index"],
  ]) {
    const { status, out } = await ran(...command, "--help");
    assert.equal(status, 0, command.join(" "));
    assert.match(out, /Examples:\n\s+\S/, command.join(" "));
    assert.doesNotMatch(out, /undefined|\[object|default: \{|default: \[/, command.join(" "));
  }
});

test("a wrong command line is exit 2 and says what is wrong", async () => {
  for (const [args, wanted] of [
    [["--http-port", "65536"], /--http-port.*0 to 65535/],
    [["--durability", "maybe"], /sync, os/],
    [["--log-format", "xml"], /text, json/],
    [["--no-such-flag"], /--no-such-flag/],
    [["topcis"], /no command 'topcis'/],
    [["topics", "make", "x"], /make/],
    [["topics"], /Usage/],
    [["topics", "create"], /topic/],
    [["topics", "create", "x", "-p", "0"], /at least 1/],
    [["topics", "create", "x", "-c", "retention"], /name=value/],
    [["produce"], /topic/],
    [["produce", "x", "--chunk", "big"], /Give a size/],
    [["produce", "x", "-H", "=x"], /name=value/],
    [["consume", "x", "--from", "yesterday"], /earliest, latest/],
    [["consume", "x", "--format", "%z"], /%z/],
    [["consume", "x", "--url", "nowhere"], /Give a URL/],
    [["consume", "x", "-p", "-1"], /at least 0/],
    [["consume", "x", "-g", "g", "-p", "1"], /--group takes no --partition/],
    [["consume", "x", "-g", "g", "--from", "-10"], /reset-offsets/],
    [["groups", "list", "--format", "xml"], /text, json/],
    [["groups", "reset-offsets", "g"], /--to/],
    [["groups", "reset-offsets", "g", "--to", "tomorrow"], /earliest, latest/],
    [["groups", "reset-offsets", "g", "--to", "latest", "-t", "a:b"], /events:0/],
  ] as const) {
    const { status, error } = await ran(...args);
    assert.equal(status, 2, args.join(" "));
    assert.match(error, wanted, args.join(" "));
  }
});

test("what only a look can tell is exit 1, one line, no stack", async () => {
  for (const [args, wanted] of [
    [["--memory", "--tls-cert", "a.pem"], /TLS needs both/],
    [["--memory", "--tls-cert", "a.pem", "--tls-key", "b.pem"], /--tls-cert: ENOENT: a\.pem/],
    [["produce", "x", "-k", "a", "-K", ":"], /--key or --key-delimiter/],
    [["produce", "x", "--chunk", "1k", "-K", ":"], /--key-delimiter is for lines/],
    [["topics", "list", "--url", "http://127.0.0.1:1"], /is the server running/],
  ] as const) {
    const { status, error } = await ran(...args);
    assert.equal(status, 1, args.join(" "));
    assert.match(error, wanted, args.join(" "));
    assert.equal(error.trimEnd().split("\n").length, 1, error);
  }
});

test("MOLDAU_MEMORY is a yes or a no, and what is neither starts nothing", async () => {
  for (const no of ["false", "0"]) {
    const { status, error } = await ranWith({ env: { MOLDAU_MEMORY: no } }, "--data-dir", "kept");
    assert.equal(status, 1);
    assert.match(error, /opened kept/, `${no} keeps the folder`);
  }
  // Without a look at the folder it comes as far as listening, which this runtime does not.
  for (const yes of ["true", "1"]) {
    const { error } = await ranWith({ env: { MOLDAU_MEMORY: yes } }, "--data-dir", "kept");
    assert.match(error, /listened/, yes);
  }
  assert.match(
    (await ranWith({ env: { MOLDAU_MEMORY: "false" } }, "--memory")).error,
    /listened/,
    "the flag comes first",
  );
  for (const neither of ["", "no", "2"]) {
    const { status, error } = await ranWith({ env: { MOLDAU_MEMORY: neither } });
    assert.equal(status, 2);
    assert.match(error, /MOLDAU_MEMORY is '.*'\. It is true or 1, false or 0/);
  }
});

test("produce ends at a failure, though its input stays open and silent", async () => {
  const answers: Record<string, [number, unknown]> = {
    "GET /v1/topics/gone": [200, { name: "gone", partitions: [{ partition: 0 }], configs: {} }],
    "POST /v1/producers": [200, { producerId: 1, producerEpoch: 0 }],
  };
  const server = http.createServer((request, response) => {
    request.resume().once("end", () => {
      const missing = { code: "UNKNOWN_TOPIC_OR_PARTITION", detail: "the topic is gone", retriable: false };
      const [status, body] = answers[`${request.method} ${request.url?.split("?")[0]}`] ?? [404, missing];
      response.writeHead(status, { "content-type": status === 200 ? "application/json" : "application/problem+json" });
      response.end(JSON.stringify(body));
    });
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  async function* stdin(): AsyncGenerator<Uint8Array> {
    yield new TextEncoder().encode("one line\n");
    await new Promise(() => {});
  }
  try {
    const { status, error } = await ranWith({ stdin }, "produce", "gone", "--url", url);
    assert.equal(status, 1);
    assert.match(error, /the topic is gone/);
  } finally {
    server.closeAllConnections();
    server.close();
  }
});

test("which hosts are this machine's own, and how they stand in a URL", () => {
  for (const host of ["127.0.0.1", "127.1.2.3", "localhost", "::1"]) assert.ok(isLoopback(host), host);
  for (const host of ["0.0.0.0", "::", "192.168.1.1", "example.org", "1270.0.0.1"]) assert.ok(!isLoopback(host), host);
  assert.equal(hostInUrl("::1"), "[::1]");
  assert.equal(hostInUrl("0.0.0.0"), "localhost");
  assert.equal(hostInUrl("10.0.0.1"), "10.0.0.1");
});
