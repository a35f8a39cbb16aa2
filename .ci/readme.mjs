// Runs every command of README.md and docs/*.md in a fresh copy of the repository, so that they stay true.
//
// Owns: which blocks are commands, and what a failure of one looks like.
// A block of `sh` runs with bash and must end with 0; a block of `js` runs as a module under node.
// A comment on the line before a block says more:
//   <!-- serves -->  starts a server: it runs until the next such block or the file's end, and the
//                    others speak to it; a page that starts none is given one
//   <!-- prints -->  not a command: what the block before has printed, line by line, in order;
//                    `…` stands for anything
//   <!-- tails -->   has no end of its own: it must be alive after three seconds, and is ended then
//   <!-- exits 1 --> must end with 1: it shows how something wrong is found
//   <!-- tests -->   the test command, which .ci/run runs on its own
//
// `--test-command` prints that command; `--installed-size N` fails when node_modules holds over N MB.
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { cpSync, lstatSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { runtimes } from "./runtimes.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const readyTimeoutMs = 120_000; // `npm ci && npm start` installs first
const blockTimeoutMs = 120_000;
const tailMs = 3000;

const running = new Set();
process.on("exit", () => {
  for (const child of running) killGroup(child, "SIGKILL");
});

const { values, positionals } = parseArgs({
  options: { "test-command": { type: "boolean" }, "installed-size": { type: "string" } },
  allowPositionals: true,
});

if (values["test-command"]) {
  const blocks = blocksOf("README.md").filter(({ mark }) => mark === "tests");
  if (blocks.length !== 1) throw new Error("README.md marks no block, or more than one, as its tests");
  console.log(blocks[0].text.trim());
} else if (values["installed-size"] !== undefined) {
  const megabytes = sizeOf(join(root, "node_modules")) / 1e6;
  console.log(`node_modules: ${megabytes.toFixed(0)} MB of ${values["installed-size"]}`);
  if (megabytes > Number(values["installed-size"])) process.exit(1);
} else {
  const documents = positionals.length > 0 ? positionals : ["README.md", ...markdownIn("docs")];
  for (const document of documents) await runDocument(document);
}

async function runDocument(document) {
  const blocks = blocksOf(document).filter(
    ({ language, mark }) => ["sh", "js"].includes(language) || mark === "prints",
  );
  const commands = blocks.filter(({ mark }) => mark !== "tests" && mark !== "prints");
  console.log(`${document}: ${commands.length} blocks of commands`);
  if (commands.length === 0) return;
  const copy = freshCopy();
  let server = null;
  let printed = "";
  try {
    if (!commands.some(({ mark }) => mark === "serves")) server = await start("npm ci && npm start", copy, document);
    for (const block of blocks) {
      const where = `${document}:${block.line}`;
      if (block.mark === "tests") continue;
      if (block.mark === "prints") mustContain(printed, block.text, where);
      else if (block.mark === "serves") {
        if (server !== null) await stop(server);
        server = await start(block.text, copy, where);
      } else printed = runBlock(block, copy, where);
    }
    if (server !== null) await stop(server);
    server = null;
  } finally {
    if (server !== null) killGroup(server.child, "SIGKILL");
    rmSync(copy, { recursive: true, force: true });
  }
}

/** What git has, with the changes not committed yet; without node_modules, so that `npm ci` is real. */
function freshCopy() {
  const copy = mkdtempSync(join(tmpdir(), "moldau-readme-"));
  const listed = execFileSync("git", ["ls-files", "--cached", "--others", "--exclude-standard", "-z"], { cwd: root });
  for (const path of listed.toString().split("\0").filter(Boolean)) {
    mkdirSync(dirname(join(copy, path)), { recursive: true });
    cpSync(join(root, path), join(copy, path));
  }
  return copy;
}

function environment() {
  const folders = ["bun", "deno"].map((name) => dirname(runtimes[name].command));
  return { ...process.env, PATH: [...folders, process.env.PATH].join(":") };
}

function runBlock({ language, text, mark }, cwd, where) {
  console.log(
    `${where}: ${text
      .trim()
      .split("\n")
      .join(`\n${" ".repeat(where.length)}  `)}`,
  );
  const program = join(cwd, ".example.mjs");
  if (language === "js") writeFileSync(program, text);
  const [command, args] =
    language === "js" ? [process.execPath, [program]] : ["bash", ["-euo", "pipefail", "-c", text]];
  const run = spawnSync(command, args, {
    cwd,
    env: environment(),
    encoding: "utf8",
    timeout: mark === "tails" ? tailMs : blockTimeoutMs,
    stdio: ["ignore", "pipe", "pipe"],
  });
  process.stdout.write(run.stdout);
  const wanted = mark === "exits 1" ? 1 : 0;
  if (mark === "tails" ? run.error?.code !== "ETIMEDOUT" : run.status !== wanted) {
    process.stderr.write(run.stderr);
    const ended = run.error?.message ?? run.signal ?? `status ${run.status}`;
    throw new Error(`${where}: ended with ${ended}${wanted === 0 ? "" : `, and is to end with ${wanted}`}`);
  }
  // curl --fail is not for a README: a problem document on standard output is a failure all the same.
  if (/"status": ?[45]\d\d\b/.test(run.stdout)) throw new Error(`${where}: was answered with a problem`);
  return run.stdout;
}

async function start(text, cwd, where) {
  console.log(`${where}: ${text.trim()}`);
  if (await answers()) throw new Error(`${where}: something listens on port 8080 already; stop it first`);
  const child = spawn("bash", ["-euo", "pipefail", "-c", text], {
    cwd,
    env: environment(),
    detached: true,
    stdio: ["ignore", "pipe", "pipe"],
  });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (chunk) => (output += chunk));
  const server = {
    child,
    where,
    ended: new Promise((resolve) => child.on("close", (status, signal) => resolve({ status, signal }))),
  };
  running.add(child);
  const deadline = Date.now() + readyTimeoutMs;
  while (Date.now() < deadline && child.exitCode === null) {
    if (await answers()) {
      console.log(output.trim());
      return server;
    }
    await sleep(100);
  }
  killGroup(child, "SIGKILL");
  throw new Error(`${where}: did not become ready\n${output}`);
}

async function stop({ child, where, ended }) {
  killGroup(child, "SIGTERM");
  const timer = setTimeout(() => killGroup(child, "SIGKILL"), 20_000);
  const { signal } = await ended;
  clearTimeout(timer);
  if (signal === "SIGKILL") throw new Error(`${where}: did not stop on SIGTERM`);
  running.delete(child);
  for (let tries = 0; tries < 200; tries++) {
    if (!(await answers())) return;
    await sleep(100);
  }
  throw new Error(`${where}: still answers after SIGTERM`);
}

async function answers() {
  try {
    const answer = await fetch("http://127.0.0.1:8080/readyz");
    await answer.arrayBuffer();
    return answer.ok;
  } catch {
    return false; // nobody listens
  }
}

/** npm and the shell stand between us and the server; all of them are one process group. */
function killGroup(child, signal) {
  try {
    process.kill(-child.pid, signal);
  } catch (error) {
    if (error.code !== "ESRCH") throw error;
  }
}

function mustContain(printed, expected, where) {
  const lines = printed.split("\n");
  let from = 0;
  for (const wanted of expected.trimEnd().split("\n")) {
    const parts = wanted.split("…").map((part) => part.replace(/[.*+?^${}()|[\]\\]/g, "\\$&"));
    // JSON answers end without a line end, so one may begin where another ended.
    const pattern = new RegExp(`${wanted.startsWith("{") ? "(^|[}])" : "^"}${parts.join(".*")}$`);
    const found = lines.findIndex((line, index) => index >= from && pattern.test(line));
    if (found < 0) throw new Error(`${where}: was not printed: ${wanted}\nbut this:\n${printed}`);
    from = found + 1;
  }
}

function blocksOf(document) {
  const lines = readFileSync(join(root, document), "utf8").split("\n");
  const blocks = [];
  for (let index = 0; index < lines.length; index++) {
    const fence = /^```(\w*)/.exec(lines[index]);
    if (fence === null) continue;
    const end = lines.indexOf("```", index + 1);
    if (end < 0) throw new Error(`${document}:${index + 1}: a block without an end`);
    const mark = /^<!-- (serves|prints|tails|tests|exits 1) -->$/.exec(lines[index - 1] ?? "")?.[1] ?? null;
    blocks.push({ language: fence[1], mark, line: index + 1, text: `${lines.slice(index + 1, end).join("\n")}\n` });
    index = end;
  }
  return blocks;
}

function markdownIn(folder) {
  return readdirSync(join(root, folder))
    .filter((name) => name.endsWith(".md"))
    .sort()
    .map((name) => `${folder}/${name}`);
}

/** On the disk: a file with two names is there once. */
function sizeOf(path, seen = new Set()) {
  const entry = lstatSync(path);
  if (entry.nlink > 1 && !entry.isDirectory()) {
    if (seen.has(entry.ino)) return 0;
    seen.add(entry.ino);
  }
  if (!entry.isDirectory()) return entry.blocks * 512;
  return readdirSync(path).reduce((sum, name) => sum + sizeOf(join(path, name), seen), entry.blocks * 512);
}
