// What stands before every request and every answer. Version 2 of a request's header, and 1 of an
// answer's, go with the flexible versions of an API; the client id is never compact, so that a
// broker can read it before it knows the version.

export const requestHeader = {
  name: "RequestHeader",
  versions: [1, 2],
  flexible: 2,
  fields: {
    apiKey: "int16",
    apiVersion: "int16",
    correlationId: "int32",
    clientId: "plainString?",
  },
} as const;

export const responseHeader = {
  name: "ResponseHeader",
  versions: [0, 1],
  flexible: 1,
  fields: {
    correlationId: "int32",
  },
} as const;
