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

/** What listens on a port: HTTP/1.1 and HTTP/2 (h2c by prior knowledge, or both by ALPN under TLS), or plain TCP. */
export interface Listener {
  readonly port: number;
  /** Stops accepting, lets requests in flight finish for `graceMs`, then cuts them. Idempotent. */
  close(graceMs: number): Promise<void>;
}

/** The bytes that go to a peer of a TCP connection. None of it is called after `end`. */
export interface SocketWire {
  /**
   * Takes chunks to send, whose memory is lent until it calls `sent`: once, when the last byte has
   * left or never will. False when it holds enough: no further `write` before `drained`.
   */
  write(chunks: readonly Uint8Array[], sent: () => void): boolean;
  /** Reads no more until `resume`. What was on its way may still be handed over. */
  pause(): void;
  resume(): void;
  /** Closes it, once what was written has left. */
  end(): void;
}

/** What a face makes of the bytes that come. */
export interface SocketPeer {
  /** The peer's own from now on. */
  receive(chunk: Uint8Array): void;
  drained(): void;
  /** The connection is gone. */
  closed(): void;
  /** Nothing more will come, or is wanted: it answers what it has in hand, and ends the wire. */
  finish(): void;
}

export interface SocketAddresses {
  /** "127.0.0.1:51234" */
  readonly remote: string;
  /** Where the peer reached us. */
  readonly local: { readonly host: string; readonly port: number };
}

export interface ListenOptions {
  readonly host: string;
  /** 0 takes a free one. */
  readonly port: number;
  readonly connect: (wire: SocketWire, addresses: SocketAddresses) => SocketPeer;
  /** What a connection met, for the log; the listener goes on. */
  readonly onError: (error: Error, remote: string | null) => void;
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

/** A command and all that it started: one process group. */
export interface RunningCommand {
  /** How the command itself ended, for people. Never rejects. */
  readonly ended: Promise<string>;
  /** To all of the group; nothing happens when nobody is left. */
  signal(name: "SIGTERM" | "SIGKILL"): void;
  /** Whether anyone of the group is left. */
  isAlive(): boolean;
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
  /** Throws when it can't. A file that is there is replaced. */
  writeTextFile(path: string, text: string): void;
  /** Throws when `writeTextFile` could not write there, as far as that can be told without it; leaves nothing behind. */
  checkWritable(path: string): void;
  /** Runs a line with the shell, beside this process and no longer than it. `onOutput` is told what it prints on either stream. */
  startCommand(line: string, onOutput: (text: string) => void): RunningCommand;
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
  /** Plain TCP. Rejects with ListenError. */
  listen(options: ListenOptions): Promise<Listener>;
  /** Opens a data folder of files and takes its lock. */
  openStorage(folder: string): Promise<Storage>;
  /** Opens a folder that is there, to read only. With `lock` it must not be in use, and is not while this is open. */
  openReadOnlyStorage(folder: string, options: { readonly lock: boolean }): Promise<Storage>;
}
