// What to write instead of an address where nobody answers as was expected.
//
// Owns: what is spoken at a place, as far as asking there can tell. Kafka's protocol is asked for by its adapter, loaded
//   only then: its client may not be there.
// Never: opens an adapter for anybody.

const lookMs = 3000;

/**
 * For a target that could not be opened, with `error`: the address to give instead, in a clause, when something else is
 * spoken there; null when nothing is known that would help. `give` writes it as the caller's users do.
 */
export async function otherAddress(
  target: string,
  error: unknown,
  give: (address: string) => string = (address) => address,
): Promise<string | null> {
  if (isDistrusted(error)) return distrusted;
  const [scheme = "", place = ""] = target.split("://");
  const [authority = ""] = place.split(/[,/]/);
  for (const other of ["http", "https", "kafka"].filter((one) => one !== scheme)) {
    const address = `${other}://${authority}`;
    const speaks = other === "kafka" ? await speaksKafka(authority) : await speaksHttp(address);
    if (speaks !== null) return `${names[other]} is spoken there: give ${give(address)}${speaks}`;
  }
  return null;
}

/** `http://…` or `kafka://host:port` as a program gives it. */
export function inProgram(address: string): string {
  const [, broker] = /^kafka:\/\/(.+)$/.exec(address) ?? [];
  return broker === undefined
    ? `openHttpAdapter({ url: "${address}" })`
    : `openKafkaAdapter({ brokers: ["${broker}"] })`;
}

const names: Readonly<Record<string, string>> = {
  http: "HTTP without TLS",
  https: "HTTP over TLS",
  kafka: "Kafka's protocol",
};
const distrusted = "its certificate is not trusted: under Node and Bun NODE_EXTRA_CA_CERTS=cert.pem trusts it";

/** What there is to add, when it is spoken; null when it isn't. */
async function speaksHttp(url: string): Promise<string | null> {
  try {
    const answer = await fetch(url, { signal: AbortSignal.timeout(lookMs), redirect: "manual" });
    await answer.body?.cancel();
    return "";
  } catch (error) {
    return isDistrusted(error) ? ` (${distrusted})` : null;
  }
}

async function speaksKafka(broker: string): Promise<string | null> {
  try {
    const { connectKafka } = await import("./kafka.ts");
    const adapter = await connectKafka({ brokers: [broker], requestTimeoutMs: lookMs });
    await adapter.close();
    return "";
  } catch {
    // Without kafkajs nobody can tell.
    return null;
  }
}

/** A TLS connection was refused for its certificate, in the words of each runtime. */
function isDistrusted(error: unknown): boolean {
  const words: string[] = [];
  for (let one = error; one instanceof Error && words.length < 5; one = one.cause)
    words.push(`${one.message} ${(one as { code?: unknown }).code ?? ""}`);
  return /certificate|CERT_|SELF_SIGNED|UnknownIssuer/i.test(words.join(" "));
}
