import { useQuery } from "@tanstack/react-query";
import type { FusedWorker, SelfStatus } from "../../api/types.ts";
import { count } from "../../lib/format.ts";
import { Awaited, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { EventsPanel } from "../operations/events-panel.tsx";
import { UnderWay } from "../operations/under-way.tsx";
import { viewHref, workerHref } from "../places.ts";
import { selfQuery, workersQuery } from "../queries.ts";
import { Version } from "../workers/worker-cells.tsx";
import { localWord, nameOf, remoteWord, sorted } from "../workers/worker-state.ts";
import { ControlPlanes } from "./control-planes.tsx";
import { Enrolment, enrolment } from "./enrolment.tsx";
import { Health } from "./health.tsx";
import { HostPanel } from "./host-panel.tsx";

/** The host at a glance: what needs attention first, then what runs, then what happened. */
export function Overview({ frozen }: { frozen: boolean }) {
  const self = useQuery(selfQuery);
  const workers = useQuery(workersQuery);
  if (!self.data) {
    return (
      <div className="card">
        <h1 className="sr-only">Overview</h1>
        <Awaited query={self} what="The host could not be asked" lines={5} />
      </div>
    );
  }
  const state = enrolment(self.data, workers.data);
  // What the page says in full is not said once more in a line.
  const health = (self.data.health ?? []).filter(
    (item) => state === "connected" || !["not_connected", "host_revoked"].includes(item.code),
  );
  return (
    <div className="space-y-4">
      <h1 className="sr-only">Overview of {self.data.hostname}</h1>
      {state !== "connected" && <Enrolment state={state} self={self.data} workers={workers.data?.length ?? 0} />}
      <Health items={health} />
      <UnderWay frozen={frozen} />
      <div className="grid grid-cols-1 items-start gap-4 lg:grid-cols-2">
        <div className="space-y-4">
          <HostPanel self={self.data} />
          <ControlPlanes planes={self.data.controlPlanes ?? []} />
        </div>
        {workers.data ? (
          <WorkersGlance workers={workers.data} self={self.data} />
        ) : (
          <Panel title="Workers">
            <Awaited query={workers} what="The workers could not be loaded" />
          </Panel>
        )}
      </div>
      <EventsPanel title="Recent events" most={12} />
    </div>
  );
}

const shownWorkers = 8;

/** The workers in a few lines, those that need attention first. */
function WorkersGlance({ workers, self }: { workers: FusedWorker[]; self: SelfStatus }) {
  const list = sorted(workers, "state", false);
  const running = workers.filter((w) => w.local?.state === "running").length;
  const busy = workers.filter((w) => w.busy).length;
  const behind = workers.filter((w) => w.versionStale).length;
  return (
    <Panel
      title="Workers"
      aside={
        <a href={viewHref("workers")} className="link text-sm">
          All workers
        </a>
      }
    >
      {workers.length === 0 ? (
        <p className="p-3 text-muted">
          {(self.controlPlanes ?? []).length > 0
            ? "This host has no workers yet."
            : "There are none before the host is connected."}
        </p>
      ) : (
        <>
          <p className="border-b border-line px-3 py-2 text-sm text-muted">
            {running} of {count(workers.length, "worker")} running, {busy} busy
            {behind > 0 && (
              <>
                ,{" "}
                <a className="link" href={viewHref("upgrades")}>
                  {behind} behind the newest version
                </a>
              </>
            )}
          </p>
          <ul className="divide-y divide-line">
            {list.slice(0, shownWorkers).map((w) => (
              <li key={w.id} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3 py-2">
                <a
                  data-row
                  href={workerHref(w.id)}
                  className="min-w-0 flex-1 basis-full sm:basis-24 truncate font-medium hover:underline"
                >
                  <bdi>{nameOf(w)}</bdi>
                </a>
                <span className="sm:w-28">
                  <StateBadge state={localWord(w.local)} />
                </span>
                <span className="sm:w-24">{w.remote && <StateBadge state={remoteWord(w.remote)} />}</span>
                <span className="w-28 max-sm:hidden">
                  <Version worker={w} />
                </span>
              </li>
            ))}
          </ul>
          {list.length > shownWorkers && (
            <p className="border-t border-line px-3 py-2 text-sm">
              <a className="link" href={viewHref("workers")}>
                {count(list.length - shownWorkers, "more worker")}
              </a>
            </p>
          )}
        </>
      )}
    </Panel>
  );
}
