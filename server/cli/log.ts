// `moldau log`: looks inside a data folder that no broker has open.
//
// Owns: the subcommands, their flags and their help. Never: does their work.

import type { Command } from "commander";
import { type VerifyFlags, verify } from "./log-verify.ts";
import { type CommandContext, dataFolderOption } from "./options.ts";
import { parseInteger } from "./parse.ts";
import { examples } from "./topics.ts";

const pathHelp = "a data folder, a partition's folder, or one of its files; --data-dir when it is left out";

export function addLog(program: Command, { runtime }: CommandContext): void {
  const log = program.command("log").description("look inside the log's files, while no broker has them open");
  log.addHelpText("after", examples("moldau log verify", "moldau log verify ./moldau-data/events-0 --json"));

  log
    .command("verify")
    .description("check every file, and say what the next start would do; exit 1 when something is wrong")
    .argument("[path]", pathHelp)
    .addOption(dataFolderOption("the data folder"))
    .option("-t, --topic <topic>", "this topic only")
    .option("-p, --partition <number>", "this partition of --topic only", parseInteger("A partition", 0))
    .option("-n, --limit <findings>", "print so many findings (1000) and count the rest", parseInteger("The limit", 0))
    .option("--shallow", "don't open compressed batches: their checksums are checked, their records are not counted")
    .option("--no-trial", "don't try the next start")
    .option("--json", "print one JSON object a line")
    .addHelpText(
      "after",
      examples(
        "moldau log verify",
        "moldau log verify /var/lib/moldau --topic events --partition 0",
        "moldau log verify ./moldau-data/events-0/00000000000000000000.log",
        "moldau log verify --json | jq 'select(.severity == \"error\")'",
      ),
    )
    .action((path: string | undefined, flags: VerifyFlags & { readonly dataDir: string }) =>
      verify(path ?? flags.dataDir, flags, runtime),
    );
}
