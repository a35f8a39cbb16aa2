// A small client of Moldau's HTTP face, for the commands.
//
// Owns: one request and its answer as data or as a ClientError; what may be tried again, and when.
// Never: prints.

/** An answer that is no success, or none at all. */
export class ClientError extends Error {
  /** The server's code; UNREACHABLE when there was no answer. */
  readonly code: string;
  readonly retriable: boolean;

  constructor(code: string, message: string, retriable: boolean, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.name = "ClientError";
    this.code = code;
    this.retriable = retriable;
  }
}

export interface ClientRequest {
  readonly method?: "GET" | "PUT" | "POST" | "PATCH" | "DELETE";
  readonly query?: Readonly<Record<string, string | number | undefined>>;
  readonly headers?: Readonly<Record<string, string>>;
  /** Bytes go as they are; anything else as JSON. */
  readonly body?: unknown;
  readonly signal?: AbortSignal | undefined;
}

export interface TopicDescription {
  readonly name: string;
  readonly id: string;
  readonly partitions: readonly {
    readonly partition: number;
    readonly state: string;
    readonly reason?: string;
    readonly logStartOffset: number;
    readonly highWatermark: number;
    readonly logEndOffset: number;
    readonly leaderEpoch: number;
    readonly segments: number;
    readonly sizeBytes: number;
  }[];
  readonly configs: Readonly<Record<string, { readonly value: string; readonly source: string }>>;
}

export interface RawBatches {
  readonly bytes: Uint8Array;
  readonly highWatermark: number;
  readonly nextOffset: number;
}

interface Failure {
  readonly code?: string;
  readonly message?: string;
}

/** As Node, Bun and Deno say it. */
const nobodyThere =
  /refused|ENOTFOUND|EAI_AGAIN|EHOSTUNREACH|ENETUNREACH|unable to connect|dns error|lookup|nothing came/i;

export const rawType = "application/vnd.kafka.record-batch";

export class Client {
  readonly url: string;

  constructor(url: string) {
    this.url = url;
  }

  async json<T>(path: string, request: ClientRequest = {}): Promise<T> {
    const response = await this.send(path, request);
    return (await this.#patiently(request.signal, () => response.json())) as T;
  }

  describe(topic: string, signal?: AbortSignal): Promise<TopicDescription> {
    return this.json<TopicDescription>(topicPath(topic), { signal });
  }

  async fetchRaw(
    topic: string,
    partition: number,
    query: ClientRequest["query"],
    signal?: AbortSignal,
  ): Promise<RawBatches> {
    const path = `${topicPath(topic)}/partitions/${partition}/records`;
    const response = await this.send(path, { query, headers: { accept: rawType }, signal } as ClientRequest);
    const buffer = await this.#patiently(signal, () => response.arrayBuffer());
    return {
      bytes: new Uint8Array(buffer),
      highWatermark: offsetHeader(response, "moldau-high-watermark"),
      nextOffset: offsetHeader(response, "moldau-next-offset"),
    };
  }

  /** Rejects with ClientError unless the status is a success. */
  async send(path: string, request: ClientRequest): Promise<Response> {
    const url = new URL(this.url + path);
    for (const [name, value] of Object.entries(request.query ?? {})) {
      if (value !== undefined) url.searchParams.set(name, String(value));
    }
    const headers: Record<string, string> = { ...request.headers };
    let body: unknown = request.body;
    if (body !== undefined && !(body instanceof Uint8Array)) {
      headers["content-type"] ??= "application/json";
      body = JSON.stringify(body);
    }
    const response = await this.#patiently(request.signal, (signal) =>
      fetch(url, { method: request.method ?? "GET", headers, body: body as string | null, signal }),
    );
    if (response.ok) return response;
    throw await this.#problem(response);
  }

  /**
   * Waits for an answer, or for its body, but not for ever. The timer also keeps the process alive:
   * Node's fetch may never settle when a server hangs up at once, and the command would just end.
   */
  async #patiently<T>(signal: AbortSignal | undefined, ask: (signal: AbortSignal) => Promise<T>): Promise<T> {
    const patience = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    const late = new Promise<never>((_, reject) => {
      timer = setTimeout(() => {
        const error = new Error(`nothing came for ${patienceMs / 1000} s`);
        patience.abort(error);
        reject(error);
      }, patienceMs);
    });
    const either = signal === undefined ? patience.signal : AbortSignal.any([signal, patience.signal]);
    try {
      return await Promise.race([ask(either), late]);
    } catch (error) {
      throw this.#unreachable(error, signal);
    } finally {
      clearTimeout(timer);
    }
  }

  #unreachable(error: unknown, signal: AbortSignal | undefined): unknown {
    if (signal?.aborted === true) return signal.reason;
    const { cause, code, message } = error as { cause?: Failure; code?: string; message: string };
    const why = cause?.code ?? cause?.message ?? message;
    const hint = nobodyThere.test(`${code} ${cause?.code} ${cause?.message} ${message}`)
      ? "is the server running? `moldau` starts one"
      : "something is there that does not answer as Moldau does: is it the HTTP port, and http or https?";
    return new ClientError("UNREACHABLE", `no answer from ${this.url} (${why}): ${hint}`, true, error);
  }

  async #problem(response: Response): Promise<ClientError> {
    const text = await response.text().catch(() => "");
    try {
      const problem = JSON.parse(text) as { code?: string; detail?: string; retriable?: boolean };
      if (typeof problem.code === "string") {
        return new ClientError(problem.code, problem.detail ?? problem.code, problem.retriable === true);
      }
    } catch {
      // Not one of ours: a proxy, or another server.
    }
    const retriable = [408, 429, 502, 503, 504].includes(response.status);
    return new ClientError(
      "HTTP",
      `${this.url} answered ${response.status} ${response.statusText}: is it Moldau?`,
      retriable,
    );
  }
}

export interface RetryOptions {
  /** Since the first failure. */
  readonly giveUpAfterMs: number;
  readonly signal?: AbortSignal | undefined;
  readonly onRetry?: (error: ClientError) => void;
}

/** Longer than the server may take to acknowledge (30 s) or a long poll waits (20 s). */
const patienceMs = 45_000;
const firstPauseMs = 50;
const longestPauseMs = 2000;

/** Tries again while the error says that this may help. What is tried has to be safe to repeat. */
export async function retrying<T>(attempt: () => Promise<T>, options: RetryOptions): Promise<T> {
  let failedSince: number | undefined;
  let pauseMs = firstPauseMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (!(error instanceof ClientError) || !error.retriable) throw error;
      failedSince ??= performance.now();
      if (performance.now() + pauseMs - failedSince > options.giveUpAfterMs) throw error;
      options.onRetry?.(error);
    }
    await pause(pauseMs, options.signal);
    pauseMs = Math.min(longestPauseMs, pauseMs * 2);
  }
}

export function topicPath(topic: string): string {
  return `/v1/topics/${encodeURIComponent(topic)}`;
}

function pause(delayMs: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) return reject(signal.reason);
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", stop);
      resolve();
    }, delayMs);
    signal?.addEventListener("abort", stop, { once: true });
  });
}

function offsetHeader(response: Response, name: string): number {
  const value = Number(response.headers.get(name) ?? "missing");
  if (Number.isSafeInteger(value)) return value;
  throw new ClientError("HTTP", `the answer has no ${name} header: is it Moldau?`, false);
}
