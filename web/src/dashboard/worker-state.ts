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

/** What a person calls it. */
export const nameOf = (worker: FusedWorker): string => worker.label || worker.id;

export interface Verbs {
  /** The words on the button that starts it; null when there is nothing to start. */
  start: string | null;
  stop: boolean;
  /** What switches its work; null for a worker of a pool, whose operators do that. */
  work: "enable" | "disable" | null;
}

/** Which verbs make sense now. */
export function verbs(worker: FusedWorker): Verbs {
  const off = worker.remote ? worker.remote.disabled : !worker.enabled;
  return { ...processVerbs(worker), work: worker.mode === "pool" ? null : off ? "enable" : "disable" };
}

function processVerbs(worker: FusedWorker): Pick<Verbs, "start" | "stop"> {
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
