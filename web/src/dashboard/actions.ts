import type {
  ActionResult,
  AdoptRequest,
  AdoptResult,
  BuildRequest,
  BuildResult,
  ConnectivityReport,
  Operation,
  UpgradeAllRequest,
  UpgradeInfo,
  UpgradeRequest,
  UpgradeResult,
  UpgradeSelfRequest,
  UpgradeSelfResult,
  WorkerDetail,
  WorkerSettingsChange,
} from "../api/types.ts";
import { client, queries } from "./daemon.ts";
import { workerPath } from "./queries.ts";

export type Verb = "start" | "stop" | "restart" | "enable" | "disable" | "delete";

// The daemon asks the control plane and waits for a process to end, each with a limit of its own that is shorter.
const actLimitMs = 150_000;
const limit = { timeoutMs: actLimitMs };

/** Has the daemon do something; whatever came of it, what is shown of it is fetched again. */
async function doing<T>(changes: string[], what: Promise<T>): Promise<T> {
  try {
    return await what;
  } finally {
    await Promise.all(changes.map((key) => queries.invalidateQueries({ queryKey: [key] }))).catch(() => undefined);
  }
}

/** Has the daemon do something with a worker. A stop whose worker still drains answers before it has ended. */
export function act(id: string, verb: Verb, now = false): Promise<ActionResult> {
  const ask = now ? "?now=1" : "";
  return doing(
    ["workers", "worker", "operations"],
    verb === "delete"
      ? client.delete<ActionResult>(`${workerPath(id)}${ask}`, limit)
      : client.post<ActionResult>(`${workerPath(id)}/${verb}${ask}`, {}, limit),
  );
}

export const changeSettings = (id: string, change: WorkerSettingsChange): Promise<WorkerDetail> =>
  doing(["worker"], client.patch<WorkerDetail>(workerPath(id), change));

export const build = (request: BuildRequest): Promise<BuildResult> =>
  doing(["workers", "self"], client.post<BuildResult>("/api/workers", request, limit));

/** Begins an upgrade and does not wait for it: the operation tells how it goes. */
export const upgrade = (id: string, request: UpgradeRequest): Promise<UpgradeResult> =>
  doing(["workers", "operations"], client.post<UpgradeResult>(`${workerPath(id)}/upgrade?async=1`, request, limit));

export const upgradeAll = (request: UpgradeAllRequest): Promise<UpgradeResult> =>
  doing(["workers", "operations"], client.post<UpgradeResult>("/api/workers/upgrade?async=1", request, limit));

export const upgradeSelf = (request: UpgradeSelfRequest): Promise<UpgradeSelfResult> =>
  doing(["self", "operations"], client.post<UpgradeSelfResult>("/api/upgrade-self?async=1", request, limit));

/** An upgrade to look at: of a worker, of several, or of the daemon. */
export type PlannedUpgrade =
  | ({ worker: string } & UpgradeRequest)
  | { all: UpgradeAllRequest }
  | { self: UpgradeSelfRequest };

/** What an upgrade would do. Nothing is begun. */
export async function dryRun(wanted: PlannedUpgrade, signal: AbortSignal): Promise<UpgradeInfo> {
  const how = { signal, timeoutMs: 60_000 };
  const said = await ("self" in wanted
    ? client.post<UpgradeSelfResult>("/api/upgrade-self", { ...wanted.self, dryRun: true }, how)
    : "all" in wanted
      ? client.post<UpgradeResult>("/api/workers/upgrade", { ...wanted.all, dryRun: true }, how)
      : client.post<UpgradeResult>(`${workerPath(wanted.worker)}/upgrade`, ofWorker(wanted), how));
  return { ...said.upgrade, ...(said.unchanged ? { unchanged: true } : {}) };
}

function ofWorker({ worker: _, ...request }: { worker: string } & UpgradeRequest): UpgradeRequest {
  return { ...request, dryRun: true };
}

export const cancelOperation = (id: string): Promise<Operation> =>
  doing(["operations"], client.post<Operation>(`/api/operations/${encodeURIComponent(id)}/cancel`, {}));

export const adopt = (request: AdoptRequest): Promise<AdoptResult> =>
  doing(["adoptable", "workers", "self", "operations"], client.post<AdoptResult>("/api/adopt", request, limit));

/** Gives an adopted worker back to what ran it before. */
export const undoAdopt = (workerId: string): Promise<AdoptResult> =>
  doing(
    ["adoptable", "workers", "self", "operations"],
    client.post<AdoptResult>("/api/adopt/undo", { workerId }, limit),
  );

/** Looks at what stands between the host and its control planes; it takes half a minute at most. */
export const examine = (): Promise<ConnectivityReport> =>
  client.post<ConnectivityReport>("/api/connectivity/check", {}, { timeoutMs: 45_000 });
