// The bare servers of plain TCP, by node:net on every runtime: `tcp.ts <kind> <file>`; the port goes to standard
// output, in the form in which Moldau says its own.
//
//   sink     frames of a 4-byte length, appended to the file without it; each is answered with an empty frame; an
//            empty one has it begin its file anew
//   source   frames of a position (8 bytes) and a length (4), answered with so much of the file
//
// Owns: the fastest ways known here to do each, with nothing looked at.
// Never: ends by itself before its standard input does.

import { closeSync, openSync, unlinkSync, writeSync } from "node:fs";
import { open } from "node:fs/promises";
import net from "node:net";
import process from "node:process";

const [kind = "", path = ""] = process.argv.slice(2);
const prefixBytes = 4;
const emptyFrame = Buffer.alloc(prefixBytes);
const serve = kind === "sink" ? sink : kind === "source" ? await source(path) : null;
if (serve === null) throw new Error(`there is no server '${kind}'`);
const server = net.createServer({ noDelay: true }, (socket) => {
  socket.on("error", () => {});
  serve(socket);
});
server.listen(0, "127.0.0.1", () => console.log(`http://127.0.0.1:${(server.address() as net.AddressInfo).port}`));
process.stdin.on("end", () => process.exit(0));
process.stdin.resume();

function sink(socket: net.Socket): void {
  let file = openSync(path, "w");
  let left = 0;
  let prefix: Buffer = Buffer.alloc(0);
  socket.on("data", (chunk: Buffer) => {
    for (let at = 0; at < chunk.length; ) {
      if (left === 0) {
        const needed = prefixBytes - prefix.length;
        prefix = Buffer.concat([prefix, chunk.subarray(at, at + needed)]);
        at += needed;
        if (prefix.length < prefixBytes) return;
        left = prefix.readInt32BE(0);
        prefix = Buffer.alloc(0);
        if (left === 0) {
          closeSync(file);
          unlinkSync(path);
          file = openSync(path, "w");
          socket.write(emptyFrame);
          continue;
        }
      }
      const taken = Math.min(left, chunk.length - at);
      writeSync(file, chunk, at, taken);
      left -= taken;
      at += taken;
      if (left === 0) socket.write(emptyFrame);
    }
  });
  socket.on("close", () => closeSync(file));
}

async function source(file: string): Promise<(socket: net.Socket) => void> {
  const handle = await open(file, "r");
  const pool: Buffer[] = [];
  const requestBytes = prefixBytes + 12;
  return (socket) => {
    let rest: Buffer = Buffer.alloc(0);
    let before = Promise.resolve();
    const answer = async (position: number, bytes: number): Promise<void> => {
      const pooled = pool.pop();
      const buffer = pooled?.length === prefixBytes + bytes ? pooled : Buffer.allocUnsafeSlow(prefixBytes + bytes);
      const { bytesRead } = await handle.read(buffer, prefixBytes, bytes, position);
      buffer.writeInt32BE(bytesRead, 0);
      socket.write(buffer.subarray(0, prefixBytes + bytesRead), () => void pool.push(buffer));
    };
    socket.on("data", (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
      let at = 0;
      for (; rest.length - at >= requestBytes; at += requestBytes) {
        const position = Number(rest.readBigUInt64BE(at + prefixBytes));
        const bytes = rest.readInt32BE(at + prefixBytes + 8);
        before = before.then(() => answer(position, bytes));
      }
      rest = rest.subarray(at);
    });
  };
}
