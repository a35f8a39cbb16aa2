// HTTP/2 windows, granted out of what requests may hold in memory together.
//
// Node gives a connection's window back as bytes arrive, read or not. What peers may make us hold
// of bodies that nobody reads yet is therefore their streams times a stream's window, and that is
// what is granted: much to the only connection, less to each of many.
//
// Owns: each connection's windows, from its first SETTINGS to its end.
// Never: counts bytes; nghttp2 holds a peer to what it was granted.
//
// Invariants: all that is granted stays within the budget, plus `floorBytes` a connection, which
//   HTTP/2 gives every peer before anything is agreed; a smaller window counts as the larger one
//   until the peer has acknowledged it, and a peer that does not is cut; a stream counts for the
//   largest window it ever had, because that much of it may lie here.

import { constants, type ServerHttp2Session, type ServerHttp2Stream, type Settings } from "node:http2";

/** As many requests of one connection are under way at once. */
export const maxStreams = 100;
/** What a stream has before a peer has acknowledged anything (RFC 9113, 6.9.2), and never less. Bytes. */
const floorWindowBytes = 64 * 1024;
/** Of any stream. Bytes. */
const maxWindowBytes = 8 * 1024 * 1024;
/** Large bodies come in few frames; a frame is handed on as it comes, never gathered. Bytes. */
const maxFrameBytes = 1024 * 1024;

/** What each connection may make us hold, however many there are. Bytes. */
export const floorBytes: number = maxStreams * floorWindowBytes;

/** What every connection begins with. */
export const firstSettings: Settings = {
  initialWindowSize: floorWindowBytes,
  maxFrameSize: maxFrameBytes,
  maxConcurrentStreams: maxStreams,
  enablePush: false,
};

interface Grant {
  readonly session: ServerHttp2Session;
  /** Streams with a body, and the largest window that each of them had. */
  readonly bodies: Map<ServerHttp2Stream, number>;
  /** As last sent. */
  windowBytes: number;
  /** As a new stream may use it: while a smaller one is on its way, the larger one. */
  usableBytes: number;
  /** All that the peer may make us hold. */
  countedBytes: number;
  isAwaited: boolean;
  /** Cuts a peer that does not acknowledge. */
  late: NodeJS.Timeout | undefined;
}

export class WindowGrants {
  readonly #budgetBytes: number;
  readonly #acknowledgeMs: number;
  readonly #grants: Set<Grant> = new Set();
  /** Those that have another window than they should. */
  readonly #unsettled: Set<Grant> = new Set();
  #countedBytes = 0;
  #shareBytes = 0;

  /** `acknowledgeMs`: how long a peer may take to acknowledge a smaller window. */
  constructor(budgetBytes: number, acknowledgeMs: number) {
    this.#budgetBytes = budgetBytes;
    this.#acknowledgeMs = acknowledgeMs;
  }

  add(session: ServerHttp2Session): void {
    const grant: Grant = {
      session,
      bodies: new Map(),
      windowBytes: floorWindowBytes,
      usableBytes: floorWindowBytes,
      countedBytes: 0,
      isAwaited: false,
      late: undefined,
    };
    this.#grants.add(grant);
    this.#unsettled.add(grant);
    this.#recount(grant);
    session.on("stream", (stream, _headers, flags) => {
      if ((flags & constants.NGHTTP2_FLAG_END_STREAM) === 0) this.#follow(grant, stream);
    });
    session.once("close", () => {
      clearTimeout(grant.late);
      this.#grants.delete(grant);
      this.#unsettled.delete(grant);
      this.#countedBytes -= grant.countedBytes;
      this.#settle();
    });
    this.#settle();
  }

  #follow(grant: Grant, stream: ServerHttp2Stream): void {
    grant.bodies.set(stream, grant.usableBytes);
    stream.once("close", () => {
      const windowBytes = grant.bodies.get(stream)!;
      grant.bodies.delete(stream);
      if (windowBytes <= grant.usableBytes || !this.#grants.has(grant)) return;
      this.#recount(grant);
      this.#settle();
    });
  }

  #settle(): void {
    const shareBytes = windowWithin(this.#budgetBytes / Math.max(1, this.#grants.size));
    if (shareBytes !== this.#shareBytes) for (const grant of this.#grants) this.#unsettled.add(grant);
    this.#shareBytes = shareBytes;
    for (const grant of this.#unsettled) this.#offer(grant);
  }

  #offer(grant: Grant): void {
    const { session } = grant;
    if (grant.isAwaited || session.closed || session.destroyed) return;
    if (grant.windowBytes === this.#shareBytes) this.#unsettled.delete(grant);
    const othersBytes = this.#countedBytes - grant.usableBytes * maxStreams;
    const windowBytes = Math.min(this.#shareBytes, windowWithin(this.#budgetBytes - othersBytes));
    if (grant.windowBytes === windowBytes) return;
    grant.isAwaited = true;
    grant.windowBytes = windowBytes;
    grant.usableBytes = Math.max(grant.usableBytes, windowBytes);
    for (const [stream, hadBytes] of grant.bodies) grant.bodies.set(stream, Math.max(hadBytes, windowBytes));
    this.#recount(grant);
    grant.late = setTimeout(() => session.destroy(), this.#acknowledgeMs);
    session.settings({ initialWindowSize: windowBytes }, () => {
      clearTimeout(grant.late);
      if (!this.#grants.has(grant)) return;
      grant.isAwaited = false;
      grant.usableBytes = windowBytes;
      this.#recount(grant);
      this.#settle();
    });
    // It bounds what travels; what all streams together may send fits.
    session.setLocalWindowSize(windowBytes * maxStreams);
  }

  #recount(grant: Grant): void {
    let countedBytes = grant.usableBytes * maxStreams;
    for (const hadBytes of grant.bodies.values()) countedBytes += Math.max(0, hadBytes - grant.usableBytes);
    this.#countedBytes += countedBytes - grant.countedBytes;
    grant.countedBytes = countedBytes;
  }
}

/** The window of which `maxStreams` fit: a power of two, so that it changes seldom. */
function windowWithin(bytes: number): number {
  let windowBytes = floorWindowBytes;
  while (windowBytes < maxWindowBytes && windowBytes * 2 * maxStreams <= bytes) windowBytes *= 2;
  return windowBytes;
}
