// Packs the package, installs it into an empty project and uses it there under every runtime.
//
// Owns: the proof that what ships is complete: every export loads, the types check, the command
//   runs, `moldau/engine` needs no other package, and `moldau/properties` says which one it lacks.
// Never: looks into the repository's sources from the installed package.
import { execFileSync, spawnSync } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { runtime, runtimes } from "./runtimes.mjs";

const root = fileURLToPath(new URL("..", import.meta.url));
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
const scratch = mkdtempSync(join(tmpdir(), "moldau-pack-"));

const usesEverything = `
import { readFileSync } from "node:fs";
import * as server from "moldau";
import * as engine from "moldau/engine";
import * as node from "moldau/node";
import * as properties from "moldau/properties";
import { fileURLToPath } from "node:url";
for (const [name, module] of Object.entries({ server, engine, node, properties })) {
  if (Object.keys(module).length === 0) throw new Error(name + " exports nothing");
}
const wasm = readFileSync(fileURLToPath(import.meta.resolve("moldau/engine.wasm")));
if (WebAssembly.Module.imports(new WebAssembly.Module(wasm)).length !== 0) throw new Error("engine.wasm has imports");
await roundTrip(node.fileStorage("./data-" + process.argv[2]));
await roundTrip(engine.memoryStorage());

async function roundTrip(storage) {
  const broker = await engine.openBroker({ storage });
  try {
    await broker.createTopic("events", { partitions: 1 });
    const [receipt] = await broker.produce("events", [{ key: "user-7", value: "signed in" }]);
    if (receipt.offset !== 0) throw new Error("offset " + receipt.offset);
    const values = [];
    for await (const record of broker.read("events")) values.push(new TextDecoder().decode(record.value));
    if (values.join() !== "signed in") throw new Error("read " + values.join());
  } finally {
    await broker.close();
  }
}
await says(properties.checkLog({ open: () => null }), "npm install --save-dev fast-check");
await says(properties.openKafkaAdapter({ brokers: ["127.0.0.1:2"] }), "npm install kafkajs@2");
console.log("every export loads and works, and says which package it lacks");

async function says(promise, words) {
  const message = await promise.then(() => "nothing", (error) => error.message);
  if (!message.includes(words)) throw new Error("not '" + words + "' but: " + message);
}
`;

const usesTypesOfProperties = `
import fc from "fast-check";
import { checkLog, type ContractCase, contractCases, judge, type LogAdapter, logPlans, runWorkload, supportsNothing } from "moldau/properties";
declare const adapter: LogAdapter;
export const cases: readonly ContractCase[] = contractCases({ open: () => adapter, supports: adapter.supports });
const { holds, counterexample } = await checkLog({ open: () => adapter });
export const said: string | undefined = holds ? undefined : counterexample?.violations[0]?.message;
export const plans: fc.Arbitrary<unknown> = logPlans(fc, { supports: supportsNothing, restarts: true });
export const events: number = judge((await runWorkload({ adapter, seed: 1, seconds: 1 })).history).events;
// @ts-expect-error: no such option
await checkLog({ open: () => adapter, seeds: 1 });
`;

/** Somebody's own runner, and what it is told of a true adapter and of a faulty one. */
const holdsToContract = `
import { contractCases, supportsNothing } from "moldau/properties";
import { HastyLog } from "./hasty-log.mjs";
import { SimpleLog } from "./simple-log.mjs";

const more = { conditionalAppends: true, lookUpByTime: true };
class Deaf extends SimpleLog {
  append(place, records) { return super.append(place, records, {}); }
}
const [simple, hasty, deaf] = [
  await failing(SimpleLog, { ...supportsNothing, ...more }),
  await failing(HastyLog, supportsNothing),
  await failing(Deaf, { ...supportsNothing, ...more }),
];
console.log(JSON.stringify({ simple, hasty, deaf }));
process.exitCode = 0; // the hasty log's own check has said 1

async function failing(Log, supports) {
  const failed = [];
  for (const { name, run } of contractCases({ open: () => new Log(), supports, restarts: true })) {
    await run().catch(() => failed.push(name));
  }
  return failed;
}
`;

/** By name. */
const failsContract = {
  simple: [],
  hasty: ["has what it acknowledged with acks=all after a crash, and goes on"],
  deaf: ["appends only where it is expected to"],
};

const reachesNobody = `
import { openKafkaAdapter } from "moldau/properties";
const error = await openKafkaAdapter({ brokers: ["127.0.0.1:2"] }).then(() => null, (error) => error);
if (error?.effect !== "none" || /npm install/.test(error.message)) throw new Error("no refused connection: " + error);
console.log("kafkajs is used, and says that nobody listens");
`;

const usesTypes = `
import { type Broker, memoryStorage, MoldauError, openBroker } from "moldau/engine";
import { fileStorage } from "moldau/node";
import * as server from "moldau";
await using disposable = await openBroker({ storage: memoryStorage() });
// @ts-expect-error: no such member
disposable.prodcue;
export const broker: Broker = await openBroker({ storage: Math.PI > 3 ? memoryStorage() : fileStorage("./data") });
export const offset: number = broker.offsets("events", 0).latest;
export const code: string = new MoldauError("INVALID_REQUEST", "why").code;
export const names: string[] = Object.keys(server);
// @ts-expect-error: no such option
await openBroker({ storage: memoryStorage(), durabilty: "os" });
`;

/** For a page or a worker: no Node, and no Symbol.asyncDispose. */
const usesTypesOfEngineAlone = `
import { memoryStorage, openBroker } from "moldau/engine";
const broker = await openBroker({ storage: memoryStorage() });
export const offset: number = broker.offsets("events", 0).latest;
// @ts-expect-error: no such member
broker.prodcue;
`;

const usesEngineAlone = `
const { memoryStorage, openBroker } = await import("moldau/engine");
const broker = await openBroker({ storage: memoryStorage() });
await broker.close();
console.log("the engine stands alone");
`;

try {
  const [packed] = JSON.parse(npm(root, ["pack", "--json", "--silent", "--pack-destination", scratch]));
  const tarball = join(scratch, packed.filename);
  checkContents(packed.files.map(({ path }) => path));
  console.log(`${packed.filename}: ${packed.files.length} files, ${(packed.size / 1e6).toFixed(2)} MB packed`);

  const project = emptyProject("project");
  npm(project, ["install", "--no-audit", "--no-fund", "--omit=dev", tarball]);
  writeFileSync(join(project, "everything.mjs"), usesEverything);
  for (const name of Object.keys(runtimes)) {
    run(project, name, "everything.mjs", name);
    run(project, name, "node_modules/moldau/dist/server/main.js", "--version");
    run(project, name, "node_modules/moldau/bin/moldau.js", "--version");
  }
  const said = execFileSync("npx", ["--no-install", "moldau", "--version"], { cwd: project, encoding: "utf8" });
  if (!said.includes(version)) throw new Error(`moldau --version says ${said}, not ${version}`);
  console.log(`npx moldau --version: ${said.trim()}`);
  tryClone();
  checkALog(project);
  checkTypes(project);

  // Somebody else's log: with the packages that checking needs, and nothing of the repository but its examples.
  const checked = emptyProject("checked");
  npm(checked, ["install", "--no-audit", "--no-fund", tarball, ...peers()]);
  cpSync(join(checked, "node_modules/moldau/examples"), checked, { recursive: true });
  writeFileSync(join(checked, "nobody.mjs"), reachesNobody);
  writeFileSync(join(checked, "holds-to-contract.mjs"), holdsToContract);
  for (const name of Object.keys(runtimes)) {
    mustSay(run(checked, name, "simple-log.mjs"), "holds: ");
    mustSay(run({ cwd: checked, status: 1 }, name, "hasty-log.mjs"), "violated, ");
    const told = run(checked, name, "holds-to-contract.mjs").trim().split("\n").at(-1);
    if (told !== JSON.stringify(failsContract)) throw new Error(`${name}: the contract's cases said ${told}`);
    run(checked, name, "nobody.mjs");
  }
  testContract(checked);
  const nodeTypes = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"];
  checkProgram(checked, "properties.mts", usesTypesOfProperties, [
    "--lib",
    "es2023,esnext.disposable,dom",
    ...nodeTypes,
  ]);
  console.log("the types of moldau/properties check");

  // Nothing installed beside it: the portable engine has no other package in its graph.
  const alone = emptyProject("alone");
  mkdirSync(join(alone, "node_modules/moldau"), { recursive: true });
  execFileSync("tar", ["-xzf", tarball, "--strip-components=1", "-C", join(alone, "node_modules/moldau")]);
  writeFileSync(join(alone, "engine.mjs"), usesEngineAlone);
  for (const name of Object.keys(runtimes)) run(alone, name, "engine.mjs");
  await checkGraph(join(alone, "node_modules/moldau"));
} finally {
  rmSync(scratch, { recursive: true, force: true });
}

/** Those that the package asks for where they are wanted, as the repository has them. */
function peers() {
  const { peerDependencies } = JSON.parse(readFileSync(join(root, "package.json"), "utf8"));
  return Object.keys(peerDependencies).map((name) => {
    const installed = JSON.parse(readFileSync(join(root, "node_modules", name, "package.json"), "utf8"));
    return `${name}@${installed.version}`;
  });
}

/** The example for node:test, as it is and with an adapter that is to fail. */
function testContract(cwd) {
  const test = (file) =>
    spawnSync(process.execPath, ["--test", "--test-reporter=tap", file], { cwd, encoding: "utf8" });
  const held = test("contract.mjs");
  if (held.status !== 0) throw new Error(`contract.mjs: status ${held.status}\n${held.stdout}${held.stderr}`);
  const text = readFileSync(join(cwd, "contract.mjs"), "utf8");
  writeFileSync(
    join(cwd, "contract-of-hasty.mjs"),
    text.replaceAll("SimpleLog", "HastyLog").replace("simple-", "hasty-"),
  );
  const { status, stdout } = test("contract-of-hasty.mjs");
  const [fails] = failsContract.hasty;
  if (status !== 1 || !new RegExp(`not ok \\d+ - ${fails}`).test(stdout))
    throw new Error(`the hasty log is to fail by '${fails}': status ${status}\n${stdout}`);
  console.log(`node:test: the simple log keeps the contract, the hasty one fails by '${fails}'`);
}

function mustSay(said, words) {
  if (!said.startsWith(words)) throw new Error(`it did not say '${words}' but:\n${said}`);
}

function checkContents(paths) {
  for (const needed of [
    "README.md",
    "bin/moldau.js",
    "LICENSE",
    "CHANGELOG.md",
    "docs/format.md",
    "docs/http.md",
    "docs/properties.md",
    "dist/engine.wasm",
    "examples/contract.mjs",
    "examples/simple-log.mjs",
  ]) {
    if (!paths.includes(needed)) throw new Error(`the package lacks ${needed}`);
  }
  const strangers = paths.filter(
    (path) => /\.test[.-]/.test(path) || (path.endsWith(".ts") && !path.endsWith(".d.ts")) || path.startsWith("."),
  );
  if (strangers.length > 0) throw new Error(`the package holds what nobody needs: ${strangers.join(", ")}`);
}

/** `npx moldau` in a clone says that it is not built, and works once it is: npx links a command once, and remembers it. */
function tryClone() {
  const clone = join(scratch, "clone");
  mkdirSync(clone);
  for (const path of ["package.json", "bin"]) cpSync(join(root, path), join(clone, path), { recursive: true });
  const env = { ...process.env, npm_config_cache: join(scratch, "cache"), npm_config_update_notifier: "false" };
  const npx = () => spawnSync("npx", ["moldau", "--version"], { cwd: clone, env, encoding: "utf8" });
  const before = npx();
  if (before.status !== 2 || !before.stderr.includes("npm run build"))
    throw new Error(`npx moldau before a build: status ${before.status}\n${before.stdout}${before.stderr}`);
  cpSync(join(root, "dist"), join(clone, "dist"), { recursive: true });
  const after = npx();
  if (after.status !== 0 || !after.stdout.includes(version))
    throw new Error(`npx moldau after the build: status ${after.status}\n${after.stdout}${after.stderr}`);
  console.log(`npx moldau in a clone: '${before.stderr.trim()}', and ${after.stdout.trim()} once it is built`);
}

/** The command, with a log that it starts and kills, and without the client that it would need for Kafka's protocol. */
function checkALog(cwd) {
  const moldau = join(cwd, "node_modules/moldau/dist/server/main.js");
  const check = (...args) => spawnSync(process.execPath, [moldau, "check", ...args], { cwd, encoding: "utf8" });
  const port = 28_000 + (process.pid % 1000);
  const serve = `'${process.execPath}' '${moldau}' serve --http-port ${port} --kafka-port off --data-dir ./checked`;
  const target = ["--target", `http://127.0.0.1:${port}`, "--seconds", "1", "--seed", "7"];
  const held = check(...target, "--restart-command", serve, "--kills", "1", "--report", "check.html");
  const page = held.status === 0 ? readFileSync(join(cwd, "check.html"), "utf8") : "";
  if (!page.includes("✔ Holds")) throw new Error(`moldau check: status ${held.status}\n${held.stdout}${held.stderr}`);
  const lacking = check("--target", "kafka://127.0.0.1:9");
  if (lacking.status !== 2 || !lacking.stderr.includes("npm install kafkajs"))
    throw new Error(`moldau check without kafkajs: status ${lacking.status}\n${lacking.stderr}`);
  console.log(held.stdout.split("\n")[0]);
}

/** Strict, the declarations themselves included. */
function checkTypes(project) {
  const nodeTypes = ["--typeRoots", join(root, "node_modules/@types"), "--types", "node"];
  checkProgram(project, "types.mts", usesTypes, ["--lib", "es2023,esnext.disposable,dom", ...nodeTypes]);
  checkProgram(project, "engine.mts", usesTypesOfEngineAlone, ["--lib", "es2022,dom", "--types", ""]);
  console.log("the types check, with Node's and without");
}

function checkProgram(cwd, name, text, world) {
  writeFileSync(join(cwd, name), text);
  const tsc = join(root, "node_modules/typescript/bin/tsc");
  const flags = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", ...world, name];
  const { status, stdout, stderr } = spawnSync(process.execPath, [tsc, ...flags], { cwd, encoding: "utf8" });
  if (status !== 0) throw new Error(`the package's types do not check in ${name}:\n${stdout}${stderr}`);
}

/** The same walk that the layering test makes of the sources, over what was built. */
async function checkGraph(folder) {
  const { graphOf } = await import(join(root, "dist/properties/house/layers.js"));
  const files = readdirSync(join(folder, "dist"), { recursive: true }).filter((path) => path.endsWith(".js"));
  const tree = new Map(files.map((path) => [path, readFileSync(join(folder, "dist", path), "utf8")]));
  const foreign = [...graphOf("server/runtime/web/index.js", tree)].filter((target) => !tree.has(target));
  if (foreign.length > 0) throw new Error(`moldau/engine reaches ${foreign.join(", ")}`);
}

function emptyProject(name) {
  const folder = join(scratch, name);
  mkdirSync(folder);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name, private: true, type: "module" }));
  return folder;
}

/** `where` is a folder, or a folder and the status to end with. */
function run(where, name, program, ...args) {
  const { cwd, status: wanted } = typeof where === "string" ? { cwd: where, status: 0 } : where;
  const { command, run: verb } = runtime(name);
  const { status, stdout, stderr } = spawnSync(command, [...verb, program, ...args], { cwd, encoding: "utf8" });
  if (status !== wanted) throw new Error(`${name} ${program}: status ${status}, not ${wanted}\n${stdout}${stderr}`);
  console.log(`${name}: ${stdout.trim().split("\n", 1)[0]}`);
  return stdout;
}

function npm(cwd, args) {
  return execFileSync("npm", args, { cwd, encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });
}
