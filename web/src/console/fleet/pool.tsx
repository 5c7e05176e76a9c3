import { useQuery } from "@tanstack/react-query";
import { Cpu } from "lucide-react";
import { useState } from "react";
import type { RemoteWorker } from "../../api/types.ts";
import { none } from "../../lib/format.ts";
import { RowActions } from "../../ui/action.tsx";
import { Command, Id } from "../../ui/copy.tsx";
import { Empty } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { useMay, useSession } from "../gate.tsx";
import type { HostsSearch } from "../host-filter.ts";
import { newestQuery } from "../queries/hosts.ts";
import { deletePoolWorker, poolQuery, setPoolWorkerEnabled } from "../queries/pool.ts";
import { workspacesQuery } from "../queries/workspaces.ts";
import { Holds, Version } from "./host-parts.tsx";
import { workerActs } from "./worker-acts.tsx";
import { WorkerDrawer } from "./worker-drawer.tsx";
import { WorkerList } from "./worker-list.tsx";
import { workerName, workerWord } from "./worker-words.ts";

/** Whether the caller may see the workers of the pool: those of the default workspace may. */
export function useSeesPool(): boolean {
  const session = useSession();
  const workspaces = useQuery(workspacesQuery);
  return workspaces.data?.find((w) => w.id === session.workspaceId)?.default ?? false;
}

const admit = "pipeweave tokens create rack-4 --kind pool > pool.token";

/** The workers of the pool: they belong to no workspace, and a host has no power over them but to run them. */
export function PoolWorkers({ search, set }: { search: HostsSearch; set: (change: HostsSearch) => void }) {
  const workers = useQuery(poolQuery);
  const keeps = useMay("admin");
  return (
    <div className="space-y-3">
      <WorkerList
        workers={workers}
        what="The pool could not be loaded"
        search={search}
        set={set}
        placeholder="Name, state, version…"
        none={
          <Empty icon={Cpu} title="The pool is empty" {...(keeps ? { command: admit } : {})}>
            Workers of the pool belong to no workspace and take work of all of them. A token of the kind pool admits
            one, once.
          </Empty>
        }
      >
        {(shown) => <Table workers={shown} />}
      </WorkerList>
      {keeps && (workers.data?.length ?? 0) > 0 && (
        <details className="text-sm">
          <summary className="text-muted">Admit another one</summary>
          <div className="space-y-2 pt-2">
            <Command text={admit} />
            <p className="text-muted">Then, on the machine that is to run it:</p>
            <Command
              text={`pipedai-orchestrator build --pool --api-url ${window.location.origin} --token-stdin < pool.token`}
            />
          </div>
        </details>
      )}
    </div>
  );
}

function Table({ workers }: { workers: RemoteWorker[] }) {
  const [open, setOpen] = useState<RemoteWorker | null>(null);
  const newest = useQuery(newestQuery).data?.pipedaiWorker.latest;
  return (
    <>
      <table className="data stack wide" aria-label="Workers of the pool">
        <TableHead columns={["Worker", "State", "System", "Version", "Run", "Last seen"]} actions />
        <tbody>
          {workers.map((w) => (
            <Row key={w.id} worker={w} newest={newest} onOpen={() => setOpen(w)} />
          ))}
        </tbody>
      </table>
      {open && <WorkerDrawer worker={workers.find((w) => w.id === open.id) ?? open} onClose={() => setOpen(null)} />}
    </>
  );
}

function Row({ worker: w, newest, onOpen }: { worker: RemoteWorker; newest: string | undefined; onOpen: () => void }) {
  const keeps = useMay("admin");
  const name = workerName(w);
  const acts = workerActs(w, name, {
    commands: "pool",
    enable: (on) => setPoolWorkerEnabled(w.id, on),
    remove: () => deletePoolWorker(w.id),
  });
  return (
    <tr data-worker={w.id}>
      <td className="lead">
        <button data-row type="button" className="link text-left font-semibold" onClick={onOpen}>
          <span className="line-clamp-2">{name}</span>
        </button>
        <p className="line-clamp-1 text-sm text-muted">
          {w.hostname && w.hostname !== name && `on ${w.hostname}, `}registered <Ago at={w.registeredAt} />
        </p>
        <Holds worker={w} />
      </td>
      <td data-label="State">
        <span>
          <StateBadge state={workerWord(w)} />
        </span>
      </td>
      <td data-label="System">{w.os || none}</td>
      <td data-label="Version">
        <Version version={w.version} newest={newest} />
      </td>
      <td data-label="Run">{w.currentRunId ? <Id id={w.currentRunId} what="run id" length={14} /> : none}</td>
      <td data-label="Last seen">
        <Ago at={w.lastSeenAt} className="whitespace-nowrap" />
      </td>
      <td className="actions sm:text-right">{keeps && <RowActions of={name} acts={acts} />}</td>
    </tr>
  );
}
