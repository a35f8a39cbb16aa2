// The faults of engine/kernel/kernel.ts as numbers; wasm.ts holds the same order.

export const none: i32 = 0;
export const truncated: i32 = 1;
export const length: i32 = 2;
export const magic: i32 = 3;
export const checksum: i32 = 4;
export const count: i32 = 5;
export const record: i32 = 6;
export const attributes: i32 = 7;
export const timestamp: i32 = 8;
export const producer: i32 = 9;
export const tooLarge: i32 = 10;
