// docs/properties.md has the invariants, an adapter's calls and the events of a history as they are, and every part of the contract.
//
// `node properties/house/properties-doc.test.ts --write` writes the tables (on Node 24).

import { deepStrictEqual, ok } from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { supportsNothing } from "../adapter/contract.ts";
import { adapterCalls } from "../adapter/contract-shapes.ts";
import { eventShapes, happened, readRecord, sentRecord } from "../checker/history-shapes.ts";
import { invariants } from "../checker/index.ts";
import { repositoryRoot } from "./repository.ts";
import { fieldsInWords, shapeInWords } from "./shape-words.ts";

const path = join(repositoryRoot(), "docs/properties.md");
const table = /(<!-- invariants -->\n)([\s\S]*?)(<!-- \/invariants -->)/;
const rows = [
  "| invariant | source | needs |",
  "|---|---|---|",
  ...invariants.map(({ name, source, needs }) => `| ${name} | ${source} | ${needs} |`),
];

const callTable = /(<!-- calls -->\n)([\s\S]*?)(<!-- \/calls -->)/;
const callRows = [
  "| call | answers | needed for |",
  "|---|---|---|",
  ...Object.entries(adapterCalls).map(([name, { given, answers, besides, promisedBy, optional }]) => {
    const needed = promisedBy === undefined ? (optional === true ? "optional" : "every check") : `\`${promisedBy}\``;
    const shape = /^[{[]/.test(answers) ? answers.replace(/^(.*[}\]])/, "`$1`") : answers;
    const all = besides === undefined ? shape : `${shape}; ${besides}`;
    return `| \`${name}(${given})\` | ${all} | ${needed} |`;
  }),
];

const eventTable = /(<!-- events -->\n)([\s\S]*?)(<!-- \/events -->)/;
const eventRows = [
  "| kind | fields |",
  "|---|---|",
  `| each event | \`kind: string, ${fieldsInWords(happened)}\` |`,
  ...Object.entries(eventShapes).map(([kind, fields]) => `| \`${kind}\` | \`${fieldsInWords(fields)}\` |`),
  `| a record of a \`produce\` | \`${shapeInWords(sentRecord)}\` |`,
  `| a record of a \`read\` | \`${shapeInWords(readRecord)}\` |`,
];

if (process.argv.includes("--write")) {
  const text = readFileSync(path, "utf8");
  writeFileSync(
    path,
    text
      .replace(table, (_, begin, __, end) => `${begin}${rows.join("\n")}\n${end}`)
      .replace(eventTable, (_, begin, __, end) => `${begin}${eventRows.join("\n")}\n${end}`)
      .replace(callTable, (_, begin, __, end) => `${begin}${callRows.join("\n")}\n${end}`),
  );
}

test("the table of invariants is that of the code", () => {
  const written = table.exec(readFileSync(path, "utf8"))?.[2]?.trimEnd().split("\n");
  deepStrictEqual(written, rows);
});

test("the table of an adapter's calls is that of the code", () => {
  const written = callTable.exec(readFileSync(path, "utf8"))?.[2]?.trimEnd().split("\n");
  deepStrictEqual(written, callRows);
});

test("the table of a history's events is that of the code", () => {
  const written = eventTable.exec(readFileSync(path, "utf8"))?.[2]?.trimEnd().split("\n");
  deepStrictEqual(written, eventRows);
  ok(eventRows.some((row) => row.includes("producer?: { id: whole, epoch: whole, sequence: whole }")));
  ok(eventRows.some((row) => row.includes("offset: whole or null")));
});

test("everything that an adapter may support is explained", () => {
  const text = readFileSync(path, "utf8");
  for (const name of Object.keys(supportsNothing)) ok(text.includes(`| \`${name}\` |`), name);
});
