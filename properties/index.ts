// The door of `moldau/properties`: the invariants of a log, and what holds any log to them.
//
// Owns: the list. Two of what it exports need a package that is installed only where it is wanted:
//   `checkLog` fast-check, `openKafkaAdapter` kafkajs; each says so when it isn't there.

export {
  type Acks,
  type Appended,
  type AppendOptions,
  type GroupMember,
  type ListedTopic,
  type LogAdapter,
  LogError,
  type Manifest,
  type MemberListener,
  type Membership,
  type Offsets,
  outcomeOf,
  type Place,
  type ProducerStamp,
  type ReadAnswer,
  type ReadOptions,
  type RecordToAppend,
  type StoredRecord,
  supportsNothing,
  type TopicOptions,
} from "./adapter/contract.ts";
export { type ContractCase, type ContractOptions, contractCases } from "./adapter/contract-cases.ts";
export { EngineAdapter } from "./adapter/engine.ts";
export { type HttpAdapterOptions, openHttpAdapter } from "./adapter/http.ts";
export type { KafkaAdapterOptions } from "./adapter/kafka.ts";
export { openKafkaAdapter } from "./adapter/open-kafka.ts";
export {
  type Checked,
  type Findings,
  HistoryShapeError,
  type IndexedHistory,
  type Invariant,
  invariants,
  judge,
  type LogIndex,
  type NotApplicable,
  type Verdict,
  type Violation,
} from "./checker/index.ts";
export type * from "./history.ts";
export { tell, when } from "./history.ts";
export { type CheckLogOptions, checkLog, describeVerdict, type LogVerdict } from "./library/check-log.ts";
export {
  type LogCommand,
  type LogPlan,
  type LogPlanConstraints,
  type LogRound,
  logPlans,
} from "./library/log-plan.ts";
export { type PlayOptions, playPlan } from "./library/play.ts";
export { type Claim, lookUp, PartitionModel } from "./model.ts";
export {
  defaultProcesses,
  type FaultControl,
  type Processes,
  type Progress,
  runWorkload,
  type WorkloadOptions,
  type WorkloadResult,
} from "./workload/index.ts";
