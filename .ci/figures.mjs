// The figures in README.md and docs/performance.md, from what a full run of the benchmarks wrote.
//
//   npm run bench -- --json bench/results.json --svg docs/curves.svg
//   node .ci/figures.mjs           writes the tables between the markers
//   node .ci/figures.mjs --check   fails when a page says something else than bench/results.json
//
// Owns: how a result reads in a table. Never: leaves out a target that was missed.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({ options: { check: { type: "boolean" } } });
const path = (name) => fileURLToPath(new URL(`../${name}`, import.meta.url));
const { machine, results } = JSON.parse(readFileSync(path("bench/results.json"), "utf8"));
const runtimes = [...new Set(results.map(({ runtime }) => runtime))];
const effortOf = (runtime) => results.find((result) => result.runtime === runtime).effort;
if (effortOf(runtimes[0]) !== "full") fail(`bench/results.json: ${runtimes[0]} has no full run`);

const line = (cells) => `| ${cells.join(" | ")} |`;
const title = (runtime) =>
  runtime[0].toUpperCase() + runtime.slice(1) + (effortOf(runtime) === "full" ? "" : `, ${effortOf(runtime)} run`);
const digits = (value) =>
  value >= 1000
    ? Math.round(value).toLocaleString("en")
    : value >= 100
      ? value.toFixed(0)
      : value >= 10
        ? value.toFixed(1)
        : value.toFixed(2);

const taken = `${machine.cpu}, ${machine.cores} cores, ${machine.memoryGiB} GiB, ${machine.system}, ${machine.fileSystem}, ${machine.date}`;

/** A row a target, a column a runtime. */
function targetsTable() {
  const rows = new Map();
  for (const { runtime, verdicts } of results) {
    for (const verdict of verdicts) {
      const { benchmark, target } = verdict;
      // Which of several peers was the hardest may differ from runtime to runtime.
      const id = `${benchmark}|${target}|${verdict.goal}`;
      const row = rows.get(id) ?? { benchmark, target, cells: new Map() };
      row.cells.set(runtime, verdict);
      rows.set(id, row);
    }
  }
  const cell = (verdict) => {
    if (verdict === undefined) return "";
    return verdict.is === "pass" ? verdict.result : `${verdict.result} (${verdict.is})`;
  };
  const against = ({ cells }) => [...new Set([...cells.values()].map(({ peer }) => peer))].join(", ");
  return [
    line(["", "against", "target", ...runtimes.map(title)]),
    line(["---", "---", "---", ...runtimes.map(() => "---")]),
    ...[...rows.values()].map((row) =>
      line([row.benchmark, against(row), row.target, ...runtimes.map((runtime) => cell(row.cells.get(runtime)))]),
    ),
    "",
    `Taken on: ${taken}.`,
  ].join("\n");
}

/** All that was measured on one runtime: figures with their spread. */
function figuresTable(runtime) {
  const figure = ({ median, least, greatest }) => `${digits(median)} (${digits(least)} to ${digits(greatest)})`;
  const rows = results
    .filter((result) => result.runtime === runtime)
    .flatMap(({ name, subject, peers, ratios }) => {
      if (peers.length === 0) return [line([name, subject.unit, figure(subject), "", ""])];
      return peers.map((peer, index) => {
        const ratio = ratios.find(({ peer: of }) => of === peer.name);
        const own = index === 0 ? [name, subject.unit, figure(subject)] : ["", "", ""];
        return line([...own, `${peer.name}: ${figure(peer)}`, ratio === undefined ? "" : `${figure(ratio)}x`]);
      });
    });
  return [
    `### ${title(runtime)}`,
    "",
    line(["", "unit", "Moldau", "peer", "Moldau is"]),
    line(["---", "---", "---", "---", "---"]),
    ...rows,
  ].join("\n");
}

const wrong = [
  fill("README.md", "targets", targetsTable()),
  fill("docs/performance.md", "targets", targetsTable()),
  fill("docs/performance.md", "figures", runtimes.map(figuresTable).join("\n\n")),
].filter(Boolean);
if (wrong.length > 0 && values.check)
  fail(`${wrong.join(", ")}: not what bench/results.json says; run \`node .ci/figures.mjs\``);
console.log(wrong.length === 0 ? "the figures say what bench/results.json says" : `written: ${wrong.join(", ")}`);

/** The name of what had to be changed, null when it was right. */
function fill(name, part, table) {
  const before = readFileSync(path(name), "utf8");
  const [begin, end] = [`<!-- ${part}:begin -->`, `<!-- ${part}:end -->`];
  const [from, to] = [before.indexOf(begin), before.indexOf(end)];
  if (from < 0 || to < from) fail(`${name} has no ${begin} and ${end}`);
  const after = `${before.slice(0, from + begin.length)}\n${table}\n${before.slice(to)}`;
  if (after === before) return null;
  if (!values.check) writeFileSync(path(name), after);
  return `${name} (${part})`;
}

function fail(message) {
  console.error(message);
  process.exit(1);
}
