import type { RemoteWorker } from "../../api/types.ts";

/** What a worker does, in a word: as the server says it, or as older ones leave it to be said. */
export function workerWord(w: RemoteWorker): string {
  if (w.derivedStatus) return w.derivedStatus;
  if (w.disabled) return "disabled";
  return w.currentRunId ? "busy" : w.status;
}

/** What people call a worker. */
export const workerName = (w: RemoteWorker): string => w.label || w.hostname || w.id;
