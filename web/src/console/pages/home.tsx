import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { Boxes, Play, Server } from "lucide-react";
import { count } from "../../lib/format.ts";
import { Awaited, Empty, Panel } from "../../ui/panel.tsx";
import { StateBadge } from "../../ui/state.tsx";
import { Ago } from "../../ui/time.tsx";
import { Heading, RunsTable } from "../parts.tsx";
import { pendingQuery } from "../queries/enrollments.ts";
import { pipelinesQuery } from "../queries/pipelines.ts";
import { runsQuery } from "../queries/runs.ts";
import { servicesQuery } from "../queries/services.ts";
import { QueueCounts } from "../queue-counts.tsx";

export function HomePage() {
  return (
    <>
      <Heading title="Home" tab="Home" />
      <Waiting />
      <QueueCounts />
      <div className="grid gap-4 lg:grid-cols-[minmax(0,2fr)_minmax(0,1fr)] lg:items-start">
        <Recent />
        <Services />
      </div>
    </>
  );
}

/** Hosts that wait come first: somebody sits before a terminal. */
function Waiting() {
  const pending = useQuery(pendingQuery);
  if (!pending.data?.length) return null;
  return (
    <section aria-label="Hosts waiting for approval" className="tone-warn tint rounded-lg border">
      <ul className="divide-y divide-line">
        {pending.data.map((e) => (
          <li key={e.id} className="flex flex-wrap items-center gap-x-3 gap-y-1 px-3 py-2.5">
            <Server aria-hidden className="size-4" />
            <p className="min-w-0 flex-1 text-text">
              <strong className="font-semibold">{e.hostname || e.label || "A host"}</strong> asked to join{" "}
              <Ago at={e.createdAt} />
            </p>
            <Link to="/activate" search={e.userCode ? { code: e.userCode } : {}} className="link font-medium">
              Review
            </Link>
          </li>
        ))}
      </ul>
    </section>
  );
}

function Recent() {
  const runs = useQuery(runsQuery({ limit: 8 }));
  const pipelines = useQuery(pipelinesQuery);
  const first = pipelines.data?.[0]?.id;
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
        runs.data.runs.length > 0 ? (
          <RunsTable runs={runs.data.runs} />
        ) : (
          <Empty
            icon={Play}
            title="No runs yet"
            command={first ? `pipeweave trigger ${first} --input '{}' --wait` : "pipeweave pipelines"}
          >
            A run is one passage through a pipeline.{" "}
            {first
              ? "Start one here or from the pipeline's page:"
              : "There is no pipeline yet either; see what the server knows:"}
          </Empty>
        )
      ) : (
        <Awaited query={runs} what="The runs could not be loaded" lines={5} />
      )}
    </Panel>
  );
}

function Services() {
  const services = useQuery(servicesQuery);
  return (
    <Panel
      title="Services"
      aside={
        <Link to="/services" className="link text-sm">
          All services
        </Link>
      }
    >
      {services.data ? (
        services.data.length > 0 ? (
          <ul className="divide-y divide-line">
            {services.data.slice(0, 8).map((s) => (
              <li key={s.id} className="flex flex-wrap items-center gap-x-3 gap-y-0.5 px-3 py-2.5">
                <span className="min-w-0 flex-1">
                  <span className="block truncate font-medium">{s.id}</span>
                  <span className="block text-sm text-muted">
                    {s.version} · {count(s.taskCount, "task")} · seen <Ago at={s.lastHeartbeat} />
                  </span>
                </span>
                <StateBadge state={s.status} />
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
