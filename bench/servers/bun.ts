// The bare servers under Bun: `bun.ts <kind> [file]`; the port goes to standard output.
//
// Never: ends by itself before its standard input does.

import { webHandler } from "./web.ts";

declare const Bun: {
  serve(options: {
    hostname: string;
    port: number;
    http2: boolean;
    idleTimeout: number;
    fetch: (request: Request) => Response | Promise<Response>;
  }): { readonly port: number };
  file(path: string): { slice(start: number, end: number): Blob };
};

const [kind = "", path = ""] = process.argv.slice(2);
const handler = webHandler(kind, (position, bytes) => Bun.file(path).slice(position, position + bytes));
const { port } = Bun.serve({ hostname: "127.0.0.1", port: 0, http2: true, idleTimeout: 0, fetch: handler });
console.log(`http://127.0.0.1:${port}`);
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();
