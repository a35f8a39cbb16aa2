// Builds dist/: compiles, and lays beside the output what it needs to stand alone.
import { execFileSync } from "node:child_process";
import { chmodSync, copyFileSync, existsSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
process.chdir(root);
rmSync("dist", { recursive: true, force: true });
execFileSync(process.execPath, ["node_modules/typescript/bin/tsc", "-p", "tsconfig.json"], { stdio: "inherit" });
// The built tree has a package scope of its own, so that #runtime means built files there.
const { name, version, type, imports } = JSON.parse(readFileSync("package.json", "utf8"));
const built = JSON.parse(JSON.stringify(imports).replaceAll('.ts"', '.js"'));
writeFileSync("dist/package.json", `${JSON.stringify({ name, version, type, imports: built }, null, 2)}\n`);
if (existsSync("engine/kernel/engine.wasm")) copyFileSync("engine/kernel/engine.wasm", "dist/engine.wasm");
if (existsSync("dist/server/main.js")) chmodSync("dist/server/main.js", 0o755);
