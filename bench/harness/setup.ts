// Brings what the benchmarks need beside Moldau: the peers, the drawing library, the other runtimes.
//
// Owns: when bench/node_modules is as bench/package-lock.json says, and its installation.
// Never: touches the packages of Moldau itself.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { SubjectRuntime } from "./benchmark.ts";

interface LockFile {
  readonly packages: Readonly<Record<string, { readonly version?: string; readonly optional?: boolean }>>;
}

/** What differs between the lock file and what is installed; null when nothing does. */
export function whatDiffers(wanted: LockFile, installed: LockFile | null): string | null {
  if (installed === null) return "nothing is installed";
  for (const [path, { version, optional }] of Object.entries(wanted.packages)) {
    if (path === "") continue;
    const found = installed.packages[path]?.version;
    // A package for another platform is rightly not there.
    if (found === undefined && optional === true) continue;
    if (found !== version) return `${path.replace("node_modules/", "")} is ${found ?? "absent"}, not ${version}`;
  }
  return null;
}

/** Installs when something differs. Throws, with what to do, when that fails. */
export function installPeers(root: string, say: (line: string) => void): void {
  const folder = join(root, "bench");
  const differs = whatDiffers(
    readLock(join(folder, "package-lock.json")) as LockFile,
    readLock(join(folder, "node_modules/.package-lock.json")),
  );
  if (differs === null) return;
  say(`installing the peers with npm ci --prefix bench (${differs})`);
  const run = spawnSync("npm", ["ci", "--prefix", folder, "--ignore-scripts", "--no-audit", "--no-fund", "--silent"], {
    cwd: root,
    encoding: "utf8",
    stdio: ["ignore", "ignore", "pipe"],
  });
  if (run.status === 0) return;
  throw new Error(
    `the peers could not be installed (${differs}): they come from npm's registry, once. Go online and run \`npm ci --prefix bench --ignore-scripts\`. npm said:\n${run.error?.message ?? run.stderr.trim()}`,
  );
}

function readLock(path: string): LockFile | null {
  return existsSync(path) ? (JSON.parse(readFileSync(path, "utf8")) as LockFile) : null;
}

/** The runtime as bench/package.json pins it, else the one that is on the PATH; null when there is neither. */
export function findRuntime(name: SubjectRuntime["name"], root: string): SubjectRuntime | null {
  if (name === "node")
    return { name, version: process.versions.node, command: process.execPath, arguments: [], built: true };
  const pinned = join(root, "bench/node_modules", name === "bun" ? "bun/bin/bun" : "deno/deno");
  const command = existsSync(pinned) ? pinned : name;
  // Deno finds the peers only when it is told that node_modules is kept by hand.
  const before =
    name === "bun" ? ["run"] : ["run", "--allow-all", "--no-check", "--quiet", "--node-modules-dir=manual"];
  try {
    const printed = execFileSync(command, ["--version"], { encoding: "utf8", stdio: ["ignore", "pipe", "ignore"] });
    const version = /\d+\.\d+\.\d+/.exec(printed)?.[0] ?? "unknown";
    return { name, version, command, arguments: before, built: false };
  } catch {
    return null;
  }
}
