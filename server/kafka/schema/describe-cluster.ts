// DescribeCluster: the cluster's id, controller and brokers.

export const describeCluster = {
  key: 60,
  name: "DescribeCluster",
  versions: [0, 1],
  flexible: 0,
  request: {
    includeClusterAuthorizedOperations: "bool",
    endpointType: "int8 1+ = 1",
  },
  response: {
    throttleTimeMs: "int32 = 0",
    errorCode: "int16",
    errorMessage: "string? = null",
    endpointType: "int8 1+ = 1",
    clusterId: "string",
    controllerId: "int32 = -1",
    brokers: [
      {
        brokerId: "int32",
        host: "string",
        port: "int32",
        rack: "string? = null",
      },
    ],
    clusterAuthorizedOperations: "int32 = -2147483648",
  },
} as const;
