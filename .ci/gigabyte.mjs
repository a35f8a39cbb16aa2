// A large file and a million lines, through a real server by the real commands, and back to the byte.
//
//   node .ci/gigabyte.mjs [--runtime node]... [--bytes 1073741824] [--lines 1000000] [--limit-mib 250]
//
// Fails when a byte differs, or when the server ever had as much memory as the limit.
import { createHash, randomBytes } from "node:crypto";
import { closeSync, createReadStream, openSync, rmSync, writeSync } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { parseArgs } from "node:util";
import { command, startServer, temporaryFolder } from "./moldau.mjs";

const { values: flags } = parseArgs({
  options: {
    runtime: { type: "string", multiple: true, default: ["node", "bun", "deno"] },
    bytes: { type: "string", default: String(1024 ** 3) },
    lines: { type: "string", default: "1000000" },
    "limit-mib": { type: "string", default: "250" },
  },
});
const [bytes, lines, limitMib] = [flags.bytes, flags.lines, flags["limit-mib"]].map(Number);
const folder = temporaryFolder();

const cases = [
  {
    topic: "bytes",
    what: `${bytes} random bytes`,
    file: writeRandom(),
    produce: ["--chunk", "64KiB"],
    consume: ["--raw"],
  },
  { topic: "lines", what: `${lines} lines`, file: writeLines(), produce: [], consume: [] },
];
for (const one of cases) one.sha256 = await sha256(one.file);

let failed = false;
for (const runtime of flags.runtime) {
  for (const one of cases) await journey(runtime, one);
}
process.exit(failed ? 1 : 0);

async function journey(runtime, { topic, what, file, sha256: expected, produce, consume }) {
  const server = await startServer(runtime, { folder: temporaryFolder() });
  const env = { MOLDAU_URL: server.url };
  await must(command(runtime, ["topics", "create", topic], { env }), "topics create");
  const began = performance.now();
  const input = openSync(file, "r");
  await must(command(runtime, ["produce", topic, ...produce], { env, input }), "produce");
  closeSync(input);
  const produced = performance.now();
  const back = join(folder, `${runtime}-${topic}`);
  const output = openSync(back, "w");
  await must(command(runtime, ["consume", topic, ...consume], { env, output }), "consume");
  closeSync(output);
  const consumed = performance.now();
  const peakMib = server.peakMemory();
  const same = (await sha256(back)) === expected;
  rmSync(back);
  const end = await server.stop();
  rmSync(server.folder, { recursive: true, force: true });
  const fine = same && peakMib < limitMib && end.status === 0;
  failed ||= !fine;
  const seconds = (from, to) => `${((to - from) / 1000).toFixed(1)} s`;
  console.log(
    `${fine ? "ok  " : "FAIL"} ${runtime}: ${what}: in ${seconds(began, produced)}, out ${seconds(produced, consumed)}, ` +
      `${same ? "the same to the byte" : "DIFFERENT BYTES"}, the server's peak memory ${peakMib.toFixed(0)} MiB of ${limitMib}`,
  );
}

async function must(running, what) {
  const { status, signal, stderr } = await running;
  if (status !== 0) throw new Error(`${what} ended with ${signal ?? status}: ${stderr}`);
}

function writeRandom() {
  const file = join(folder, "bytes");
  const fd = openSync(file, "w");
  for (let left = bytes; left > 0; ) {
    const piece = randomBytes(Math.min(left, 1024 * 1024));
    writeSync(fd, piece);
    left -= piece.length;
  }
  closeSync(fd);
  return file;
}

function writeLines() {
  const file = join(folder, "lines");
  const fd = openSync(file, "w");
  for (let at = 0; at < lines; ) {
    let piece = "";
    const end = Math.min(lines, at + 10_000);
    for (; at < end; at++) piece += `${at} ${(at * 2_654_435_761) % 4_294_967_296} a line of the million\n`;
    writeSync(fd, piece);
  }
  closeSync(fd);
  return file;
}

async function sha256(file) {
  const hash = createHash("sha256");
  await pipeline(createReadStream(file, { highWaterMark: 1024 * 1024 }), hash);
  return hash.digest("hex");
}
