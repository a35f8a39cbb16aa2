// Big-endian integers, and what a safe integer is.

export const maxSafeInteger: i64 = 9007199254740991;

// @ts-ignore: decorator
@inline
export function isSafe(value: i64): bool {
  return <u64>(value + maxSafeInteger) <= 2 * <u64>maxSafeInteger;
}

// @ts-ignore: decorator
@inline
export function readInt16(position: usize): i32 {
  return <i32>(<i16>bswap<u16>(load<u16>(position)));
}

// @ts-ignore: decorator
@inline
export function readInt32(position: usize): i32 {
  return bswap<i32>(load<i32>(position));
}

// @ts-ignore: decorator
@inline
export function readInt64(position: usize): i64 {
  return bswap<i64>(load<i64>(position));
}

// @ts-ignore: decorator
@inline
export function writeInt16(position: usize, value: i32): void {
  store<u16>(position, bswap<u16>(<u16>value));
}

// @ts-ignore: decorator
@inline
export function writeInt32(position: usize, value: i32): void {
  store<i32>(position, bswap<i32>(value));
}

// @ts-ignore: decorator
@inline
export function writeInt64(position: usize, value: i64): void {
  store<i64>(position, bswap<i64>(value));
}
