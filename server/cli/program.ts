// The command line: which commands there are, and how they end.
//
// Owns: exit codes. 0: done, or whoever read our output has gone. 1: it could not be done; one
//   line says why. 2: the command line itself is wrong. `log` and `check` have their own:
//   1 for damage found, 1 for a property that is violated.
// Never: does a command's work.

import { Command, CommanderError } from "commander";
import { MoldauError, StorageError } from "../../engine/index.ts";
import { BrokenPipeError, type Runtime } from "../runtime/runtime.ts";
import { addCheck } from "./check.ts";
import { ClientError } from "./client.ts";
import { addConsume } from "./consume.ts";
import { addGroups } from "./groups.ts";
import { addLog } from "./log.ts";
import { type CommandContext, Exit, UserError } from "./options.ts";
import { addProduce } from "./produce.ts";
import { addServe } from "./serve.ts";
import { addTopics, examples } from "./topics.ts";

export function buildProgram(context: CommandContext): Command {
  const { process } = context.runtime;
  const program = new Command("moldau")
    .description("An event log: topics, partitions and offsets over HTTP. Without a command it serves.")
    .version(context.version, "-V, --version", "print the version")
    .helpOption("-h, --help", "print this help")
    .exitOverride()
    .configureHelp({ helpWidth: 110, showGlobalOptions: false })
    .configureOutput({
      writeOut: (text) => void process.writeOut(new TextEncoder().encode(text)).catch(() => {}),
      writeErr: (text) => process.writeError(text),
    })
    .showHelpAfterError("(--help shows how it is used)");
  const serve = addServe(program, context);
  addTopics(program, context);
  addProduce(program, context);
  addConsume(program, context);
  addGroups(program, context);
  addLog(program, context);
  addCheck(program, context);
  program.addHelpText("after", () => {
    const help = program.createHelp();
    return `\nOptions of serve, and of moldau alone:\n${help
      .formatHelp(serve, help)
      .replace(/^[\s\S]*?Options:\n/, "")
      .trimEnd()}`;
  });
  program.addHelpText(
    "after",
    examples(
      "moldau",
      "moldau topics create events",
      "echo hello | moldau produce events",
      "moldau consume events --follow",
      "moldau log verify",
      "moldau check --target kafka://127.0.0.1:9092",
    ),
  );
  return program;
}

/** Runs one command line; resolves to the exit code. */
export async function run(runtime: Runtime, version: string): Promise<number> {
  const { process } = runtime;
  try {
    const program = buildProgram({ runtime, version });
    // The default command would take a mistyped one for an argument of its own.
    const [first = "-"] = process.args;
    if (!/^-|^help$/.test(first) && !program.commands.some((command) => command.name() === first)) {
      program.error(`error: there is no command '${first}'`);
    }
    await program.parseAsync([...process.args], { from: "user" });
    return 0;
  } catch (error) {
    if (error instanceof BrokenPipeError) return 0;
    if (error instanceof Exit) return error.code;
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2;
    const isExpected =
      error instanceof UserError ||
      error instanceof ClientError ||
      error instanceof MoldauError ||
      error instanceof StorageError;
    process.writeError(
      isExpected
        ? `moldau: ${error.message}\n`
        : `moldau: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`,
    );
    return error instanceof UserError ? error.exitCode : 1;
  }
}
