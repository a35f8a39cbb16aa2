// A process of its own for storage.test.ts: does one thing with a data folder and says so in JSON.

import { statSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { StorageError } from "../../../engine/port/storage.ts";
import { openFileStorage } from "./storage.ts";

const [task = "", folder = ""] = process.argv.slice(2);

function say(what: Readonly<Record<string, unknown>>): void {
  process.stdout.write(`${JSON.stringify(what)}\n`);
}

try {
  const store = await openFileStorage(folder);
  if (task === "hold") {
    say({ held: true, pid: process.pid });
    process.stdin.resume();
    process.stdin.on("end", () => process.exit(0));
  } else if (task === "leave") {
    say({ held: true });
  } else if (task === "fill") {
    const file = store.create("full.log");
    let kind = "";
    while (kind === "" && file.sizeBytes < 8 * 1024 * 1024) {
      try {
        file.append(new Uint8Array(300_000).fill(7));
      } catch (error) {
        kind = error instanceof StorageError ? error.kind : String(error);
      }
    }
    const sizes = [file.sizeBytes, statSync(join(folder, "full.log")).size];
    file.append(new Uint8Array(100).fill(8));
    await store.sync([file]);
    const tail = new Uint8Array(101);
    await file.read(tail, file.sizeBytes - 101);
    say({ kind, sizes, tail: [tail[0], tail[1], tail[100]], sizeBytes: file.sizeBytes });
    await store.close();
  }
} catch (error) {
  say({ held: false, kind: error instanceof StorageError ? error.kind : "unknown", message: String(error) });
}
