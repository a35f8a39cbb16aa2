// README's support matrix, from what the end-to-end tests saw.
//
//   node .ci/e2e.mjs --runtime node --runtime bun --runtime deno --matrix e2e.json
//   node .ci/kafka.mjs --runtime node --runtime bun --runtime deno --matrix kafka.json
//   node .ci/matrix.mjs e2e.json kafka.json           writes the table between README's markers
//   node .ci/matrix.mjs e2e.json kafka.json --check   fails when README says otherwise
//
// The first file names the runtimes; what another did not run on one of them stands as "no". A feature that is tested
// over several wires has one row; its cell names the wires when not all work.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values, positionals } = parseArgs({ options: { check: { type: "boolean" } }, allowPositionals: true });
if (positionals.length === 0) {
  console.error("give the files that `node .ci/e2e.mjs --matrix FILE`, kafka.mjs and kafka-groups.mjs wrote");
  process.exit(2);
}
const [{ runtimes, versions, rows }, ...others] = positionals.map((file) => JSON.parse(readFileSync(file, "utf8")));
const readme = fileURLToPath(new URL("../README.md", import.meta.url));
const begin = "<!-- matrix:begin -->";
const end = "<!-- matrix:end -->";

const wires = ["HTTP/1.1", "HTTP/2 (h2c)", "HTTP/2 (TLS)"];
const features = new Map();
for (const { feature, works } of rows) {
  const wire = wires.find((name) => feature.startsWith(`${name}: `));
  const name = wire === undefined ? feature : feature.slice(wire.length + 2);
  const known = features.get(name) ?? [];
  features.set(name, [...known, { wire, works }]);
}

function cell(tests, runtime) {
  const passed = tests.filter(({ works }) => works[runtime]);
  if (passed.length === tests.length) return "yes";
  if (passed.length === 0) return "no";
  return passed.map(({ wire }) => wire).join(", ");
}

// The major version is what a reader goes by; a patch should not change README.
const title = (runtime) =>
  `${runtime[0].toUpperCase()}${runtime.replace(/\d+$/, "").slice(1)} ${versions[runtime]?.split(".")[0] ?? "?"}`;
const line = (cells) => `| ${cells.join(" | ")} |`;
const heading = (section) => line([`**${section}**`, ...runtimes.map(() => "")]);
const table = [
  line([`over ${wires.join(", ")}`, ...runtimes.map(title)]),
  line(["---", ...runtimes.map(() => "---")]),
  ...[...features]
    .filter(([, tests]) => tests[0].wire !== undefined)
    .map(([name, tests]) => line([name, ...runtimes.map((runtime) => cell(tests, runtime))])),
  heading("once a runtime"),
  ...[...features]
    .filter(([, tests]) => tests[0].wire === undefined)
    .map(([name, tests]) => line([name, ...runtimes.map((runtime) => cell(tests, runtime))])),
  ...others.flatMap((other) => [
    heading(other.section),
    ...other.rows.map(({ feature, works }) =>
      line([feature, ...runtimes.map((runtime) => cell([{ works }], runtime))]),
    ),
  ]),
].join("\n");

const before = readFileSync(readme, "utf8");
const [from, to] = [before.indexOf(begin), before.indexOf(end)];
if (from < 0 || to < from) {
  console.error(`README.md has no ${begin} and ${end}`);
  process.exit(1);
}
const after = `${before.slice(0, from + begin.length)}\n${table}\n${before.slice(to)}`;
if (after === before) console.log("README's support matrix says what the end-to-end tests saw");
else if (values.check) {
  console.error(
    `README's support matrix says something else than the end-to-end tests; run \`node .ci/matrix.mjs\`. They saw:\n${table}`,
  );
  process.exit(1);
} else {
  writeFileSync(readme, after);
  console.log("README's support matrix is written anew");
}
