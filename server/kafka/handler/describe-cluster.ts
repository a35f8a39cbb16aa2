// DescribeCluster 0-1: one broker, which is its own controller.
//
// Departs from Kafka: there are no controllers apart from brokers to ask for. Nothing is
// forbidden to anybody, so that everything is what a client is authorized to.

import { kafkaErrors } from "../errors.ts";
import type { KafkaFace } from "../face.ts";
import type { Handler } from "../handler.ts";
import { describeCluster } from "../schema/describe-cluster.ts";

const brokers = 1;
const controllers = 2;
/** A bit for each: create 5, alter 7, describe 8, cluster action 9, describe configs 10, alter configs 11, idempotent write 12. */
const allOperations = [5, 7, 8, 9, 10, 11, 12].reduce((bits, operation) => bits | (1 << operation), 0);
const notAsked = -2_147_483_648;

export function describeClusterHandler(face: KafkaFace): Handler<typeof describeCluster> {
  return {
    api: describeCluster,
    handle({ includeClusterAuthorizedOperations, endpointType }, { client }) {
      const { clusterId } = face;
      if (endpointType !== brokers) {
        const isKnown = endpointType === controllers;
        return {
          errorCode: kafkaErrors[isKnown ? "MISMATCHED_ENDPOINT_TYPE" : "UNSUPPORTED_ENDPOINT_TYPE"].code,
          errorMessage: isKnown
            ? `this is a broker (endpoint type ${brokers}), and no controller (${controllers}) can be asked`
            : `there is no endpoint type ${endpointType}: brokers are ${brokers}`,
          endpointType,
          clusterId,
          brokers: [],
        };
      }
      const { id, host, port } = face.nodeFor(client);
      return {
        errorCode: kafkaErrors.NONE.code,
        endpointType,
        clusterId,
        controllerId: id,
        brokers: [{ brokerId: id, host, port }],
        clusterAuthorizedOperations: includeClusterAuthorizedOperations ? allOperations : notAsked,
      };
    },
  };
}
