// DescribeConfigs: configs of topics (resource type 2) and brokers (4).

export const describeConfigs = {
  key: 32,
  name: "DescribeConfigs",
  versions: [1, 4],
  flexible: 4,
  request: {
    resources: [
      {
        resourceType: "int8",
        resourceName: "string",
        configurationKeys: "[]string?",
      },
    ],
    includeSynonyms: "bool = false",
    includeDocumentation: "bool 3+ = false",
  },
  response: {
    throttleTimeMs: "int32 = 0",
    results: [
      {
        errorCode: "int16",
        errorMessage: "string? = null",
        resourceType: "int8",
        resourceName: "string",
        configs: [
          {
            name: "string",
            value: "string?",
            readOnly: "bool",
            configSource: "int8 = -1",
            isSensitive: "bool",
            synonyms: [
              {
                $: "= []",
                name: "string",
                value: "string?",
                source: "int8",
              },
            ],
            configType: "int8 3+ = 0",
            documentation: "string? 3+ = null",
          },
        ],
      },
    ],
  },
} as const;
