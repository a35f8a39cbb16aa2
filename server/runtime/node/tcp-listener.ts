// A TCP port by node:net, which works alike on Node, Bun and Deno: one implementation for all.
//
// Owns: the sockets, their limits and their end; when lent bytes have left.
// Never: knows what the bytes mean.
//
// Invariants: every `sent` is called once, and not while a socket may still read its bytes; a peer
//   that takes nothing is cut, so that it holds no memory for ever; nothing is handed to a peer
//   after `closed`.

import net from "node:net";
import type { Listener, ListenOptions, SocketPeer, SocketWire } from "../runtime.ts";
import { listenError } from "./listen-error.ts";
import { type Patience, StalledAnswers, usualPatience } from "./stalled-answers.ts";

/** More are closed as they come: each costs a descriptor and its buffers. */
const maxConnections = 10_000;
/** Written and not with the system yet; beyond it a peer is to wait. Two large answers fit: one leaves while the next is made. Bytes. */
const fullBytes = 4 * 1024 * 1024;
/** So long an ended connection waits for its peer's end. Milliseconds. */
const lingerMs = 1000;

export interface TcpLimits {
  readonly maxConnections: number;
  readonly stalled: Patience;
  /** Told of all bytes as they come: a runtime may look for garbage by them. */
  readonly noteBytes: (sizeBytes: number) => void;
}

const usualLimits: TcpLimits = { maxConnections, stalled: usualPatience, noteBytes: () => {} };

interface Connected {
  readonly socket: net.Socket;
  readonly peer: SocketPeer;
}

export async function listenTcp(options: ListenOptions, given: Partial<TcpLimits> = {}): Promise<Listener> {
  const limits = { ...usualLimits, ...given };
  const stalled = new StalledAnswers(limits.stalled);
  const connected = new Set<Connected>();
  let isTurningAway = false;
  let closing: Promise<void> | undefined;

  // Half open: who has asked all that it wants may say so, and still gets its answers.
  const server = net.createServer({ allowHalfOpen: true, noDelay: true }, (socket) => {
    if (closing !== undefined) {
      socket.destroy();
      return;
    }
    if (connected.size >= limits.maxConnections) {
      if (!isTurningAway) options.onError(new Error(`over ${limits.maxConnections} connections are turned away`), null);
      isTurningAway = true;
      socket.destroy();
      return;
    }
    const one = accept(socket, options, limits, stalled);
    if (one === null) return;
    connected.add(one);
    socket.once("close", () => {
      connected.delete(one);
      if (connected.size < limits.maxConnections) isTurningAway = false;
    });
  });
  await new Promise<void>((resolve, reject) => {
    server.once("error", (error) => reject(listenError(error)));
    server.listen({ host: options.host, port: options.port, backlog: 1024 }, () => resolve());
  });
  server.on("error", (error) => options.onError(error, null));
  const { port } = server.address() as net.AddressInfo;

  async function close(graceMs: number): Promise<void> {
    const closed = new Promise<void>((resolve) => server.close(() => resolve()));
    const cut = setTimeout(() => {
      for (const { socket } of connected) socket.destroy();
    }, graceMs);
    for (const { peer } of [...connected]) peer.finish();
    await closed;
    clearTimeout(cut);
  }
  return { port, close: (graceMs) => (closing ??= close(graceMs)) };
}

/** null: it has gone already. */
function accept(
  socket: net.Socket,
  options: ListenOptions,
  limits: TcpLimits,
  stalled: StalledAnswers,
): Connected | null {
  const { remoteAddress, remotePort, localAddress, localPort } = socket;
  const remote = `${remoteAddress?.includes(":") ? `[${remoteAddress}]` : remoteAddress}:${remotePort}`;
  socket.on("error", (error: Error & { code?: string }) => {
    if (!isUsualEnd(error)) options.onError(error, remote);
  });
  if (remoteAddress === undefined || localAddress === undefined || localPort === undefined) {
    socket.destroy();
    return null;
  }
  const state: WireState = { unsent: new Set(), isFull: false };
  const wire = wireOf(socket, state);
  const peer = options.connect(wire, { remote, local: { host: localAddress, port: localPort } });
  const unwatch = stalled.watch({
    pendingBytes: () => socket.writableLength,
    cut: () => socket.destroy(new Error("it takes no answer: its connection is cut")),
  });
  socket.on("data", (chunk: Buffer) => {
    limits.noteBytes(chunk.length);
    if (!socket.destroyed) peer.receive(chunk);
  });
  socket.on("drain", () => {
    if (!state.isFull) return;
    state.isFull = false;
    peer.drained();
  });
  socket.on("end", () => peer.finish());
  socket.once("close", () => {
    unwatch();
    peer.closed();
    for (const sent of [...state.unsent]) sent();
  });
  return { socket, peer };
}

interface WireState {
  /** Of what was written: called when it has left, or the socket is closed. */
  readonly unsent: Set<() => void>;
  isFull: boolean;
}

function wireOf(socket: net.Socket, state: WireState): SocketWire {
  return {
    write(chunks, sent) {
      const once = (): void => {
        if (state.unsent.delete(once)) sent();
      };
      state.unsent.add(once);
      // One system call for all of them, where the runtime has it.
      socket.cork();
      const last = chunks.length - 1;
      for (let at = 0; at < last; at++) socket.write(chunks[at]!);
      socket.write(chunks[last]!, once);
      socket.uncork();
      state.isFull = socket.writableLength >= fullBytes;
      return !state.isFull;
    },
    pause: () => void socket.pause(),
    resume: () => void socket.resume(),
    end() {
      // To close on bytes that nobody has read is to reset the connection, and the peer may lose its
      // last answer by it: what comes is thrown away until the peer ends too.
      socket.end(() => {
        const late = setTimeout(() => socket.destroy(), lingerMs);
        socket.once("close", () => clearTimeout(late));
      });
      socket.resume();
    },
  };
}

/** A peer may go as it likes: that is no fault of anybody. */
function isUsualEnd({ code }: { readonly code?: string }): boolean {
  return code === "ECONNRESET" || code === "EPIPE" || code === "ERR_STREAM_DESTROYED" || code === "ECONNABORTED";
}
