// The engine's door: what its callers may import.
//
// Owns: the list. Never: anything that knows a runtime.

export { Budget, type Release } from "./broker/budget.ts";
export { type ConfigDefinition, type ConfigType, configDefinitions } from "./broker/config-definitions.ts";
export { configNames } from "./broker/configs.ts";
export { type PredictOptions, predictStart, type StartPrediction } from "./broker/inspect/predict-start.ts";
export { readIndexInterval } from "./broker/inspect/topic-config.ts";
export { type Selection, verifyDataFolder, verifyPartitionFolder } from "./broker/inspect/verify-data-folder.ts";
export { openBroker } from "./broker/open.ts";
export type * from "./broker/types.ts";
export {
  type Effect,
  type ErrorCode,
  errorCodes,
  MoldauError,
  type MoldauErrorOptions,
  toMoldauError,
} from "./errors.ts";
export { MemberIdRequiredError } from "./group/environment.ts";
export { defaultGroupOptions, type GroupOptions } from "./group/options.ts";
export { partitionForGroup } from "./group/partition-for.ts";
export type * from "./group/types.ts";
export type * from "./kernel/kernel.ts";
export { createTwinKernel } from "./kernel/twin.ts";
export * as limits from "./limits.ts";
export {
  type Dumped,
  type DumpedBatch,
  type DumpedFault,
  type DumpedRecord,
  type DumpOptions,
  dumpLog,
} from "./log/inspect/dump-log.ts";
export { type Finding, type FindingKind, findingKinds, type Severity } from "./log/inspect/finding.ts";
export type { IndexEntry } from "./log/inspect/index-entries.ts";
export {
  type LookedUp,
  listSegments,
  lookUpOffset,
  lookUpTimestamp,
  openEntries,
} from "./log/inspect/look-up.ts";
export { type RebuildOptions, rebuildIndex } from "./log/inspect/rebuild-index.ts";
export { defaultIndexIntervalBytes, type VerifyCounts, type VerifyOptions } from "./log/inspect/verify-segment.ts";
export { BatchHeader, headerSizeBytes } from "./log/record-batch.ts";
export { type DecodedHeader, type DecodedRecord, type DecodeOptions, decodeRecords } from "./log/records.ts";
export * from "./port/storage.ts";
export type * from "./port/storage-operation.ts";
export type * from "./port/world.ts";
export { type MemoryStorage, type MemoryStorageOptions, memoryStorage } from "./storage/memory.ts";
export { type OverlayStorage, overlayStorage } from "./storage/overlay.ts";
export { readFile } from "./storage/read-file.ts";
export { replaceFile } from "./storage/replace-file.ts";
