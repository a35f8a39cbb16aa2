// The order in which a store did things and clients heard of them.
//
// Owns: the rule that nothing is acknowledged, and nothing shown to a reader, before the bytes
//   were synced, and the directory that names their file.
// Never: reads a clock: what comes first in the record happened first.

import { batchesOf } from "../records.ts";

export type Happening =
  | { readonly kind: "create" | "syncDirectory"; readonly path: string }
  /** Completed; the first `sizeBytes` of the file are durable. */
  | { readonly kind: "sync"; readonly path: string; readonly sizeBytes: number }
  /** An acks=all answer, or a high watermark that was shown: everything of the folder below `endOffset` is promised. */
  | { readonly kind: "acknowledged" | "shown"; readonly folder: string; readonly endOffset: number };

export interface LogFile {
  readonly folder: string;
  readonly path: string;
  readonly bytes: Uint8Array;
}

interface Place {
  readonly path: string;
  readonly baseOffset: number;
  readonly lastOffset: number;
  readonly endPosition: number;
}

/** What was promised too early; `files` are the logs as they lie there in the end. */
export function promisedTooEarly(record: readonly Happening[], files: readonly LogFile[]): string[] {
  const places = new Map<string, Place[]>();
  for (const { folder, path, bytes } of files) {
    const list = places.get(folder) ?? [];
    for (const batch of batchesOf(bytes)) {
      list.push({
        path,
        baseOffset: batch.baseOffset,
        lastOffset: batch.baseOffset + batch.recordCount - 1,
        endPosition: batch.position + batch.sizeBytes,
      });
    }
    list.sort((a, b) => a.baseOffset - b.baseOffset);
    places.set(folder, list);
  }
  const messages: string[] = [];
  const synced = new Map<string, number>();
  const named = new Set<string>();
  const created = new Map<string, string[]>();
  record.forEach((happening, index) => {
    switch (happening.kind) {
      case "create": {
        const folder = folderOf(happening.path);
        created.set(folder, [...(created.get(folder) ?? []), happening.path]);
        break;
      }
      case "syncDirectory":
        for (const path of created.get(happening.path) ?? []) named.add(path);
        created.delete(happening.path);
        break;
      case "sync":
        synced.set(happening.path, Math.max(synced.get(happening.path) ?? 0, happening.sizeBytes));
        break;
      default:
        for (const place of places.get(happening.folder) ?? []) {
          if (place.lastOffset >= happening.endOffset) break;
          const what = `${happening.kind} up to ${happening.endOffset} of ${happening.folder} (happening ${index})`;
          const until = synced.get(place.path) ?? 0;
          if (until < place.endPosition)
            messages.push(
              `${what}, but of ${place.path} only ${until} bytes are synced and offset ${place.lastOffset} ends at ${place.endPosition}`,
            );
          else if (!named.has(place.path))
            messages.push(`${what}, but the directory that names ${place.path} is not synced`);
        }
    }
  });
  return messages;
}

function folderOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/"));
}
