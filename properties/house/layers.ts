// The arrows of the house: who may import whom, and which globals a folder may not touch.
//
// Owns: the table of the architecture as data, and the check of a tree of sources against it.
// Never: reads a disk; the tree is handed in, so that a test can hand in a broken one.
//
// A file without a rule breaks the rules: a new folder enters the table with its first file.

import { importsOf, type Token, tokenize } from "./source.ts";

/** Sources by path from the repository's root, with "/" between names. */
export type SourceTree = ReadonlyMap<string, string>;

export interface Violation {
  readonly path: string;
  readonly line: number;
  readonly message: string;
}

interface Rule {
  /** The files it is for: a path, or a folder with a "/" at its end. The longest that fits wins. */
  readonly files: string;
  /** What they may import besides their own folder: paths, folders with "/", packages, "node:" for all of Node's. "*" is everything. */
  readonly may: readonly string[];
  /** What they may import only when needed, by `import()`. */
  readonly mayLazily?: readonly string[];
  readonly never: readonly string[];
  /** Globals and members they may not use. */
  readonly bans: ReadonlyMap<string, string>;
}

const foundations = ["engine/port/", "engine/errors.ts", "engine/limits.ts"];
const kernelInterface = "engine/kernel/kernel.ts";
/** Reading and replacing a whole file, over any store: helpers of the port, not a store. */
const wholeFiles = ["engine/storage/read-file.ts", "engine/storage/replace-file.ts"];
/** A trial run: recovery on a store that forgets what it is told. */
const trialStore = "engine/storage/overlay.ts";
const engineDoor = "engine/index.ts";
/** Those who provide a port may name it; the rest of the engine they see through its door. */
const forRuntimes = [
  engineDoor,
  "engine/port/",
  "server/runtime/runtime.ts",
  "server/exchange.ts",
  "server/runtime/web/",
  "node:",
];

const runtimeGlobals = ban("is a runtime's own; use what engine/port hands in", [
  ..."Bun Deno Buffer process require global __dirname __filename".split(" "),
]);
const engineBans = new Map([
  ...runtimeGlobals,
  ...ban("is the outside; the world's clock, entropy and logger are handed in (engine/port)", [
    ..."Date performance crypto console navigator fetch WebSocket Worker Intl".split(" "),
    ..."setTimeout setInterval setImmediate clearTimeout clearInterval clearImmediate requestIdleCallback".split(" "),
    "Math.random",
  ]),
  ...ban("reaches everything that is banned; name what you need", ["globalThis", "self", "window", "eval", "Function"]),
  ...ban("depends on when memory is collected", ["WeakRef", "FinalizationRegistry"]),
  ...ban("takes a different number of ticks on another runtime", [".finally", "Array.fromAsync"]),
  ...ban("is not the same to the last bit on every runtime", [
    ..."sin cos tan asin acos atan atan2 sinh cosh tanh asinh acosh atanh".split(" ").map((name) => `Math.${name}`),
    ..."exp expm1 log log1p log2 log10 pow cbrt hypot".split(" ").map((name) => `Math.${name}`),
  ]),
]);
const everywhere = ban("does not exist on Node 20", ["Promise.withResolvers", "Promise.try", "await using"]);
/** A store that is handed in, or a face that only translates, still knows no runtime. */
const portableBans = new Map([...runtimeGlobals, ...everywhere]);

const rules: readonly Rule[] = [
  engine("engine/index.ts", ["engine/"]),
  engine("engine/errors.ts", []),
  engine("engine/limits.ts", []),
  engine("engine/port/", []),
  engine("engine/kernel/", foundations),
  engine("engine/storage/", foundations),
  engine("engine/log/", [...foundations, kernelInterface, ...wholeFiles]),
  // The broker hands its groups the log; groups know no broker.
  engine("engine/broker/", [
    ...foundations,
    kernelInterface,
    "engine/log/",
    "engine/group/",
    trialStore,
    ...wholeFiles,
  ]),
  engine("engine/group/", foundations),
  ...["transaction", "cluster"].map((folder) =>
    engine(`engine/${folder}/`, [...foundations, kernelInterface, "engine/log/", trialStore, ...wholeFiles]),
  ),
  { files: "assembly/", may: [], never: [], bans: new Map() },
  {
    files: "server/http/",
    may: [engineDoor, "server/exchange.ts", "hono", "@hono/zod-openapi", "zod", "cbor-x", "prom-client"],
    never: ["server/kafka/", "server/runtime/", "node:"],
    bans: portableBans,
  },
  { files: "server/kafka/", may: [engineDoor], never: ["hono", "node:net"], bans: portableBans },
  // What a runtime is to hand over: types only.
  {
    files: "server/runtime/runtime.ts",
    may: [engineDoor, "engine/port/", "server/exchange.ts"],
    never: ["node:"],
    bans: portableBans,
  },
  // What a listener may hand to a face beside the Request: types only.
  { files: "server/exchange.ts", may: [], never: ["node:"], bans: portableBans },
  // The default world, and the door of `moldau/engine`: all of the engine, web standards, nothing else.
  { files: "server/runtime/web/", may: ["engine/"], never: ["node:"], bans: portableBans },
  {
    files: "server/runtime/node/",
    may: [...forRuntimes, "@hono/node-server", "fzstd"],
    never: [],
    bans: everywhere,
  },
  // Files and sockets are node:fs and node:net on these two as well: one implementation.
  { files: "server/runtime/bun/", may: [...forRuntimes, "server/runtime/node/", "bun"], never: [], bans: everywhere },
  { files: "server/runtime/deno/", may: [...forRuntimes, "server/runtime/node/"], never: [], bans: everywhere },
  { files: "server/", may: ["*"], mayLazily: ["properties/"], never: ["properties/", "bench/"], bans: everywhere },
  { files: "properties/", may: [engineDoor, "fast-check", ...testPackages()], never: [], bans: everywhere },
  { files: "properties/adapter/", may: ["*"], never: ["server/http/", "server/cli/", "bench/"], bans: everywhere },
  // The command that simulates: threads, files, a terminal.
  {
    files: "properties/simulate/",
    may: ["properties/", "node:", "commander", "fast-check"],
    never: [],
    bans: everywhere,
  },
  // Copies the engine, and plays over the copies in threads.
  {
    files: "properties/mutants/",
    may: ["properties/", "node:", "fast-check", "commander"],
    never: ["properties/adapter/"],
    bans: everywhere,
  },
  // The rules about the repository itself read it.
  {
    files: "properties/house/",
    may: [
      ...[engineDoor, "server/runtime/web/", "node:", "fast-check"],
      ...[
        "properties/adapter/contract.ts",
        "properties/adapter/contract-shapes.ts",
        "properties/checker/",
        "properties/shapes.ts",
      ],
    ],
    never: [],
    bans: everywhere,
  },
  { files: "bench/", may: ["*"], never: ["properties/"], bans: everywhere },
  // The checker ships, and is measured as well.
  { files: "bench/micro/checker.ts", may: ["*"], never: [], bans: everywhere },
];

/** Everything in the tree, or in these files of it, that goes against an arrow. */
export function checkLayers(tree: SourceTree, paths: Iterable<string> = tree.keys()): Violation[] {
  return [...paths].flatMap((path) => checkFile(path, tree.get(path) ?? "", tree));
}

/** All that a program loads which imports `entry`: paths of the tree, packages and `node:` modules. */
export function graphOf(entry: string, tree: SourceTree): Set<string> {
  const seen = new Set<string>();
  const waiting = [entry];
  for (let path = waiting.pop(); path !== undefined; path = waiting.pop()) {
    if (seen.has(path)) continue;
    seen.add(path);
    const source = tree.get(path);
    if (source === undefined) continue;
    for (const { specifier } of importsOf(tokenize(source))) {
      if (specifier !== null) waiting.push(resolveSpecifier(path, specifier));
    }
  }
  return seen;
}

/** They import what they have written themselves: copies of the engine with a fault put back, and of the examples. */
const importsCopies: readonly string[] = ["properties/mutants/copy.ts", "properties/adapter/examples.test.ts"];

function checkFile(path: string, source: string, tree: SourceTree): Violation[] {
  const rule = rules.filter(({ files }) => covers(files, path)).sort((a, b) => b.files.length - a.files.length)[0];
  if (rule === undefined)
    return [{ path, line: 1, message: "no rule in properties/house/layers.ts is for this folder" }];
  const found: Violation[] = [];
  const report = (line: number, message: string): void => void found.push({ path, line, message });
  const tokens = tokenize(source);
  for (const { specifier, dynamic, line } of importsOf(tokens)) {
    if (specifier === null) {
      if (!importsCopies.includes(path)) report(line, "imports something computed; name it");
    } else {
      const target = resolveSpecifier(path, specifier);
      if (!mayImport(rule, path, target, dynamic)) report(line, `may not import ${specifier}`);
      else if (specifier.startsWith(".") && !tree.has(target)) report(line, `imports ${specifier}, which is not there`);
    }
  }
  if (!isTest(path)) for (const [line, message] of bannedIn(tokens, rule.bans)) report(line, message);
  return found;
}

function mayImport(rule: Rule, path: string, target: string, dynamic: boolean): boolean {
  if (covers(folderOf(path, rule), target)) return true;
  if (isTest(path) && mayTestImport(path, target)) return true;
  if (dynamic && (rule.mayLazily ?? []).some((allowed) => covers(allowed, target))) return true;
  if (rule.never.some((forbidden) => covers(forbidden, target))) return false;
  return rule.may.some((allowed) => allowed === "*" || covers(allowed, target));
}

/** A test sees more than what it proves: the engine's see all of the engine, others' the whole house. */
function mayTestImport(path: string, target: string): boolean {
  if (testPackages().some((name) => covers(name, target)) || target === "fast-check") return true;
  if (path.startsWith("engine/")) return target.startsWith("engine/");
  return path.startsWith("server/") && !target.startsWith("properties/") && !target.startsWith("bench/");
}

function testPackages(): string[] {
  return ["node:test", "node:assert/strict"];
}

function isTest(path: string): boolean {
  return /\.test[.-]/.test(path);
}

function bannedIn(tokens: readonly Token[], bans: ReadonlyMap<string, string>): [number, string][] {
  const found: [number, string][] = [];
  tokens.forEach(({ kind, text, line }, index) => {
    const before = tokens[index - 1]?.text;
    const after = tokens[index + 1]?.text;
    if (kind === "sign" && text === "[" && (before === "Math" || before === "globalThis")) {
      found.push([line, `${before}[...] hides what it uses; name it`]);
    }
    if (kind !== "word") return;
    const member = before === "." || before === "?.";
    const owner = member ? tokens[index - 2]?.text : undefined;
    // `{ process: 1 }`, `process?: x` and `{ process }: Y` in types name a key, not the global.
    const isKey = after === ":" && (before === "{" || before === "," || before === ";" || before === "readonly");
    const names = member
      ? [`${owner}.${text}`, `.${text}`]
      : isKey || isMethod(tokens, index)
        ? []
        : [text, `${text} ${after}`];
    for (const name of names) {
      const why = bans.get(name);
      if (why !== undefined) found.push([line, `${name} ${why}`]);
    }
  });
  return found;
}

/** `fetch(x) {` and `fetch(x): Y` where a member may stand declare a method of that name. */
function isMethod(tokens: readonly Token[], index: number): boolean {
  if (tokens[index + 1]?.text !== "(") return false;
  if (!["{", "}", ";", "async", "static", "override", "get", "set", "*"].includes(tokens[index - 1]?.text ?? ""))
    return false;
  let depth = 0;
  for (let at = index + 1; at < tokens.length; at++) {
    const { kind, text } = tokens[at] as Token;
    if (kind !== "sign") continue;
    if (text === "(") depth++;
    else if (text === ")") depth--;
    if (depth === 0) return tokens[at + 1]?.text === "{" || tokens[at + 1]?.text === ":";
  }
  return false;
}

function engine(files: string, may: readonly string[]): Rule {
  return { files, may, never: [], bans: new Map([...engineBans, ...everywhere]) };
}

function ban(why: string, names: readonly string[]): Map<string, string> {
  return new Map(names.map((name) => [name, why]));
}

/** Whether a rule's or an arrow's `pattern` is for this path or package. */
function covers(pattern: string, target: string): boolean {
  if (pattern.endsWith("/") || pattern.endsWith(":")) return target.startsWith(pattern);
  return target === pattern || (!pattern.endsWith(".ts") && target.startsWith(`${pattern}/`));
}

/** A file's own folder, which it may always import from; a rule for one file grants none. */
function folderOf(path: string, rule: Rule): string {
  return rule.files.endsWith("/") ? rule.files : path;
}

export function resolveSpecifier(from: string, specifier: string): string {
  if (!specifier.startsWith(".")) return specifier;
  const parts = from.split("/").slice(0, -1);
  for (const part of specifier.split("/")) {
    if (part === "..") parts.pop();
    else if (part !== ".") parts.push(part);
  }
  const path = parts.join("/");
  // AssemblyScript leaves the extension out.
  return from.startsWith("assembly/") && !path.endsWith(".ts") ? `${path}.ts` : path;
}
