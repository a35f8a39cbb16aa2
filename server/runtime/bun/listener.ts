// HTTP/1.1 and HTTP/2 on one port under Bun: Bun.serve, ten times faster there than node:http2.
//
// Owns: the options without which it breaks: `http2` (h2c clients get a protocol error),
//   `idleTimeout: 0` (a quiet long poll is cut after 10 s), `reusePort: false` (a second process
//   on the port is told nothing, and they share the connections).
// Never: looks into a request.

import process from "node:process";
import { ListenError, type ListenErrorKind, type Listener, type ServeOptions } from "../runtime.ts";
import { collecting, collectOnGrowth, createCollector } from "../web/collect.ts";

// The least of bun-types that is used, declared here so that Bun's globals stay out of the rest.
interface BunServer {
  readonly port: number;
  stop(closeActiveConnections?: boolean): Promise<void>;
}
declare const Bun: {
  readonly version: string;
  gc(synchronously: boolean): void;
  serve(options: {
    hostname: string;
    port: number;
    http2: boolean;
    idleTimeout: number;
    reusePort: boolean;
    maxRequestBodySize: number;
    tls?: { key: string; cert: string };
    development: boolean;
    fetch: (request: Request) => Response | Promise<Response>;
    error: (error: unknown) => Response;
  }): BunServer;
};

export const bunVersion: string = Bun.version;

export function collectBun(): void {
  Bun.gc(true);
}

export async function serveBun(options: ServeOptions): Promise<Listener> {
  const onError = options.onError ?? (() => {});
  const inFlight = new Set<Promise<unknown>>();
  const fetch = collecting(options.fetch, createCollector(collectBun));
  let server: BunServer;
  try {
    server = Bun.serve({
      hostname: options.host,
      port: options.port,
      http2: true,
      idleTimeout: 0,
      reusePort: false,
      // The app limits a body itself, with a problem document.
      maxRequestBodySize: Number.MAX_SAFE_INTEGER,
      development: false,
      ...(options.tls === undefined ? {} : { tls: options.tls }),
      fetch(request) {
        const answer = fetch(request);
        const settled: Promise<boolean> = answer.then(
          () => inFlight.delete(settled),
          () => inFlight.delete(settled),
        );
        inFlight.add(settled);
        return answer;
      },
      error(error) {
        onError(error);
        return new Response(null, { status: 500 });
      },
    });
  } catch (error) {
    throw listenError(error as Error & { code?: string }, options);
  }

  const endCollecting = collectOnGrowth(() => process.memoryUsage.rss(), collectBun);
  let closing: Promise<void> | undefined;
  async function close(graceMs: number): Promise<void> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, graceMs);
    });
    // stop(false) resolves before requests that still wait are answered, so they are counted here.
    await Promise.race([late, Promise.all([server.stop(false), ...inFlight])]);
    clearTimeout(timer);
    await server.stop(true);
    endCollecting();
  }
  return { port: server.port, close: (graceMs) => (closing ??= close(graceMs)) };
}

const kinds: Readonly<Record<string, ListenErrorKind>> = {
  EADDRINUSE: "in-use",
  EACCES: "permission",
  EADDRNOTAVAIL: "address",
};

function listenError(error: Error & { code?: string }, options: ServeOptions): ListenError {
  const kind = kinds[error.code ?? ""] ?? (options.tls === undefined ? "other" : "tls");
  return new ListenError(kind, error.message, error);
}
