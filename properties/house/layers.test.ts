import { deepStrictEqual, match, ok, strictEqual } from "node:assert/strict";
import { test } from "node:test";
import { checkLayers, graphOf, type SourceTree } from "./layers.ts";
import { readSources } from "./repository.ts";

/** A house in small that keeps every rule. */
const sound: SourceTree = new Map([
  ["engine/index.ts", 'export * from "./broker/broker.ts";\nexport * from "./errors.ts";'],
  ["engine/errors.ts", "export class MoldauError extends Error {}"],
  ["engine/limits.ts", "export const n: number = 1;"],
  ["engine/port/world.ts", "export interface Clock { now(): number }"],
  ["engine/kernel/kernel.ts", 'import type { Clock } from "../port/world.ts";\nexport type K = Clock;'],
  ["engine/kernel/twin.ts", 'import { n } from "../limits.ts";\nexport const m: number = n;'],
  ["engine/storage/memory.ts", 'import { MoldauError } from "../errors.ts";\nexport const e = MoldauError;'],
  ["engine/log/log.ts", 'import type { K } from "../kernel/kernel.ts";\nexport type L = K;'],
  ["engine/broker/broker.ts", 'import type { L } from "../log/log.ts";\nexport type B = L;'],
  [
    "engine/broker/broker.test.ts",
    'import { test } from "node:test";\nimport fc from "fast-check";\nimport "../storage/memory.ts";',
  ],
  ["server/runtime/web/index.ts", 'export * from "../../../engine/index.ts";\nsetTimeout(() => {}, 1);'],
  ["server/runtime/node/storage.ts", 'import { readSync } from "node:fs";\nexport const r = readSync;'],
  [
    "server/http/app.ts",
    'import { Hono } from "hono";\nimport { streamSSE } from "hono/streaming";\nexport const a = Hono;',
  ],
  [
    "server/main.ts",
    'import { a } from "./http/app.ts";\nimport "#runtime";\nconst p = await import("../properties/run.ts");',
  ],
  ["properties/run.ts", 'import { B } from "../engine/index.ts";\nimport fc from "fast-check";'],
]);

const sources = readSources();

test("the house keeps its arrows", () => {
  deepStrictEqual(
    checkLayers(sources).map(({ path, line, message }) => `${path}:${line} ${message}`),
    [],
  );
});

test("the small house keeps them too, so that each break below is the only one", () => {
  deepStrictEqual(checkLayers(sound), []);
});

test("an import of node:fs in any engine file is seen", () => {
  for (const [path, source] of sources) {
    if (!path.startsWith("engine/")) continue;
    const broken = new Map(sources).set(path, `${source}\nimport "node:fs";\n`);
    const found = checkLayers(broken, [path]).map(({ message }) => message);
    ok(found.includes("may not import node:fs"), path);
  }
});

/** What is added to a file of the small house, and what must be said of it. */
const breaks: readonly (readonly [string, string, RegExp])[] = [
  ["engine/log/log.ts", 'import { readFile } from "node:fs/promises";', /may not import node:fs/],
  ["engine/log/log.ts", 'import type { Stats } from "node:fs";', /may not import node:fs/],
  ["engine/log/log.ts", 'export { readFile } from "node:fs";', /may not import node:fs/],
  ["engine/log/log.ts", 'export type * from "node:fs";', /may not import node:fs/],
  ["engine/log/log.ts", 'const fs = await import("node:fs");', /may not import node:fs/],
  ["engine/log/log.ts", 'type S = import("node:fs").Stats;', /may not import node:fs/],
  ["engine/log/log.ts", "const m = await import(`node:fs`);", /computed/],
  ["engine/log/log.ts", "const m = await import('node' + ':fs');", /computed/],
  ["engine/log/log.ts", 'const fs = require("fs");', /may not import fs/],
  ["engine/log/log.ts", 'import { Hono } from "hono";', /may not import hono/],
  ["engine/log/log.ts", 'import "../broker/broker.ts";', /may not import \.\.\/broker/],
  ["engine/log/log.ts", 'import "../kernel/twin.ts";', /may not import \.\.\/kernel\/twin/],
  ["engine/log/log.ts", 'import "../gone.ts";', /may not import/],
  ["engine/log/log.ts", 'import "./gone.ts";', /not there/],
  ["engine/port/world.ts", 'import "../errors.ts";', /may not import/],
  ["engine/errors.ts", 'import "./limits.ts";', /may not import/],
  ["engine/kernel/twin.ts", 'import "../log/log.ts";', /may not import/],
  ["engine/storage/memory.ts", 'import "../log/log.ts";', /may not import/],
  ["engine/broker/broker.ts", 'import "../../server/http/app.ts";', /may not import/],
  ["engine/broker/broker.ts", 'import "../storage/memory.ts";', /may not import/],
  ["engine/group/group.ts", 'import "../broker/broker.ts";', /may not import/],
  ["engine/group/group.ts", 'import "../log/log.ts";', /may not import/],
  ["engine/broker/broker.test.ts", 'import "../../server/http/app.ts";', /may not import/],
  ["engine/broker/broker.test.ts", 'import "node:fs";', /may not import/],
  ["engine/newcomer/file.ts", "", /no rule/],
  ["server/http/app.ts", 'import "../runtime/node/storage.ts";', /may not import/],
  ["server/http/app.ts", 'import "../../engine/log/log.ts";', /may not import/],
  ["server/http/app.ts", "process.exit(1);", /process is a runtime's own/],
  ["server/kafka/wire.ts", 'import { Hono } from "hono";', /may not import hono/],
  ["server/kafka/wire.ts", 'import { Socket } from "node:net";', /may not import node:net/],
  ["server/runtime/node/storage.ts", 'import "../bun/index.ts";', /may not import/],
  ["server/runtime/web/index.ts", 'import "../node/storage.ts";', /may not import/],
  ["server/runtime/web/index.ts", 'import "cbor-x";', /may not import/],
  ["server/runtime/web/index.ts", 'Buffer.from("x");', /Buffer is/],
  ["server/main.ts", 'import "../properties/run.ts";', /may not import/],
  ["properties/run.ts", 'import "../engine/log/log.ts";', /may not import/],
  ["properties/run.ts", 'import "../server/http/app.ts";', /may not import/],
  ["bench/main.ts", 'import "../properties/run.ts";', /may not import/],
  ["assembly/index.ts", 'import "../engine/limits.ts";', /may not import/],
  ...[
    "Bun.sleep(1);",
    "Deno.cwd();",
    "Buffer.alloc(1);",
    "process.hrtime();",
    "const t = new Date();",
    "let t: Date;",
    "Date.now();",
    "Math.random();",
    "Math['random']();",
    "Math?.random();",
    "const { random } = Math; Math.log2(8);",
    "performance.now();",
    "crypto.getRandomValues(a);",
    "console.log(1);",
    "setTimeout(f, 1);",
    "setInterval(f, 1);",
    "setImmediate(f);",
    "globalThis.Date;",
    "promise.finally(f);",
    "promise\n  .finally(f);",
    "Array.fromAsync(x);",
    "Promise.withResolvers();",
    "await using x = y;",
    "`${process.pid}`;",
    "const a = b / c; console.log(1); const d = e / f;",
    "const r = /'/; console.log('');",
    "const o = { now: Date };",
    "const x = y ? process : z;",
    "const x = y ? fetch(a) : z;",
    "f(); fetch(a);",
    "class A { b() { fetch(a); } }",
  ].map((code): [string, string, RegExp] => ["engine/log/log.ts", code, /./]),
];

test("every way around an arrow is seen", () => {
  for (const [path, added, message] of breaks) {
    const before = sound.get(path) ?? "";
    const found = checkLayers(new Map(sound).set(path, `${before}\n${added}\n`));
    ok(found.length > 0, `not seen in ${path}: ${added}`);
    deepStrictEqual([...new Set(found.map((violation) => violation.path))], [path]);
    match(found.map((violation) => violation.message).join("\n"), message, added);
    const lines = before.split("\n").length;
    if (added !== "")
      ok(
        found.every(({ line }) => line > lines),
        `${added}: wrong line`,
      );
  }
});

test("what only looks like a break is let be", () => {
  for (const code of [
    '// import "node:fs"; process.exit(); Date.now()',
    '/* setTimeout(f) */ const a = "console.log(Date.now())";',
    'const a = \'import "node:fs"\', b = "it\'s Date";',
    "const a = `process ${name} Date \\` ${`Buffer`} Bun`;",
    "const a = /console|Date/.test(x) || /[/'\"]Date/.exec(y);",
    "clock.process(1); this.performance = 2; a?.console;",
    "const a = { process: 1, Date: 2 }; interface I { readonly console: string; crypto: number }",
    "Math.floor(1); Math.clz32(2); const finallyDone = 1; try { f(); } finally { g(); }",
    "const important = imports.from; exportAll(); const o = { import: 1 };",
    "export const from: string = 'node:fs';",
    "export { a };\nconst from = 'node:fs';",
    "using x = y;",
    "class A { fetch(a: B, c = d()): E { return f; } async fetch() {} get performance() { return 1; } }",
    "interface A { fetch(a: B): C; }",
  ]) {
    deepStrictEqual(checkLayers(new Map(sound).set("engine/log/log.ts", code)), [], code);
  }
});

test("moldau/engine has no package and no node: in its graph", () => {
  const graph = graphOf("server/runtime/web/index.ts", sources);
  ok(graph.has("engine/index.ts"));
  deepStrictEqual(
    [...graph].filter((target) => !sources.has(target)),
    [],
  );
});

test("the graph sees a package behind a re-export", () => {
  const tree = new Map(sound).set("engine/errors.ts", 'export { x } from "hono";');
  strictEqual(graphOf("server/runtime/web/index.ts", tree).has("hono"), true);
});
