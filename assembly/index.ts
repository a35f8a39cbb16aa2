// The module's door: what JavaScript may call, and where the regions lie. No imports.

export { encodeColumns } from "./batch-encode";
export { indexBatch, prepareRun, validPrefix } from "./batch-validate";
export { crc32c } from "./crc32c";
export { largeFrom, middleFrom, smallFrom } from "./crc32c-fold.generated";
export { murmur2 } from "./murmur2";
export { clearOffsetMap, findSuperseded, noteOffsets, offsetMapKeys } from "./offset-map";
export { indexRecords } from "./records";
export { appendToCopy, beginCopy, copySizeBytes, searchCopy } from "./search";
export { hashInto } from "./siphash";
export * from "./memory";
