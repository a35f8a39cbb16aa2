// What the broker has done since its start, for its metrics.
//
// Owns: the numbers. Never: how they are shown.

export interface Counters {
  recordsAppended: number;
  bytesAppended: number;
  batchesAppended: number;
  duplicateBatches: number;
  appendErrors: number;
  bytesFetched: number;
  fetches: number;
  syncs: number;
  syncSeconds: number;
  segmentRolls: number;
  segmentsDeleted: number;
  compactions: number;
  compactionBytesRead: number;
  compactionBytesWritten: number;
  recordsCompacted: number;
  compactionFailures: number;
  waitingFetches: number;
}

export function zeroCounters(): Counters {
  return {
    recordsAppended: 0,
    bytesAppended: 0,
    batchesAppended: 0,
    duplicateBatches: 0,
    appendErrors: 0,
    bytesFetched: 0,
    fetches: 0,
    syncs: 0,
    syncSeconds: 0,
    segmentRolls: 0,
    segmentsDeleted: 0,
    compactions: 0,
    compactionBytesRead: 0,
    compactionBytesWritten: 0,
    recordsCompacted: 0,
    compactionFailures: 0,
    waitingFetches: 0,
  };
}
