import type { FusedWorker, LocalStatus, RemoteStatus } from "../api/types.ts";

/** The process state as a badge word; a drain is a state of its own to a person. */
export function localWord(local: LocalStatus | null): string {
  if (!local) return "stopped";
  if (local.draining) return "draining";
  return local.state === "running" ? "up" : local.state;
}

/** The contract's derivation for servers that do not derive it themselves. */
export function remoteWord(remote: RemoteStatus): string {
  if (remote.derivedStatus) return remote.derivedStatus;
  if (remote.disabled) return "disabled";
  if (remote.currentRunId) return "busy";
  return remote.status === "online" ? "online" : "offline";
}

/** How the last process ended, in words; null when there is nothing to tell. */
export function exitText(local: LocalStatus): string | null {
  const exit = local.lastExit;
  if (!exit) return null;
  if (exit.signal) return `ended by ${exit.signal}`;
  if (exit.code !== null) return exit.code === 0 ? "ended normally" : `ended with code ${exit.code}`;
  return local.lastError ? "could not be started" : "ended";
}

/** Which verbs make sense now. */
export function verbs(worker: FusedWorker): { start: string | null; stop: boolean } {
  const state = worker.local?.state ?? "stopped";
  if (worker.local?.draining) return { start: worker.running ? null : "Start again", stop: false };
  switch (state) {
    case "running":
    case "starting":
      return { start: null, stop: true };
    case "backing-off":
      return { start: "Start now", stop: true };
    default:
      return { start: "Start", stop: false };
  }
}
