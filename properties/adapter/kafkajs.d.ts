// kafkajs below its door, where it has no types; kafka-client.ts says what is used of it.

declare module "kafkajs/src/cluster/index.js" {
  const Cluster: new (options: Readonly<Record<string, unknown>>) => unknown;
  export default Cluster;
}

declare module "kafkajs/src/network/socketFactory.js" {
  const socketFactory: () => unknown;
  export default socketFactory;
}
