// What is under test, in one place: the engine as an embedder has it.
//
// Owns: the one import of the engine in this folder.
// Never: reaches behind engine/index.ts.

export {
  type Broker,
  type BrokerOptions,
  type Clock,
  type Durability,
  type Entropy,
  type FetchedPartition,
  type Finding,
  type FindingKind,
  type field,
  findingKinds,
  type GroupCoordinator,
  type GroupOptions,
  type Kernel,
  type Logger,
  type LogRecord,
  limits,
  MemberIdRequiredError,
  type MemoryStorage,
  MoldauError,
  memoryStorage,
  openBroker,
  predictStart,
  type RecordIndex,
  type RecoveryReport,
  type recordStride,
  type StartPrediction,
  type Storage,
  type StorageEntry,
  StorageError,
  type StorageFile,
  type StorageManifest,
  type TopicPartitions,
  type TopicSummary,
  verifyDataFolder,
} from "../engine/index.ts";

import { createTwinKernel, type Kernel, type MemoryStorageOptions } from "../engine/index.ts";

/** What a store calls before its effects, and what it tells. */
export type StorageHooks = Pick<MemoryStorageOptions, "onOperation">;
export type StorageOperation = Parameters<NonNullable<StorageHooks["onOperation"]>>[0];

/** The plain twin: the same on every runtime, and slow enough in nothing that matters here. */
export const kernel: Kernel = createTwinKernel();

/** The same kernel, but what a life holds open of it ends with that life, as a process's memory does. */
export function kernelOfALife(shared: Kernel): Kernel {
  const own = createTwinKernel();
  return { ...shared, openOffsetMap: (secret, baseOffset) => own.openOffsetMap(secret, baseOffset) };
}
