import { useQuery } from "@tanstack/react-query";
import { ArrowLeft, ServerOff } from "lucide-react";
import { lazy, Suspense } from "react";
import type { FusedWorker } from "../../api/types.ts";
import { goTo } from "../../lib/hash-route.ts";
import { Id } from "../../ui/copy.tsx";
import { Awaited, Empty, Loading } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { type Tab, Tabs } from "../../ui/tabs.tsx";
import { EventsPanel } from "../operations/events-panel.tsx";
import { viewHref, type WorkerTab, workerHref, workerTabs } from "../places.ts";
import { workersQuery } from "../queries.ts";
import { WorkerActions } from "./worker-actions.tsx";
import { WorkerOverview } from "./worker-overview.tsx";
import { localWord, nameOf, remoteWord } from "./worker-state.ts";

const LogTab = lazy(async () => ({ default: (await import("./log-tab.tsx")).LogTab }));
const RunsTab = lazy(async () => ({ default: (await import("./runs-tab.tsx")).RunsTab }));

const tabs: Tab<WorkerTab>[] = [
  { name: "overview", label: "Overview" },
  { name: "log", label: "Log" },
  { name: "runs", label: "Runs" },
  { name: "events", label: "Events" },
];

interface Props {
  id: string;
  /** As the address has it. */
  tab: string | undefined;
  frozen: boolean;
}

/** Everything about one worker. */
export function WorkerView({ id, tab, frozen }: Props) {
  const workers = useQuery(workersQuery);
  const worker = workers.data?.find((w) => w.id === id);
  if (!workers.data) {
    return (
      <div className="card">
        <h1 className="sr-only">Worker</h1>
        <Awaited query={workers} what="The worker could not be loaded" />
      </div>
    );
  }
  if (!worker) {
    return (
      <div className="card">
        <h1 className="sr-only">Worker not found</h1>
        <Empty
          icon={ServerOff}
          title="This host has no such worker"
          action={
            <a className="link" href={viewHref("workers")}>
              See those it has
            </a>
          }
        >
          <Id id={id} what="worker id" length={40} /> was deleted, or the link is of another host.
        </Empty>
      </div>
    );
  }
  const at = workerTabs.find((name) => name === tab) ?? "overview";
  return (
    <div className="space-y-4">
      <Head worker={worker} frozen={frozen} />
      <Tabs label={`About ${nameOf(worker)}`} tabs={tabs} value={at} onChange={(name) => goTo(workerHref(id, name))}>
        <Suspense fallback={<Loading lines={5} />}>
          {at === "overview" && <WorkerOverview worker={worker} frozen={frozen} />}
          {at === "log" && <LogTab worker={worker} />}
          {at === "runs" && <RunsTab worker={worker} />}
          {at === "events" && <EventsPanel worker={id} title={`What happened to ${nameOf(worker)}`} />}
        </Suspense>
      </Tabs>
    </div>
  );
}

function Head({ worker, frozen }: { worker: FusedWorker; frozen: boolean }) {
  return (
    <div className="space-y-3">
      <a
        href={viewHref("workers")}
        className="inline-flex min-h-6 items-center gap-1 text-sm text-muted hover:text-text"
      >
        <ArrowLeft aria-hidden className="size-4" /> Workers
      </a>
      <div className="flex flex-wrap items-center gap-x-3 gap-y-2">
        <h1 className="line-clamp-2 max-w-full min-w-0 text-xl font-semibold">
          <bdi>{nameOf(worker)}</bdi>
        </h1>
        <span className="flex flex-wrap items-center gap-1.5">
          <StateBadge state={localWord(worker.local)} title="Its process, on this host" />
          {worker.remote && <StateBadge state={remoteWord(worker.remote)} title="What its control plane says of it" />}
        </span>
        <span className="text-sm text-muted">
          <Id id={worker.id} what="worker id" length={30} />
        </span>
      </div>
      <WorkerActions worker={worker} frozen={frozen} />
    </div>
  );
}
