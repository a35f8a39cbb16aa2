#!/usr/bin/env node
// The command `moldau`: starts what was built.
//
// Owns: what is said in a clone that was not built. It is a file of the sources, so that npx, which links a command once
//   and remembers that there was none, finds it before the first build.
// Never: knows what the command does.
import { existsSync } from "node:fs";
import process from "node:process";

const built = new URL("../dist/server/main.js", import.meta.url);
if (existsSync(built)) await import(built.href);
else {
  process.stderr.write("moldau: this clone is not built yet: `npm ci && npm run build` builds it\n");
  process.exitCode = 2; // 1 says of some commands that something is wrong with a log
}
