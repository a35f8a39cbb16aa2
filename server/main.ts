#!/usr/bin/env node
// The program `moldau`.
//
// Owns: handing the runtime, which package.json chose for "#runtime", to the command line.
// Never: anything else.

import { runtime } from "#runtime";
import { run } from "./cli/program.ts";

const { process } = runtime;
// Beside server/ lies a package.json, in the sources as in dist/.
const { version } = JSON.parse(process.readTextFile(new URL("../package.json", import.meta.url))) as {
  version: string;
};
process.exit(await run(runtime, version));
