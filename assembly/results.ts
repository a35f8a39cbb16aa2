// The results of prepareRun, validPrefix and indexBatch.
//
//   0             4             8 (float64)                        16
//   | batchCount  | sizeBytes   | recordCount (prepareRun)         |
//   |             | or position | nextOffset (validPrefix)         |
//   | recordCount |                                                   (indexBatch)

import { results } from "./memory";

// @ts-ignore: decorator
@inline
export function answer(batchCount: i32, bytes: i32, offsets: i64): void {
  store<i32>(results, batchCount);
  store<i32>(results, bytes, 4);
  store<f64>(results, <f64>offsets, 8);
}

// @ts-ignore: decorator
@inline
export function answerCount(recordCount: i32): void {
  store<i32>(results, recordCount);
}
