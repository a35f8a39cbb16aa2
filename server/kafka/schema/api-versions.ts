// ApiVersions: which APIs are served in which versions. Its answer always has a header of version 0, so that
// a client can read it before it knows anything (KIP-511).

export const apiVersions = {
  key: 18,
  name: "ApiVersions",
  versions: [0, 4],
  flexible: 3,
  request: {
    clientSoftwareName: 'string 3+ = ""',
    clientSoftwareVersion: 'string 3+ = ""',
  },
  response: {
    errorCode: "int16",
    apiKeys: [
      {
        apiKey: "int16",
        minVersion: "int16",
        maxVersion: "int16",
      },
    ],
    throttleTimeMs: "int32 1+ = 0",
    supportedFeatures: [
      {
        $: "3+ tag 0",
        name: "string",
        minVersion: "int16",
        maxVersion: "int16",
      },
    ],
    finalizedFeaturesEpoch: "int64 3+ tag 1 = -1",
    finalizedFeatures: [
      {
        $: "3+ tag 2",
        name: "string",
        maxVersionLevel: "int16",
        minVersionLevel: "int16",
      },
    ],
    zkMigrationReady: "bool 3+ tag 3 = false",
  },
} as const;
