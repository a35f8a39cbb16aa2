// Builds dist/: compiles, bundles the command for Node, and lays beside the output what it needs to
// stand alone.
//
// The command is one file under Node: three hundred modules, looked for one by one, took half of a
// start. Bun and Deno, which find theirs faster, run what tsc made; so do those who import a module.
import { execFileSync } from "node:child_process";
import {
  chmodSync,
  copyFileSync,
  existsSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { build } from "esbuild";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);
rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"], { stdio: "inherit" });
// The built tree has a package scope of its own, so that #runtime means built files there.
const { name, version, type, imports } = JSON.parse(readFileSync("package.json", "utf8"));
const built = JSON.parse(JSON.stringify(imports).replaceAll('.ts"', '.js"'));
built["#program"] = {
  bun: "./server/program.js",
  deno: "./server/program.js",
  default: "./server/program.node.js",
};
writeFileSync("dist/package.json", `${JSON.stringify({ name, version, type, imports: built }, null, 2)}\n`);
if (existsSync("engine/kernel/engine.wasm")) copyFileSync("engine/kernel/engine.wasm", "dist/engine.wasm");
await bundleProgram();

async function bundleProgram() {
  renameSync("dist/server/main.js", "dist/server/program.js");
  const { metafile } = await build({
    entryPoints: ["dist/server/program.js"],
    outfile: "dist/server/program.node.js",
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    // Native code, which is there or not.
    external: ["cbor-extract"],
    plugins: [propertiesStayOutside()],
    // For packages that are CommonJS and ask for Node's own modules.
    banner: {
      js: 'import { createRequire as requireFrom } from "node:module";\nconst require = requireFrom(import.meta.url);',
    },
    metafile: true,
    logLevel: "warning",
  });
  writeFileSync("dist/server/main.js", '#!/usr/bin/env node\nimport "#program";\n');
  chmodSync("dist/server/main.js", 0o755);
  writeFileSync("dist/server/program.node.LICENSES.txt", licenses(Object.keys(metafile.inputs)));
}

/** `moldau check` loads them when it is asked to, from where they lie: they are no part of a start. */
function propertiesStayOutside() {
  return {
    name: "properties-stay-outside",
    setup({ onResolve }) {
      onResolve({ filter: /^(\.\.\/)+properties\// }, ({ path }) => ({
        path: path.replace(/^(\.\.\/)+/, "../"),
        external: true,
      }));
    },
  };
}

/** What the bundled packages ask whoever passes them on to pass on too. */
function licenses(inputs) {
  const packages = new Set(
    inputs.flatMap((path) => /^(?:.*\/)?node_modules\/(?:@[^/]+\/)?[^/]+/.exec(path)?.[0] ?? []),
  );
  return [...packages]
    .sort()
    .map((folder) => {
      const about = JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
      const files = readdirSync(folder).filter((file) => /^(licen[cs]e|copying|notice)/i.test(file));
      const texts = files.map((file) => readFileSync(join(folder, file), "utf8").trim());
      return [`${about.name} ${about.version} (${about.license})`, ...texts].join("\n\n");
    })
    .join(`\n\n${"-".repeat(80)}\n\n`);
}
