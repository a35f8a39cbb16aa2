// The results of prepareRun and validPrefix.
//
//   0            4             8 (float64)                        16
//   | batchCount | sizeBytes   | recordCount (prepareRun)         |
//   |            | or position | nextOffset (validPrefix)         |

import { results } from "./memory";

// @ts-ignore: decorator
@inline
export function answer(batchCount: i32, bytes: i32, offsets: i64): void {
  store<i32>(results, batchCount);
  store<i32>(results, bytes, 4);
  store<f64>(results, <f64>offsets, 8);
}
