// One process a folder: who holds it listens on a unix socket in it.
//
// Owns: the files `.lock-*` of the folder. Never: keeps the process alive.
// Reach: the processes of one machine, containers that share the folder included; not other
//   machines that share it over a network.
//
// Invariants: a contender listens on a socket of its own name first and looks for others after,
//   so of two at least one sees the other; names are never used twice, so what refused a
//   connection once can be removed, and only a holder removes. A socket that refuses is left from a
//   process that is gone.

import { randomBytes } from "node:crypto";
import { closeSync, existsSync, openSync, readdirSync, rmSync } from "node:fs";
import type { Server } from "node:net";
import { connect, createServer } from "node:net";
import { join, relative } from "node:path";
import process from "node:process";
import { setTimeout as sleep } from "node:timers/promises";
import { StorageError } from "../../../engine/port/storage.ts";
import { codeOf, storageError } from "./storage-error.ts";

export interface FolderLock {
  release(): void;
}

// sun_path is 108 bytes on Linux and 104 on macOS, its closing zero included; beyond it some
// runtimes cut the name off without a word.
const addressLimitBytes = 103;
const answerWaitMs = 2000;
const attempts = 10;
// Two containers may both be process 1.
const thisProcess = randomBytes(8).toString("hex");

type Answer = { readonly state: "gone" | "trying" } | { readonly state: "held"; readonly by: string };

/** Whether a name in the data folder is the lock's. */
export function isLockName(name: string): boolean {
  return /^\.lock-[0-9a-f]{16}\.(sock|check)$/.test(name);
}

/** Takes the folder, or throws `locked` naming the process that has it. The folder exists. */
export async function lockFolder(folder: string): Promise<FolderLock> {
  checkWritable(folder);
  const addresses = new Addresses(folder);
  try {
    for (let attempt = 1; ; attempt++) {
      const contender = await Contender.enter(addresses);
      const verdict = await contender.look();
      if (verdict.state === "gone") return contender;
      contender.leave();
      if (verdict.state === "held")
        throw new StorageError(
          "locked",
          `${folder} is in use by ${verdict.by}: one process a data folder; stop that one, or choose another folder`,
        );
      if (attempt === attempts)
        throw new StorageError("locked", `${folder} is being opened by other processes: one process a data folder`);
      await sleep(20 + Math.random() * 50 * attempt);
    }
  } catch (error) {
    addresses.close();
    throw storageError(error, `cannot lock ${folder}`);
  }
}

/** Who holds a folder that cannot be written, and so not locked; null when nobody does. */
export async function heldBy(folder: string): Promise<string | null> {
  const addresses = new Addresses(folder);
  try {
    for (const name of addresses.names()) {
      if (!name.endsWith(".sock")) continue;
      const answer = await ask(addresses.of(name));
      if (answer.state === "held") return answer.by;
    }
    return null;
  } finally {
    addresses.close();
  }
}

function checkWritable(folder: string): void {
  const path = join(folder, lockName("check"));
  try {
    closeSync(openSync(path, "wx"));
    rmSync(path, { force: true });
  } catch (error) {
    throw storageError(
      error,
      `cannot write to the data folder ${folder}; give this user write permission, or choose another folder`,
    );
  }
}

function lockName(kind: "sock" | "check"): string {
  return `.lock-${randomBytes(8).toString("hex")}.${kind}`;
}

class Contender implements FolderLock {
  readonly #addresses: Addresses;
  readonly #name: string;
  readonly #server: Server;
  #held = false;

  private constructor(addresses: Addresses, name: string) {
    this.#addresses = addresses;
    this.#name = name;
    this.#server = createServer((socket) => {
      socket.on("error", () => {});
      socket.unref();
      socket.end(this.#held ? `held ${process.pid} ${thisProcess}\n` : "trying\n");
    });
    this.#server.unref();
  }

  static async enter(addresses: Addresses): Promise<Contender> {
    const contender = new Contender(addresses, lockName("sock"));
    await new Promise<void>((resolve, reject) => {
      contender.#server.once("error", reject);
      contender.#server.listen(addresses.of(contender.#name), resolve);
      contender.#server.ref();
    });
    contender.#server.unref();
    return contender;
  }

  /** Asks all others; `gone` when none is left, and then this one holds the folder. */
  async look(): Promise<Answer> {
    const others = this.#addresses.names().filter((name) => name !== this.#name);
    let verdict: Answer = { state: "gone" };
    for (const name of others) {
      if (!name.endsWith(".sock")) continue;
      const answer = await ask(this.#addresses.of(name));
      if (answer.state === "held") return answer;
      if (answer.state === "trying") verdict = answer;
    }
    if (verdict.state === "trying") return verdict;
    // A holder that looked before this one listened took it for a dead one's.
    if (!this.#addresses.names().includes(this.#name)) return { state: "trying" };
    this.#held = true;
    for (const name of others) this.#addresses.remove(name);
    return verdict;
  }

  leave(): void {
    // Its callback may never come: nothing here keeps the process alive for it.
    this.#server.close();
    this.#addresses.remove(this.#name);
  }

  release(): void {
    this.leave();
    this.#addresses.close();
  }
}

/** Asks a socket who listens. What neither answers nor refuses is alive: better no broker than two. */
async function ask(address: string): Promise<Answer> {
  return await new Promise<Answer>((resolve, reject) => {
    let heard = "";
    const socket = connect(address);
    const settle = (answer: Answer): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(() => settle({ state: "held", by: "a process that does not answer" }), answerWaitMs);
    socket.setEncoding("latin1");
    socket.on("data", (text: string) => {
      heard += text;
      if (!heard.endsWith("\n")) return;
      const [, holder, token] = /^held (\d+) ([0-9a-f]+)\n$/.exec(heard) ?? [];
      if (holder === undefined) settle({ state: "trying" });
      else settle({ state: "held", by: token === thisProcess ? "this process already" : `process ${holder}` });
    });
    socket.on("close", () => settle({ state: "trying" }));
    socket.on("error", (error) => {
      const code = codeOf(error);
      if (code === "ECONNREFUSED" || code === "ENOENT") return settle({ state: "gone" });
      if (code === "ECONNRESET" || code === "EPIPE") return settle({ state: "trying" });
      if (code === "EAGAIN") return settle({ state: "held", by: "a busy process" });
      clearTimeout(timer);
      reject(storageError(error, `cannot tell whether a process holds the folder; if none does, remove ${address}`));
    });
  });
}

/** Where the sockets of a folder are, by a way that is short enough for a socket's address. */
class Addresses {
  readonly #folder: string;
  readonly #descriptor: number | null;
  readonly #way: string;

  constructor(folder: string) {
    this.#folder = folder;
    const fits = (way: string): boolean => Buffer.byteLength(join(way, lockName("sock"))) <= addressLimitBytes;
    const near = `./${relative(process.cwd(), folder)}`;
    this.#descriptor = null;
    if (fits(folder)) this.#way = folder;
    else if (existsSync("/proc/self/fd")) {
      this.#descriptor = openSync(folder, "r");
      this.#way = `/proc/self/fd/${this.#descriptor}`;
    } else if (fits(near)) this.#way = near;
    else throw new StorageError("io", `the path ${folder} is too long for a socket in it; choose a shorter one`);
  }

  of(name: string): string {
    return this.#way.startsWith(".") ? `${this.#way}/${name}` : join(this.#way, name);
  }

  names(): string[] {
    return readdirSync(this.#folder).filter(isLockName);
  }

  remove(name: string): void {
    rmSync(join(this.#folder, name), { force: true });
  }

  close(): void {
    if (this.#descriptor !== null) closeSync(this.#descriptor);
  }
}
