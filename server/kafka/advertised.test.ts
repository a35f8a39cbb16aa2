import { deepStrictEqual } from "node:assert/strict";
import { test } from "node:test";
import { advertise } from "./advertised.ts";

const told = (listening: string, advertised: string | null, reached: string) => {
  const endpoint = advertised === null ? null : { host: advertised, port: 1 };
  const { node, nodeFor } = advertise(7, () => ({ host: listening, port: 2 }), endpoint);
  const { id, host, port } = nodeFor({ address: "192.0.2.1:9", reached: { host: reached, port: 3 } });
  const nobody = nodeFor({ address: "192.0.2.1:9" });
  deepStrictEqual([id, nobody.host, nobody.port], [7, node().host, node().port]);
  return [node().host, node().port, host, port];
};

test("what is advertised holds for everybody", () => {
  deepStrictEqual(told("0.0.0.0", "broker.example", "10.0.0.5"), ["broker.example", 1, "broker.example", 1]);
  deepStrictEqual(told("127.0.0.1", "::1", "127.0.0.1"), ["::1", 1, "::1", 1]);
});

test("an address that is listened on is told as it is", () => {
  deepStrictEqual(told("127.0.0.1", null, "127.0.0.1"), ["127.0.0.1", 2, "127.0.0.1", 2]);
  deepStrictEqual(told("[::1]", null, "::1"), ["::1", 2, "::1", 2]);
});

test("whoever listens on all addresses tells each client the one that it reached", () => {
  deepStrictEqual(told("0.0.0.0", null, "10.0.0.5"), ["localhost", 2, "10.0.0.5", 3]);
  deepStrictEqual(told("::", null, "::ffff:10.0.0.5"), ["localhost", 2, "10.0.0.5", 3]);
  deepStrictEqual(told("[::]", null, "fe80::1%eth0"), ["localhost", 2, "fe80::1", 3]);
});

test("a port that is known only later is told when it is", () => {
  let port = 0;
  const { node } = advertise(0, () => ({ host: "h", port }), null);
  port = 9;
  deepStrictEqual(node(), { id: 0, host: "h", port: 9 });
});
