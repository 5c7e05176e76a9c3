import type { FusedWorker } from "../api/types.ts";
import { count, duration, none } from "../lib/format.ts";
import { useNow } from "../lib/now.ts";
import { Id } from "../ui/copy.tsx";
import { StateBadge } from "../ui/state.tsx";
import { Ago, Until } from "../ui/time.tsx";
import { WorkerActions } from "./worker-actions.tsx";
import { exitText, localWord, nameOf, remoteWord } from "./worker-state.ts";

interface Props {
  workers: FusedWorker[];
  /** The daemon is away: what is shown is old, and nothing can be asked of it. */
  frozen: boolean;
  onLogs: (id: string) => void;
}

export function WorkersTable({ workers, frozen, onLogs }: Props) {
  return (
    <table className="data stack" aria-label="Workers of this host">
      <thead>
        <tr>
          <th scope="col">Worker</th>
          <th scope="col">On this host</th>
          <th scope="col">At the control plane</th>
          <th scope="col">Last event</th>
          <th scope="col">
            <span className="sr-only">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {workers.map((worker) => (
          <Row key={worker.id} worker={worker} frozen={frozen} onLogs={onLogs} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ worker, frozen, onLogs }: { worker: FusedWorker; frozen: boolean; onLogs: (id: string) => void }) {
  return (
    <tr data-worker={worker.id}>
      <td className="lead">
        <button
          data-row
          type="button"
          className="text-left font-semibold hover:underline"
          onClick={() => onLogs(worker.id)}
        >
          {nameOf(worker)}
        </button>
        <div className="text-sm text-muted">
          <Id id={worker.id} what="worker id" length={22} />
        </div>
        <div className="text-sm text-muted">
          {worker.workerVersion ? `version ${worker.workerVersion}` : "version not known"}
          {worker.versionStale && worker.latestWorkerVersion && (
            <span className="text-warn"> · {worker.latestWorkerVersion} is out</span>
          )}
        </div>
      </td>
      <td data-label="On this host">
        <Local worker={worker} />
      </td>
      <td data-label="Control plane">
        <Remote worker={worker} />
      </td>
      <td data-label="Last event">
        {worker.lastEvent ? (
          <div>
            <div>{worker.lastEvent.type}</div>
            <Ago at={worker.lastEvent.at} className="text-sm text-muted" />
          </div>
        ) : (
          <span className="text-muted">none yet</span>
        )}
      </td>
      <td className="actions">
        <WorkerActions worker={worker} frozen={frozen} onLogs={onLogs} />
      </td>
    </tr>
  );
}

function Local({ worker }: { worker: FusedWorker }) {
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
      {local?.lastError && <div className="text-sm text-bad">{local.lastError}</div>}
    </div>
  );
}

function Up({ since }: { since: number | null }) {
  const now = useNow();
  return (
    <span className="tabular-nums">
      {since === null ? none : duration(Math.max(1_000, now - since)).replace(".0 s", " s")}
    </span>
  );
}

function Remote({ worker }: { worker: FusedWorker }) {
  const { remote } = worker;
  return (
    <div className="space-y-1">
      {remote ? <StateBadge state={remoteWord(remote)} /> : <StateBadge state="unknown" label="Not known" />}
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
      <div className="text-sm text-muted">
        status from {worker.remoteFetchedAt ? <Ago at={worker.remoteFetchedAt} /> : none}
      </div>
      {worker.remoteError && <div className="text-sm text-bad">{worker.remoteError}</div>}
    </div>
  );
}
