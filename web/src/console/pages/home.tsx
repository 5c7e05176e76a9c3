import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { Boxes } from "lucide-react";
import { count } from "../../lib/format.ts";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago } from "../../ui/time.tsx";
import { Attention } from "../home/attention-panel.tsx";
import { HostsPanel } from "../home/hosts-panel.tsx";
import { StartHere } from "../home/start-here.tsx";
import { Throughput } from "../home/throughput.tsx";
import { Heading, RunsTable } from "../parts.tsx";
import { runsQuery } from "../queries/runs.ts";
import { servicesQuery } from "../queries/services.ts";
import { QueueCounts } from "../queue-counts.tsx";

const route = getRouteApi("/");
const newestRuns = runsQuery({ limit: 8 });

/** What an operator wants to know at a glance, or, before the first run, the way to it. */
export function HomePage() {
  const { hours } = route.useSearch();
  const runs = useQuery(newestRuns);
  const begins = runs.data?.total === 0;
  return (
    <>
      <Heading title="Home" tab="Home" />
      {begins ? (
        <StartHere />
      ) : (
        <>
          <Attention />
          <QueueCounts />
          <div className="grid grid-cols-1 gap-4 lg:grid-cols-[minmax(0,2fr)_minmax(0,1fr)] lg:items-start">
            <div className="space-y-4">
              <Throughput hours={hours ?? 24} />
              <Recent />
            </div>
            <div className="space-y-4">
              <HostsPanel />
              <Services />
            </div>
          </div>
        </>
      )}
    </>
  );
}

function Recent() {
  const runs = useQuery(newestRuns);
  return (
    <Panel
      title="Recent runs"
      aside={
        <Link to="/runs" className="link text-sm">
          All runs
        </Link>
      }
    >
      {runs.data ? (
        <RunsTable runs={runs.data.runs} />
      ) : (
        <Awaited query={runs} what="The runs could not be loaded" lines={5} />
      )}
    </Panel>
  );
}

const mostServices = 6;

function Services() {
  const services = useQuery(servicesQuery);
  const shown = services.data?.slice(0, mostServices) ?? [];
  const more = (services.data?.length ?? 0) - shown.length;
  return (
    <Panel
      title="Services"
      aside={
        <Link to="/services" className="link text-sm">
          {more > 0 ? `${more} more` : "All services"}
        </Link>
      }
    >
      {services.data ? (
        shown.length > 0 ? (
          <ul className="divide-y divide-line">
            {shown.map((s) => (
              <li key={s.id} className="flex flex-wrap items-center gap-x-3 gap-y-0.5 px-3 py-2">
                <span className="min-w-0 flex-1">
                  <span className="block truncate font-medium" title={s.id}>
                    {s.id}
                  </span>
                  <span className="block truncate text-sm text-muted">
                    {s.version} · {count(s.taskCount, "task")} · seen <Ago at={s.lastHeartbeat} />
                  </span>
                </span>
                <StateBadge state={s.health} />
              </li>
            ))}
          </ul>
        ) : (
          <Empty icon={Boxes} title="No services yet">
            A worker registers its service when it starts. Connect a host, and it appears here.
          </Empty>
        )
      ) : (
        <Awaited query={services} what="The services could not be loaded" />
      )}
    </Panel>
  );
}
