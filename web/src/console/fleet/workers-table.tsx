import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Cpu, ListTree } from "lucide-react";
import { useState } from "react";
import type { RemoteWorker } from "../../api/types.ts";
import { none } from "../../lib/format.ts";
import { RowActions } from "../../ui/action.tsx";
import { Id } from "../../ui/copy.tsx";
import { Empty } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { useMay, useSession } from "../gate.tsx";
import type { HostsSearch } from "../host-filter.ts";
import { hostsQuery, newestQuery } from "../queries/hosts.ts";
import { askRotation, deleteWorker, setWorkerEnabled, workersQuery } from "../queries/workers.ts";
import { Holds, Version } from "./host-parts.tsx";
import { workerActs } from "./worker-acts.tsx";
import { WorkerDrawer } from "./worker-drawer.tsx";
import { WorkerList } from "./worker-list.tsx";
import { workerName, workerWord } from "./worker-words.ts";

/** All workers of the workspace, whichever host keeps them. */
export function AllWorkers({ search, set }: { search: HostsSearch; set: (change: HostsSearch) => void }) {
  const { workspaceId } = useSession();
  const workers = useQuery(workersQuery(workspaceId));
  return (
    <WorkerList
      workers={workers}
      what="The workers could not be loaded"
      search={search}
      set={set}
      placeholder="Name, host, state…"
      none={
        <Empty icon={Cpu} title="No worker has registered yet">
          A host keeps workers running; each registers when it starts.
        </Empty>
      }
    >
      {(shown) => <WorkersTable workers={shown} workspace={workspaceId} />}
    </WorkerList>
  );
}

export function WorkersTable({
  workers,
  workspace,
  host = true,
}: {
  workers: RemoteWorker[];
  workspace: string;
  /** Which host keeps it is shown, too. */
  host?: boolean;
}) {
  const [open, setOpen] = useState<RemoteWorker | null>(null);
  const hosts = useQuery({ ...hostsQuery, enabled: host });
  const newest = useQuery(newestQuery).data?.pipedaiWorker.latest;
  return (
    <>
      <table className="data stack wide" aria-label="Workers">
        <TableHead columns={["Worker", "State", "Last seen", "Version", "Run"]} actions />
        <tbody>
          {workers.map((w) => (
            <Row
              key={w.id}
              worker={w}
              workspace={workspace}
              newest={newest}
              hostId={host ? hosts.data?.find((h) => h.name === w.host)?.id : undefined}
              shownHost={host}
              onOpen={() => setOpen(w)}
            />
          ))}
        </tbody>
      </table>
      {open && <WorkerDrawer worker={workers.find((w) => w.id === open.id) ?? open} onClose={() => setOpen(null)} />}
    </>
  );
}

function Row({
  worker: w,
  workspace,
  newest,
  hostId,
  shownHost,
  onOpen,
}: {
  worker: RemoteWorker;
  workspace: string;
  newest: string | undefined;
  hostId: string | undefined;
  shownHost: boolean;
  onOpen: () => void;
}) {
  const operates = useMay("operator");
  const admits = useMay("admin");
  const name = workerName(w);
  const acts = workerActs(w, name, {
    commands: "workers",
    ...(operates
      ? { enable: (on) => setWorkerEnabled(workspace, w.id, on), rotate: () => askRotation(workspace, w.id) }
      : {}),
    ...(admits ? { remove: () => deleteWorker(workspace, w.id) } : {}),
  });
  return (
    <tr data-worker={w.id}>
      <td className="lead">
        <button data-row type="button" className="link text-left font-semibold" onClick={onOpen}>
          <span className="line-clamp-2">{name}</span>
        </button>
        {shownHost && w.host && (
          <p className="line-clamp-1 text-sm text-muted">
            {hostId ? (
              <>
                on{" "}
                <Link to="/hosts/$id" params={{ id: hostId }} className="hover:underline">
                  {w.host}
                </Link>
              </>
            ) : (
              w.host !== name && w.host
            )}
          </p>
        )}
        <Holds worker={w} />
      </td>
      <td data-label="State">
        <span>
          <StateBadge state={workerWord(w)} />
        </span>
      </td>
      <td data-label="Last seen">
        <Ago at={w.lastSeenAt} className="whitespace-nowrap" />
      </td>
      <td data-label="Version">
        <Version version={w.version} newest={newest} />
      </td>
      <td data-label="Run">{w.currentRunId ? <Id id={w.currentRunId} what="run id" length={14} /> : none}</td>
      <td className="actions sm:text-right">
        <RowActions of={name} acts={acts} also={[{ label: "Events", icon: ListTree, run: onOpen }]} />
      </td>
    </tr>
  );
}
