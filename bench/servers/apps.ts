// The Hono applications that Moldau's face is held against: what any server does, and no more.
//
// Never: listens (node.ts, bun.ts, deno.ts).

import { Hono } from "hono";

/** Reads a body to its end, and says how long it was. */
export function drainApp(): Hono {
  const app = new Hono();
  app.post("/drain", async (context) => {
    let bytes = 0;
    const reader = context.req.raw.body?.getReader();
    for (;;) {
      const read = await reader?.read();
      if (read === undefined || read.done) break;
      bytes += read.value.length;
    }
    return context.json({ bytes });
  });
  return app;
}

/** The same, by what reads a body at once. */
export function wholeApp(): Hono {
  const app = new Hono();
  app.post("/drain", async (context) => context.json({ bytes: (await context.req.arrayBuffer()).byteLength }));
  return app;
}

/** Parses a body, and says how many records it had. */
export function parseApp(): Hono {
  const app = new Hono();
  app.post("/parse", async (context) => {
    const { records } = await context.req.json<{ records: unknown[] }>();
    return context.json({ records: records.length });
  });
  return app;
}
