import { CircleArrowUp } from "lucide-react";
import type { FusedWorker } from "../../api/types.ts";
import { bytes, count, none, ticking } from "../../lib/format.ts";
import { useNow } from "../../lib/now.ts";
import { Id } from "../../ui/copy.tsx";
import { Sparkline } from "../../ui/sparkline.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago, Until } from "../../ui/time.tsx";
import { evenly, useUsage } from "../usage.ts";
import { exitText, localWord, remoteWord } from "./worker-state.ts";

// What the three sources say of a worker, each told apart and with its age.

/** What this host knows of its process. */
export function Local({ worker }: { worker: FusedWorker }) {
  const local = worker.local;
  const ended = local && local.state !== "running" ? exitText(local) : null;
  return (
    <div className="space-y-1">
      <StateBadge state={localWord(local)} />
      {local?.pid ? (
        <div className="text-sm text-muted">
          pid <span className="font-mono">{local.pid}</span> · up <Up since={local.startedAt} />
        </div>
      ) : null}
      {local?.state === "backing-off" && local.nextStartAt ? (
        <div className="text-sm text-warn">
          next start <Until at={local.nextStartAt} />
        </div>
      ) : null}
      {local && local.totalRestarts > 0 && (
        <div className="text-sm text-muted" title={local.restartReason}>
          {count(local.totalRestarts, "restart")}
          {local.restarts > 0 && `, ${local.restarts} in a row`}
        </div>
      )}
      {local?.reattached && local.state === "running" && (
        <div className="text-sm text-muted">outlived an earlier daemon</div>
      )}
      {ended && (
        <div className="text-sm text-muted">
          {ended}, <Ago at={local?.lastExit?.at} />
        </div>
      )}
      {local?.lastError && <div className="line-clamp-3 text-sm wrap-anywhere text-bad">{local.lastError}</div>}
    </div>
  );
}

function Up({ since }: { since: number | null }) {
  const now = useNow();
  return <span className="tabular-nums">{since === null ? none : ticking(now - since)}</span>;
}

/** What its control plane said last, and when. */
export function Remote({ worker }: { worker: FusedWorker }) {
  const { remote } = worker;
  return (
    <div className="space-y-1">
      {remote ? <StateBadge state={remoteWord(remote)} /> : <StateBadge state="unknown" />}
      {worker.currentRunId && (
        <div className="text-sm text-muted">
          run <Id id={worker.currentRunId} what="run id" length={14} />
        </div>
      )}
      {remote && (
        <div className="text-sm text-muted">
          last seen <Ago at={remote.lastSeenAt} />
        </div>
      )}
      <div className={`text-sm ${worker.remoteStale ? "text-warn" : "text-muted"}`}>
        {worker.remoteFetchedAt ? (
          <>
            {worker.remoteStale ? "old: " : ""}asked <Ago at={worker.remoteFetchedAt} />
          </>
        ) : (
          "never told"
        )}
      </div>
      {worker.remoteError && <div className="line-clamp-3 text-sm wrap-anywhere text-bad">{worker.remoteError}</div>}
    </div>
  );
}

/** The newest lifecycle event. */
export function LastEvent({ worker }: { worker: FusedWorker }) {
  if (!worker.lastEvent) return <span className="text-muted">none yet</span>;
  return (
    <div>
      <div>{worker.lastEvent.type}</div>
      <Ago at={worker.lastEvent.at} className="text-sm text-muted" />
    </div>
  );
}

/** Which version it runs, and whether a newer one is out or on its way. */
export function Version({ worker }: { worker: FusedWorker }) {
  const { upgrade } = worker;
  return (
    <div className="text-sm">
      <span className="text-muted">{worker.workerVersion ?? "version not known"}</span>
      {upgrade ? (
        <div className="space-y-1 pt-0.5">
          <div className="text-run">
            {upgrade.undoing ? "going back" : upgrade.to ? `to ${upgrade.to}` : "upgrading"}: {upgrade.step}
          </div>
          <progress className="h-1.5 w-24" max={100} value={upgrade.progress} aria-label="Progress of the upgrade" />
        </div>
      ) : (
        worker.versionStale &&
        worker.latestWorkerVersion && (
          <div className="tone-warn tone-text flex items-center gap-1 pt-0.5">
            <CircleArrowUp aria-hidden className="size-3.5 shrink-0" />
            behind {worker.latestWorkerVersion}
          </div>
        )
      )}
    </div>
  );
}

/** Memory and processors now, and how they went lately. */
export function UsageCell({ worker }: { worker: FusedWorker }) {
  const samples = useUsage(worker.id);
  const memory = worker.local?.memoryBytes ?? null;
  const cpu = samples.at(-1)?.cpu ?? null;
  if (memory === null) return <span className="text-muted">{none}</span>;
  return (
    <div className="text-sm tabular-nums">
      <div className="flex items-center gap-2">
        <span className="w-16 shrink-0">{bytes(memory)}</span>
        {samples.length > 2 && (
          <Sparkline
            values={evenly(samples, (s) => s.memory)}
            label={`Memory lately, now ${bytes(memory)}`}
            className="w-14"
          />
        )}
      </div>
      <div className="flex items-center gap-2 text-muted">
        <span className="w-16 shrink-0">{cpuText(cpu)}</span>
        {samples.length > 2 && (
          <Sparkline
            values={evenly(samples, (s) => s.cpu)}
            label={`Processors in use lately, now ${cpuText(cpu)}`}
            className="w-14"
          />
        )}
      </div>
    </div>
  );
}

/** Processors in use, as tools of the kind say it: 100 % is one of them. */
export const cpuText = (cpu: number | null): string =>
  cpu === null ? none : `${cpu < 0.1 ? (cpu * 100).toFixed(1) : Math.round(cpu * 100)} % cpu`;
