// HTTP/1.1 and HTTP/2 on one port under Deno: Deno.serve. Its node:http2 servers crash when a
// client says GOAWAY.
//
// Owns: Deno.serve's life, and how Deno's V8 is made to collect (web/collect.ts). Never: looks into a request.

import process from "node:process";
import { exposeCollection } from "../node/collection.ts";
import { ListenError, type ListenErrorKind, type Listener, type ServeOptions } from "../runtime.ts";
import { collecting, collectOnGrowth, createCollector } from "../web/collect.ts";

// The least of Deno's types that is used.
interface DenoServer {
  readonly addr: { readonly port: number };
  shutdown(): Promise<void>;
}
declare const Deno: {
  readonly version: { readonly deno: string };
  serve(
    options: {
      hostname: string;
      port: number;
      onListen: () => void;
      onError: (error: unknown) => Response;
      key?: string;
      cert?: string;
    },
    handler: (request: Request, info: { readonly completed: Promise<void> }) => Response | Promise<Response>,
  ): DenoServer;
};

export const denoVersion: string = Deno.version.deno;

export async function serveDeno(options: ServeOptions): Promise<Listener> {
  const onError = options.onError ?? (() => {});
  hushLegacyAbort();
  const inFlight = new Set<Promise<unknown>>();
  const collect = exposeCollection();
  const fetch = collecting(
    options.fetch,
    createCollector(() => collect({ type: "minor" })),
  );
  let server: DenoServer;
  try {
    server = Deno.serve(
      {
        hostname: options.host,
        port: options.port,
        onListen: () => {},
        onError(error) {
          onError(error);
          return new Response(null, { status: 500 });
        },
        ...(options.tls === undefined ? {} : options.tls),
      },
      (request, info) => {
        const settled: Promise<boolean> = info.completed.then(
          () => inFlight.delete(settled),
          () => inFlight.delete(settled),
        );
        inFlight.add(settled);
        return fetch(request, { onSent: (run) => void info.completed.then(run, run) });
      },
    );
  } catch (error) {
    throw listenError(error as Error, options);
  }

  const endCollecting = collectOnGrowth(
    () => process.memoryUsage().rss,
    () => collect({ type: "major" }),
  );
  let closing: Promise<void> | undefined;
  async function close(graceMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    // shutdown() drops HTTP/2 requests in flight, so they come first. Aborting Deno.serve's signal
    // after it throws BadResource, so what is late is left to the exit.
    await Promise.race([late, Promise.all(inFlight)]);
    await Promise.race([late, server.shutdown()]);
    clearTimeout(timer);
    endCollecting();
  }
  return { port: server.addr.port, close: (graceMs) => (closing ??= close(graceMs)) };
}

let hushed = false;

/**
 * Deno says once, on console.warn, that request.signal also aborts after an answer was sent.
 * Ours ignores that abort, and whoever runs a broker can do nothing about it.
 */
function hushLegacyAbort(): void {
  if (hushed) return;
  hushed = true;
  const warn = console.warn;
  console.warn = (...words: unknown[]) => {
    if (!String(words[0]).startsWith("Deno.serve: request.signal aborts on successful")) warn(...words);
  };
}

const kinds: Readonly<Record<string, ListenErrorKind>> = {
  AddrInUse: "in-use",
  PermissionDenied: "permission",
  NotCapable: "permission",
  AddrNotAvailable: "address",
};

function listenError(error: Error, options: ServeOptions): ListenError {
  const kind = kinds[error.name] ?? (options.tls === undefined ? "other" : "tls");
  return new ListenError(kind, error.message, error);
}
