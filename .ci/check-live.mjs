// `moldau check` against brokers that run: it holds what holds, finds what is broken, and says when it can't tell.
//
//   node .ci/check-live.mjs [--seconds 12] [--kills 10] [--seed 7] [--only WORDS] [--folder FOLDER]
//
// Owns: four proofs. Moldau over either face, with ten SIGKILLs: holds. The same on a store that loses what is not
//   synced: holds. That store under the mutant "no fsync before the acknowledgement": violated, by an invariant of
//   durability. And exit code 2 for all that can't be run. Reports stay in --folder.
import assert from "node:assert/strict";
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { command, dist, freePort, moldau, startServer, temporaryFolder } from "./moldau.mjs";

const { values: flags } = parseArgs({
  options: {
    seconds: { type: "string", default: "12" },
    kills: { type: "string", default: "10" },
    seed: { type: "string", default: "7" },
    only: { type: "string" },
    folder: { type: "string" },
  },
});
const folder = flags.folder === undefined ? mkdtempSync(join(tmpdir(), "moldau-check-live-")) : resolve(flags.folder);
mkdirSync(folder, { recursive: true });
const copies = [];
process.on("exit", () => {
  for (const copy of copies) rmSync(copy, { recursive: true, force: true });
  if (flags.folder === undefined) rmSync(folder, { recursive: true, force: true });
});
/** Below this a run of so many seconds has shown nothing. */
const leastOperationsASecond = 20;
const faces = ["http", "kafka"];
const { mutants } = await import(pathToFileURL(join(dist, "properties/mutants/index.js")));
const { applyEdit, editsOf } = await import(pathToFileURL(join(dist, "properties/mutants/mutant.js")));

/**
 * A broker that acknowledged what it had not synced says, once its recovery point has been recorded, that a partition
 * is damaged, and serves it no more: nothing is read then, and all that shows is that it never comes back. Lives
 * shorter than that second lose records in plain sight.
 */
const shortLives = { seconds: "3", more: ["--start-seconds", "15", "--heal-seconds", "10"] };

await proof("moldau over HTTP, on Node", () => holds({ face: "http" }));
await proof("moldau over Kafka's protocol, on Node", () => holds({ face: "kafka" }));
await proof("moldau over HTTP, on Bun", () => holds({ face: "http", runtime: "bun" }));
await proof("moldau over Kafka's protocol, on Deno", () => holds({ face: "kafka", runtime: "deno" }));
await proof("a store that loses what is not synced", () => holds({ face: "http", program: lossyCopy(null) }));
for (const face of faces)
  await proof(`no fsync before the acknowledgement, over ${face}`, () =>
    isViolated({ face, program: lossyCopy("no fsync before the acknowledgement") }),
  );
await proof("what can't be run", couldNotRun);

async function proof(name, run) {
  if (flags.only !== undefined && !name.includes(flags.only)) return;
  const from = performance.now();
  const said = await run();
  console.log(`${name}: ${said} (${((performance.now() - from) / 1000).toFixed(1)} s)`);
}

/** Runs the check on a server that it starts itself; its exit code, what it printed, and its report. */
async function checked({
  face,
  runtime = "node",
  program = moldau(runtime),
  name,
  more = [],
  seconds = flags.seconds,
}) {
  const [httpPort, kafkaPort] = [await freePort(), await freePort()];
  const words = [program.command, ...program.args, "serve", "--data-dir", temporaryFolder()];
  words.push("--http-port", httpPort, "--kafka-port", face === "kafka" ? kafkaPort : "off");
  const files = { html: join(folder, `${name}.html`), json: join(folder, `${name}.json`) };
  const ran = await command("node", [
    ...["check", "--target", face === "kafka" ? `kafka://127.0.0.1:${kafkaPort}` : `http://127.0.0.1:${httpPort}`],
    ...["--seconds", seconds, "--seed", flags.seed, "--kills", flags.kills, ...more],
    ...["--report", files.html, "--json", files.json],
    ...["--restart-command", `exec ${words.map((word) => `'${word}'`).join(" ")}`],
  ]);
  const told = `${ran.text}${ran.stderr}`;
  assert.ok([0, 1].includes(ran.status), `moldau check ended with ${ran.signal ?? ran.status}\n${told}`);
  return { ran, told, report: JSON.parse(readFileSync(files.json, "utf8")), page: readFileSync(files.html, "utf8") };
}

async function holds(options) {
  const name = `${options.face}-${options.runtime ?? (options.program === undefined ? "node" : "lossy")}`;
  const { ran, told, report } = await checked({ ...options, name });
  assert.equal(ran.status, 0, told);
  assert.match(ran.text, /^holds: /);
  assert.equal(report.verdict.holds, true);
  const killed = report.history.events.filter(({ kind, what }) => kind === "fault" && what === "SIGKILL").length;
  assert.equal(killed, Number(flags.kills), "each kill is in the history");
  const least = leastOperationsASecond * Number(flags.seconds);
  assert.ok(report.verdict.operations >= least, `only ${report.verdict.operations} operations`);
  return `holds, ${report.verdict.operations} operations, ${killed} SIGKILLs`;
}

async function isViolated(options) {
  const { ran, told, report, page } = await checked({ ...options, ...shortLives, name: `${options.face}-no-fsync` });
  assert.equal(ran.status, 1, told);
  assert.match(ran.text, /^VIOLATED: /);
  const names = [...new Set(report.verdict.violations.map(({ invariant }) => invariant))];
  assert.ok(
    names.some((invariant) => /outlives every crash|holds one value/.test(invariant)),
    `violated, but by ${names.join("; ")}`,
  );
  const [first] = report.verdict.violations;
  assert.ok(first.events.length > 0, "the violation names its events");
  assert.ok(page.includes("✘ Violated") && page.includes(`data-event="${first.events[0]}"`), "the page shows it");
  return `violated after ${report.verdict.operations} operations: ${names.join("; ")}`;
}

/** A copy of what was built, with the mutant put into its engine, that serves on the lossy store. */
function lossyCopy(mutant) {
  const copy = mkdtempSync(join(tmpdir(), "moldau-lossy-"));
  copies.push(copy);
  cpSync(dist, join(copy, "dist"), { recursive: true });
  symlinkSync(resolve(dist, "../node_modules"), join(copy, "node_modules"));
  cpSync(new URL("lossy-server.mjs", import.meta.url), join(copy, "dist/server/lossy.mjs"));
  if (mutant !== null) putIn(mutant, copy);
  return { command: process.execPath, args: [join(copy, "dist/server/lossy.mjs")] };
}

function putIn(name, copy) {
  for (const edit of editsOf(mutants.find((mutant) => mutant.name === name))) {
    const path = join(copy, "dist/engine", `${edit.file}.js`);
    writeFileSync(path, applyEdit(readFileSync(path, "utf8"), edit));
  }
}

async function couldNotRun() {
  const port = await freePort();
  const nobody = `http://127.0.0.1:${port}`;
  const other = await startServer("node", { kafka: true });
  const place = `127.0.0.1:${other.port}`;
  const cases = [
    ["another log in its place", ["--target", other.url, "--restart-command", "sleep 60"], /something answers at/],
    ["nobody listens", ["--target", nobody], /no answer from http.*is it running/],
    ["nobody listens, Kafka", ["--target", `kafka://127.0.0.1:${port}`], /no answer from kafka.*is it running/],
    [
      "no such command",
      ["--target", nobody, "--restart-command", "no-such-command"],
      /did not stay[\s\S]*no-such-command/,
    ],
    [
      "a command that does not serve",
      ["--target", nobody, "--restart-command", "sleep 60", "--start-seconds", "1"],
      /did not answer.*--start-seconds/,
    ],
    ["Kafka's scheme, where HTTP is spoken", ["--target", `kafka://${place}`], `give ${other.url}`],
    ["HTTP's scheme, where Kafka's protocol is", ["--target", `http://${other.kafka}`], `give kafka://${other.kafka}`],
    ["TLS, where there is none", ["--target", `https://${place}`], `give ${other.url}`],
    ["TLS, where Kafka's protocol is spoken", ["--target", `https://${other.kafka}`], `give kafka://${other.kafka}`],
    ["a scheme with one slash", ["--target", `kafka:/${other.kafka}`], `Give kafka://${other.kafka}`],
    ["another scheme", ["--target", `tcp://${other.kafka}`], `Is it kafka://${other.kafka}?`],
    ["no scheme", ["--target", other.kafka], `Which of kafka://${other.kafka} and http://${other.kafka} is it?`],
    ["no address", ["--target", "localhost"], /kafka:\/\/host:port/],
    ["no target", [], /--target/],
    ["kills without a command", ["--target", nobody, "--kills", "3"], /--restart-command/],
    ["no time", ["--target", nobody, "--seconds", "0"], /whole number/],
  ];
  for (const [name, args, said] of cases) {
    const { status, stderr, text } = await command("node", ["check", ...args], { timeoutMs: 60_000 });
    assert.equal(status, 2, `${name}: ended with ${status}\n${text}${stderr}`);
    if (typeof said === "string") assert.ok(stderr.includes(said), `${name}: ${stderr}`);
    else assert.match(stderr, said, name);
  }
  await other.stop();
  return `${cases.length} ways, each exits with 2 and says what to do`;
}
