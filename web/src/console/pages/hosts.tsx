import { useMutation, useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Server } from "lucide-react";
import type { RemoteWorker } from "../../api/types.ts";
import { none } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { Command, Id } from "../../ui/copy.tsx";
import { Empty, Failure, Loading, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago } from "../../ui/time.tsx";
import { toast, toastError } from "../../ui/toast.tsx";
import { useMayChange, useSession } from "../gate.tsx";
import { Heading } from "../parts.tsx";
import { pendingQuery } from "../queries/enrollments.ts";
import { setWorkerEnabled, workersQuery } from "../queries/workers.ts";

export function HostsPage() {
  const { workspaceId } = useSession();
  const workers = useQuery(workersQuery(workspaceId));
  const connect = `pipedai-orchestrator connect --api-url ${window.location.origin}`;
  return (
    <>
      <Heading
        title="Hosts"
        tab="Hosts"
        below="Machines that joined this workspace, and the workers they keep running."
      >
        <Link to="/activate" className="link self-center">
          Enter a code
        </Link>
      </Heading>
      <Pending />
      <Panel title="Workers">
        {workers.data ? (
          workers.data.length > 0 ? (
            <WorkersTable workers={workers.data} workspace={workspaceId} />
          ) : (
            <Empty icon={Server} title="No host has joined yet" command={connect}>
              Type this on the machine that is to do the work. It prints a code that you approve here; then it appears
              by itself.
            </Empty>
          )
        ) : workers.isError ? (
          <Failure what="The workers could not be loaded" error={workers.error} retry={() => void workers.refetch()} />
        ) : (
          <Loading lines={4} />
        )}
      </Panel>
      {workers.data && workers.data.length > 0 && (
        <Panel title="Add a host">
          <div className="space-y-2 p-3">
            <p className="text-muted">Type this on the machine that is to join:</p>
            <Command text={connect} />
          </div>
        </Panel>
      )}
    </>
  );
}

function Pending() {
  const pending = useQuery(pendingQuery);
  if (pending.isError && !pending.data) {
    return (
      <div className="card">
        <Failure
          what="The hosts that wait could not be loaded"
          error={pending.error}
          retry={() => void pending.refetch()}
        />
      </div>
    );
  }
  if (!pending.data?.length) return null;
  return (
    <Panel title="Waiting for approval">
      <ul className="divide-y divide-line">
        {pending.data.map((e) => (
          <li key={e.id} className="flex flex-wrap items-center gap-x-4 gap-y-2 px-3 py-2.5">
            <div className="min-w-0 flex-1 basis-56">
              <p className="font-semibold">{e.hostname || e.label || "Host without a name"}</p>
              <p className="text-sm text-muted">
                {[e.os, e.address].filter(Boolean).join(" · ")} · asked <Ago at={e.createdAt} />
              </p>
            </div>
            {e.userCode && <code className="font-mono text-lg font-semibold tracking-wider">{e.userCode}</code>}
            <Link
              data-row
              to="/activate"
              search={e.userCode ? { code: e.userCode } : {}}
              className="inline-flex min-h-9 items-center rounded-md border border-outline px-3 font-medium hover:bg-sunken"
            >
              Review
            </Link>
          </li>
        ))}
      </ul>
    </Panel>
  );
}

function remoteWord(w: RemoteWorker): string {
  if (w.derivedStatus) return w.derivedStatus;
  if (w.disabled) return "disabled";
  return w.currentRunId ? "busy" : w.status;
}

function WorkersTable({ workers, workspace }: { workers: RemoteWorker[]; workspace: string }) {
  return (
    <table className="data stack" aria-label="Workers">
      <thead>
        <tr>
          <th scope="col">Host</th>
          <th scope="col">State</th>
          <th scope="col">Last seen</th>
          <th scope="col">Version</th>
          <th scope="col">Run</th>
          <th scope="col">
            <span className="sr-only">Actions</span>
          </th>
        </tr>
      </thead>
      <tbody>
        {workers.map((w) => (
          <Row key={w.id} worker={w} workspace={workspace} />
        ))}
      </tbody>
    </table>
  );
}

function Row({ worker: w, workspace }: { worker: RemoteWorker; workspace: string }) {
  const may = useMayChange();
  const name = w.label || w.hostname || w.id;
  const change = useMutation({
    mutationFn: (on: boolean) => setWorkerEnabled(workspace, w.id, on),
    onSuccess: (_, on) =>
      toast(
        "ok",
        on ? `${name} gets work again` : `${name} gets no more work`,
        on ? undefined : "What it has in hand it finishes.",
      ),
    onError: (cause, on) => toastError(`${name} could not be ${on ? "enabled" : "disabled"}`, cause),
  });
  return (
    <tr data-worker={w.id}>
      <td className="lead">
        <span className="font-semibold">{name}</span>
        <div className="text-sm text-muted">
          {[w.hostname !== name ? w.hostname : "", w.os].filter(Boolean).join(" · ")}
        </div>
        <div className="text-sm text-muted">
          <Id id={w.id} what="worker id" length={22} />
        </div>
      </td>
      <td data-label="State">
        <span>
          <StateBadge state={remoteWord(w)} />
        </span>
      </td>
      <td data-label="Last seen">
        <Ago at={w.lastSeenAt} className="whitespace-nowrap" />
      </td>
      <td data-label="Version">{w.version ?? none}</td>
      <td data-label="Run">{w.currentRunId ? <Id id={w.currentRunId} what="run id" length={14} /> : none}</td>
      <td className="actions sm:text-right">
        <Button
          size="sm"
          pending={change.isPending}
          disabled={!may}
          title={may ? undefined : "Needs the role operator or admin"}
          onClick={() => change.mutate(w.disabled)}
          aria-label={`${w.disabled ? "Enable" : "Disable"} ${name}`}
        >
          {w.disabled ? "Enable" : "Disable"}
        </Button>
      </td>
    </tr>
  );
}
