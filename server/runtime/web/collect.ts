// Asks for a garbage collection after so many bytes of bodies.
//
// A body's bytes lie outside the heap, where no runtime counts them soon enough: at 1 MiB a
// request V8 let 100 MiB of dead bodies gather before it looked, JavaScriptCore all of them.
// They die young, so a cheap collection frees them.
//
// What has no length to count, a stream, shows only as growth: a look ten times a second sees it.
//
// Owns: the count, and the looks. Never: knows how a runtime collects.

const collectEveryBytes = 16 * 1024 * 1024;

export interface Collector {
  /** Counts a request's declared bytes and its answer's. */
  note(message: { readonly headers: Headers }): void;
  noteBytes(sizeBytes: number): void;
}

export function createCollector(collect: () => void, everyBytes: number = collectEveryBytes): Collector {
  let uncollectedBytes = 0;
  const noteBytes = (sizeBytes: number): void => {
    uncollectedBytes += sizeBytes;
    if (uncollectedBytes < everyBytes) return;
    uncollectedBytes = 0;
    collect();
  };
  return {
    note({ headers }) {
      const sizeBytes = Number(headers.get("content-length") ?? 0);
      if (sizeBytes > 0) noteBytes(sizeBytes);
    },
    noteBytes,
  };
}

const growthBytes = 32 * 1024 * 1024;
const lookEveryMs = 100;

/** Collects whenever the process has grown by `growthBytes` since the last time; the result ends it. */
export function collectOnGrowth(residentBytes: () => number, collect: () => void): () => void {
  let lowest = residentBytes();
  const timer = setInterval(() => {
    const now = residentBytes();
    lowest = Math.min(lowest, now);
    if (now - lowest < growthBytes) return;
    collect();
    lowest = residentBytes();
  }, lookEveryMs);
  return () => clearInterval(timer);
}

/** A handler whose requests and answers are counted. */
export function collecting<Rest extends readonly unknown[]>(
  fetch: (request: Request, ...rest: Rest) => Response | Promise<Response>,
  collector: Collector,
): (request: Request, ...rest: Rest) => Promise<Response> {
  return async (request, ...rest) => {
    collector.note(request);
    const response = await fetch(request, ...rest);
    collector.note(response);
    return response;
  };
}
