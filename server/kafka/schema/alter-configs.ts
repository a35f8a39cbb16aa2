// AlterConfigs: sets all configs of a resource; those left out go back to their defaults.

export const alterConfigs = {
  key: 33,
  name: "AlterConfigs",
  versions: [0, 2],
  flexible: 2,
  request: {
    resources: [
      {
        resourceType: "int8",
        resourceName: "string",
        configs: [
          {
            name: "string",
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
