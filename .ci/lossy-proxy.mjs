// A proxy before a Kafka port that loses answers: whoever asked cannot tell whether it was done.
//
// Owns: which answers are lost. Never: changes a byte.
import net from "node:net";
import { freePort } from "./moldau.mjs";

const produceKey = 0;

/** `loses(n)`: whether the answer to the nth produce, counted from 1, is lost, with its connection. */
export async function startLossyProxy(targetPort, loses) {
  const port = await freePort();
  const sockets = new Set();
  const proxy = {
    port,
    produces: 0,
    lost: 0,
    close: () => {
      for (const socket of sockets) socket.destroy();
      return new Promise((resolve) => server.close(resolve));
    },
  };
  const server = net.createServer((client) => {
    const upstream = net.connect(targetPort, "127.0.0.1");
    const end = () => {
      client.destroy();
      upstream.destroy();
    };
    for (const socket of [client, upstream]) {
      sockets.add(socket);
      socket.on("error", end);
      socket.on("close", () => {
        sockets.delete(socket);
        end();
      });
    }
    const produces = new Map();
    client.on(
      "data",
      byFrame((frame) => {
        if (frame.readInt16BE(4) === produceKey) produces.set(frame.readInt32BE(8), (proxy.produces += 1));
        upstream.write(frame);
      }),
    );
    upstream.on(
      "data",
      byFrame((frame) => {
        if (client.destroyed) return;
        const number = produces.get(frame.readInt32BE(4));
        if (number === undefined || !loses(number)) return void client.write(frame);
        proxy.lost += 1;
        end();
      }),
    );
  });
  await new Promise((resolve) => server.listen(port, "127.0.0.1", resolve));
  return proxy;
}

/** Hands on whole frames, with their lengths. */
function byFrame(take) {
  let held = Buffer.alloc(0);
  return (chunk) => {
    held = Buffer.concat([held, chunk]);
    while (held.length >= 4 && held.length >= 4 + held.readInt32BE(0)) {
      const sizeBytes = 4 + held.readInt32BE(0);
      take(held.subarray(0, sizeBytes));
      held = held.subarray(sizeBytes);
    }
  };
}
