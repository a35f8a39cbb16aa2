// The bare servers as a web-standard handler, for runtimes whose own server takes one.
//
// Owns: what each kind answers. Never: listens (bun.ts, deno.ts).

import { drainApp, parseApp, wholeApp } from "./apps.ts";

export type WebHandler = (request: Request) => Response | Promise<Response>;

/** `readFile` gives a part of the file to be served, in the runtime's own fastest form of a body. */
export function webHandler(
  kind: string,
  readFile: (
    position: number,
    bytes: number,
  ) => Blob | Uint8Array<ArrayBuffer> | Promise<Blob | Uint8Array<ArrayBuffer>>,
): WebHandler {
  switch (kind.replace(/-h2$/, "")) {
    case "bare-drain":
      return async (request) => {
        const { byteLength } = await request.arrayBuffer();
        return Response.json({ bytes: byteLength });
      };
    case "hono-drain":
      return drainApp().fetch as WebHandler;
    case "hono-whole":
      return wholeApp().fetch as WebHandler;
    case "hono-parse":
      return parseApp().fetch as WebHandler;
    case "bare-file":
      return async (request) => {
        const query = new URL(request.url).searchParams;
        return new Response(await readFile(Number(query.get("position")), Number(query.get("bytes"))));
      };
    default:
      throw new Error(`there is no server '${kind}'`);
  }
}
