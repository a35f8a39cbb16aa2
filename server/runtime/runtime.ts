// What a runtime is to the CLI: a listener, files, a process. `#runtime` is one of these.
//
// Owns: the contract. node/, bun/ and deno/ implement it; package.json `imports` picks one.
// Never: an implementation, or a look at which runtime runs us.

import type { Storage } from "../../engine/port/storage.ts";
import type { Decompressor } from "../../engine/port/world.ts";
import type { Exchange } from "../exchange.ts";

export interface TlsOptions {
  /** PEM texts. */
  readonly key: string;
  readonly cert: string;
}

export interface ServeOptions {
  readonly fetch: (request: Request, exchange?: Exchange) => Response | Promise<Response>;
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly tls?: TlsOptions;
  /** What went wrong below HTTP or was thrown by `fetch`; the listener goes on. */
  readonly onError?: (error: unknown) => void;
}

/** HTTP/1.1 and HTTP/2 on one port: h2c by prior knowledge, or both by ALPN under TLS. */
export interface Listener {
  readonly port: number;
  /** Stops accepting, lets requests in flight finish for `graceMs`, then cuts them. Idempotent. */
  close(graceMs: number): Promise<void>;
}

export type ListenErrorKind = "in-use" | "permission" | "address" | "tls" | "other";

/** Why a listener could not start; the message is the system's. */
export class ListenError extends Error {
  readonly kind: ListenErrorKind;

  constructor(kind: ListenErrorKind, message: string, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ListenError";
    this.kind = kind;
  }
}

export type Signal = "SIGINT" | "SIGTERM";

/** A closed pipe: whoever read our output has gone. */
export class BrokenPipeError extends Error {
  constructor() {
    super("the reader of the output has gone");
    this.name = "BrokenPipeError";
  }
}

export interface Process {
  /** Without the program itself. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly stdoutIsTerminal: boolean;
  readonly stderrIsTerminal: boolean;
  readonly stdinIsTerminal: boolean;
  /** Chunks of any size, the reader's own; pulled one at a time. */
  stdin(): AsyncIterable<Uint8Array>;
  /** Resolves when the bytes are handed over: a slow reader slows the writer. BrokenPipeError when it has gone. */
  writeOut(bytes: Uint8Array): Promise<void>;
  /** Small texts for people; never throws. */
  writeError(text: string): void;
  /** `isRepeated`: asked once more, and not merely told twice (a terminal and npm both pass a Ctrl-C on). */
  onSignal(run: (signal: Signal, isRepeated: boolean) => void): void;
  exit(code: number): never;
  readTextFile(path: string | URL): string;
  /** The absolute form of a path. */
  resolvePath(path: string): string;
}

export interface Runtime {
  readonly name: "node" | "bun" | "deno";
  readonly version: string;
  readonly process: Process;
  readonly decompressor: Decompressor;
  /** Rejects with ListenError. */
  serve(options: ServeOptions): Promise<Listener>;
  /** Opens a data folder of files and takes its lock. */
  openStorage(folder: string): Promise<Storage>;
  /** Opens a folder that is there, to read only. With `lock` it must not be in use, and is not while this is open. */
  openReadOnlyStorage(folder: string, options: { readonly lock: boolean }): Promise<Storage>;
}
