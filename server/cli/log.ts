// `moldau log`: looks inside a data folder that no broker has open.
//
// Owns: the subcommands, their flags and their help. Never: does their work.

import { type Command, Option } from "commander";
import { type DumpFlags, dump } from "./log-dump.ts";
import { type IndexFlags, index } from "./log-index.ts";
import { reading } from "./log-target.ts";
import { type VerifyFlags, verify } from "./log-verify.ts";
import { type CommandContext, dataFolderOption, oneOf } from "./options.ts";
import { parseInteger } from "./parse.ts";
import { examples } from "./topics.ts";

const pathHelp = "a data folder, a partition's folder, or one of its files; --data-dir when it is left out";

export function addLog(program: Command, { runtime }: CommandContext): void {
  const log = program.command("log").description("look inside the log's files, while no broker has them open");
  log.addHelpText(
    "after",
    examples(
      "moldau log verify",
      "moldau log dump --topic events",
      "moldau log index ./moldau-data/events-0 --offset 42",
    ),
  );

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
    .action((path: string | undefined, flags: VerifyFlags & Place) =>
      reading(() => verify(path ?? flags.dataDir, flags, runtime)),
    );

  log
    .command("dump")
    .description("print segments and their batches, as kafka-dump-log does; with --records what is in them")
    .argument("[path]", pathHelp)
    .addOption(dataFolderOption("the data folder"))
    .option("-t, --topic <topic>", "this topic only")
    .option("-p, --partition <number>", "this partition of --topic only", parseInteger("A partition", 0))
    .option("-o, --from <offset>", "pass over what ends below this offset", parseInteger("The offset", 0), 0)
    .option(
      "-n, --limit <count>",
      "stop after so many batches, or records with --records",
      parseInteger("The limit", 1),
    )
    .option("-r, --records", "print the records, opening compressed batches")
    .option("-i, --indexes", "print the entries of the indexes too")
    .addOption(
      new Option("--values <manner>", "keys and values as string (base64 where that is not UTF-8), json, or base64")
        .default("string")
        .argParser(oneOf("string", "json", "base64")),
    )
    .option("--json", "print one JSON object a line")
    .addHelpText(
      "after",
      examples(
        "moldau log dump --topic events",
        "moldau log dump ./moldau-data/events-0 --from 93847 --limit 10 --records",
        "moldau log dump ./moldau-data/events-0/00000000000000000000.index",
        "moldau log dump ./moldau-data/events-0/00000000000000093847.snapshot --json",
      ),
    )
    .action((path: string | undefined, flags: DumpFlags & Place) =>
      reading(() => dump(path ?? flags.dataDir, flags, runtime)),
    );

  log
    .command("index")
    .description("show and check the indexes of a partition, and where they lead; exit 1 when one is wrong")
    .argument("[path]", "a partition's folder or one of its files; with --topic a data folder, or --data-dir")
    .addOption(dataFolderOption("the data folder"))
    .option("-t, --topic <topic>", "the topic, where the path is a data folder")
    .option("-p, --partition <number>", "its partition (0)", parseInteger("A partition", 0))
    .addOption(
      new Option("-o, --offset <offset>", "find the batch of this offset")
        .argParser(parseInteger("The offset", 0))
        .conflicts(["timestamp", "rebuild"]),
    )
    .addOption(
      new Option("--timestamp <ms>", "find the first batch at or after this time, milliseconds since 1970")
        .argParser(parseInteger("The timestamp", 0))
        .conflicts("rebuild"),
    )
    .option("--rebuild", "make the indexes anew from their .log files; the only thing `log` ever writes")
    .option(
      "--interval <bytes>",
      "an entry about every so many bytes, with --rebuild (the topic's index.interval.bytes; 4096 outside a data folder)",
      parseInteger("The interval", 0),
    )
    .option("--json", "print one JSON object a line")
    .addHelpText(
      "after",
      examples(
        "moldau log index --topic events --partition 0",
        "moldau log index ./moldau-data/events-0 --offset 93900",
        "moldau log index ./moldau-data/events-0 --timestamp 1767225600000",
        "moldau log index ./moldau-data/events-0/00000000000000000000.index --rebuild",
      ),
    )
    .action((path: string | undefined, flags: IndexFlags & Place) =>
      reading(() => index(path ?? flags.dataDir, flags, runtime)),
    );
}

interface Place {
  readonly dataDir: string;
}
