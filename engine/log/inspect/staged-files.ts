// The files of a compaction that lie in a partition's folder.
//
// Owns: naming them, and what becomes of them. Never: judges what is in them.

import type { Storage } from "../../port/storage.ts";
import { parseStagedFileName, type SwapStage } from "../segment-names.ts";
import type { Findings, Severity } from "./finding.ts";

const meanings: Readonly<Record<SwapStage, { readonly severity: Severity; readonly message: string }>> = {
  cleaned: { severity: "note", message: "compaction had not finished it; the next start removes it" },
  swap: {
    severity: "warning",
    message: "a crash interrupted its exchange; the next start completes that, or removes it",
  },
  deleted: { severity: "note", message: "compaction has replaced it; the next start removes it" },
};

/** Says each of them. Whether one of them may be to take the place of segments. */
export async function reportStagedFiles(storage: Storage, folder: string, findings: Findings): Promise<boolean> {
  let hasSwap = false;
  for (const { name } of await storage.list(folder)) {
    const staged = parseStagedFileName(name);
    if (staged === null) continue;
    const { severity, message } = meanings[staged.stage];
    findings.add(severity, "swap-file", `${folder}/${name}`, message, { offset: staged.offset });
    if (staged.stage === "swap") hasSwap = true;
  }
  return hasSwap;
}
