// IncrementalAlterConfigs: sets (operation 0), deletes (1), appends to (2) or takes from (3) single configs.

export const incrementalAlterConfigs = {
  key: 44,
  name: "IncrementalAlterConfigs",
  versions: [0, 1],
  flexible: 1,
  request: {
    resources: [
      {
        resourceType: "int8",
        resourceName: "string",
        configs: [
          {
            name: "string",
            configOperation: "int8",
            value: "string?",
          },
        ],
      },
    ],
    validateOnly: "bool",
  },
  response: {
    throttleTimeMs: "int32 = 0",
    responses: [
      {
        errorCode: "int16",
        errorMessage: "string? = null",
        resourceType: "int8",
        resourceName: "string",
      },
    ],
  },
} as const;
