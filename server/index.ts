// The package's door: the engine and its HTTP face, for programs that bring their own listener.
//
// Owns: the list. Never: anything that knows a runtime.

export * from "../engine/index.ts";
export { type AppOptions, createApp } from "./http/app.ts";
export { GroupSessions, type SessionParts } from "./http/group-sessions.ts";
