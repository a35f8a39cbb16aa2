// Flags that several commands share, and what a command is handed.
//
// Owns: their names, defaults and environment variables.
// Never: acts.

import { InvalidArgumentError, Option } from "commander";
import type { Runtime } from "../runtime/runtime.ts";
import { parseUrl } from "./parse.ts";

export interface CommandContext {
  readonly runtime: Runtime;
  readonly version: string;
}

/** A mistake that the command line cannot show before it runs; printed alone, exit 1 unless it says otherwise. */
export class UserError extends Error {
  readonly exitCode: number;

  constructor(message: string, exitCode = 1) {
    super(message);
    this.name = "UserError";
    this.exitCode = exitCode;
  }
}

/** Ends the command with this code; everything has been said. */
export class Exit extends Error {
  readonly code: number;

  constructor(code: number) {
    super(`exit ${code}`);
    this.name = "Exit";
    this.code = code;
  }
}

/** Where serve keeps its data, and where the tools look for it. */
export function dataFolderOption(description: string): Option {
  return new Option("--data-dir <folder>", description).env("MOLDAU_DATA_DIR").default("./moldau-data");
}

export const defaultUrl = "http://127.0.0.1:8080";
/** How long a command tries to reach a server that has gone. Milliseconds. */
export const giveUpAfterMs = 30_000;

export function urlOption(): Option {
  return new Option("-u, --url <url>", "the server").env("MOLDAU_URL").default(defaultUrl).argParser(parseUrl);
}

/** Parses a list of words as one of them. */
export function oneOf(...words: readonly string[]): (text: string) => string {
  return (text) => {
    if (words.includes(text)) return text;
    throw new InvalidArgumentError(`It is one of ${words.join(", ")}.`);
  };
}
