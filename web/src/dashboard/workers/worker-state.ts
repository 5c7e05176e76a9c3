import type { FusedWorker, LocalStatus, RemoteStatus } from "../../api/types.ts";
import { holdsWords } from "../../lib/match.ts";

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

interface Verbs {
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

/** How many runs it has in hand, as far as its control plane said. */
export const inFlight = (worker: FusedWorker): number => (worker.busy || worker.currentRunId ? 1 : 0);

/** How urgently somebody should look at it; the lower the sooner. */
function urgency(worker: FusedWorker): number {
  const order = ["crashed", "backing-off", "draining", "starting", "up", "stopped"];
  const at = order.indexOf(localWord(worker.local));
  return at < 0 ? order.length : at;
}

export const sortKeys = ["host", "name", "state", "version", "restarts", "memory"] as const;
export type SortKey = (typeof sortKeys)[number];

const text = (a: string, b: string) => a.localeCompare(b, undefined, { numeric: true, sensitivity: "base" });
const orders: Record<Exclude<SortKey, "host">, (a: FusedWorker, b: FusedWorker) => number> = {
  name: (a, b) => text(nameOf(a), nameOf(b)),
  state: (a, b) => urgency(a) - urgency(b),
  version: (a, b) => text(a.workerVersion ?? "", b.workerVersion ?? ""),
  // What is looked for stands above: the most first.
  restarts: (a, b) => (b.local?.totalRestarts ?? 0) - (a.local?.totalRestarts ?? 0),
  memory: (a, b) => (b.local?.memoryBytes ?? -1) - (a.local?.memoryBytes ?? -1),
};

/** The workers in an order; "host" is that of the manifest. Those that are alike stay as they were. */
export function sorted(workers: FusedWorker[], key: SortKey, reverse: boolean): FusedWorker[] {
  const list = key === "host" ? workers : workers.toSorted(orders[key]);
  return reverse ? list.toReversed() : list;
}

/** Those whose name, id, state, version, control plane or run holds every word that was typed. */
export function searched(workers: FusedWorker[], typed: string): FusedWorker[] {
  if (typed.trim() === "") return workers;
  return workers.filter((w) =>
    holdsWords(
      typed,
      w.label,
      w.id,
      w.apiUrl,
      w.mode,
      localWord(w.local),
      w.local?.state,
      w.remote && remoteWord(w.remote),
      w.workerVersion,
      w.versionStale && "stale behind",
      w.currentRunId,
    ),
  );
}
