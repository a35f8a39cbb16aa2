// The bare servers under Deno: `deno.ts <kind> [file]`; the port goes to standard output.
//
// Never: ends by itself before its standard input does.

import { open } from "node:fs/promises";
import { webHandler } from "./web.ts";

declare const Deno: {
  serve(
    options: { hostname: string; port: number; onListen: (address: { readonly port: number }) => void },
    handler: (request: Request) => Response | Promise<Response>,
  ): unknown;
};

const [kind = "", path = ""] = process.argv.slice(2);
const file = path === "" ? null : await open(path, "r");
const handler = webHandler(kind, async (position, bytes) => {
  const buffer = new Uint8Array(bytes);
  const read = await file?.read(buffer, 0, bytes, position);
  return buffer.subarray(0, read?.bytesRead ?? 0);
});
Deno.serve(
  { hostname: "127.0.0.1", port: 0, onListen: ({ port }) => console.log(`http://127.0.0.1:${port}`) },
  handler,
);
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
