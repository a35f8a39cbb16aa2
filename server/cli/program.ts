// The command line: which commands there are, and how they end.
//
// Owns: exit codes. 0: done, or whoever read our output has gone. 1: it could not be done; one
//   line says why. 2: the command line itself is wrong.
// Never: does a command's work.

import { Command, CommanderError } from "commander";
import { MoldauError, StorageError } from "../../engine/index.ts";
import { BrokenPipeError, type Runtime } from "../runtime/runtime.ts";
import { ClientError } from "./client.ts";
import { addConsume } from "./consume.ts";
import { type CommandContext, UserError } from "./options.ts";
import { addProduce } from "./produce.ts";
import { addServe } from "./serve.ts";
import { addTopics } from "./topics.ts";

export function buildProgram(context: CommandContext): Command {
  const { process } = context.runtime;
  const program = new Command("moldau")
    .description("An event log: topics, partitions and offsets over HTTP. Without a command it serves.")
    .version(context.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .exitOverride()
    .configureHelp({ helpWidth: 110, showGlobalOptions: false })
    .configureOutput({ writeOut: (text) => void process.writeOut(new TextEncoder().encode(text)).catch(() => {}), writeErr: (text) => process.writeError(text) })
    .showHelpAfterError("(--help shows how it is used)");
  const serve = addServe(program, context);
  addTopics(program, context);
  addProduce(program, context);
  addConsume(program, context);
  program.addHelpText("after", () => `\nWithout a command, serve's options:\n${serve.createHelp().formatHelp(serve, serve.createHelp()).split("\n\nExamples")[0]?.replace(/^[\s\S]*?Options:\n/, "")}`);
  program.addHelpText(
    "after",
    "\nExamples:\n  moldau\n  moldau topics create events\n  echo hello | moldau produce events\n  moldau consume events --follow",
  );
  return program;
}

/** Runs one command line; resolves to the exit code. */
export async function run(runtime: Runtime, version: string): Promise<number> {
  const { process } = runtime;
  try {
    await buildProgram({ runtime, version }).parseAsync([...process.args], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof BrokenPipeError) return 0;
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const isExpected = error instanceof UserError || error instanceof ClientError || error instanceof MoldauError || error instanceof StorageError;
    process.writeError(isExpected ? `moldau: ${error.message}\n` : `moldau: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`);
    return 1;
  }
}
