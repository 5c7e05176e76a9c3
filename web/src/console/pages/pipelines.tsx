import { useQuery } from "@tanstack/react-query";
import { Link } from "@tanstack/react-router";
import { GitFork } from "lucide-react";
import { useState } from "react";
import type { Run } from "../../api/types.ts";
import { count, instant } from "../../lib/format.ts";
import { absolute, zonePreference } from "../../lib/zone.ts";
import { Empty, Failure, Loading } from "../../ui/panel.tsx";
import { lookOf, StateIcon } from "../../ui/state.tsx";
import { Ago } from "../../ui/time.tsx";
import { Heading } from "../parts.tsx";
import { pipelinesQuery } from "../queries/pipelines.ts";
import { runsQuery } from "../queries/runs.ts";

const recentRuns = 100;

export function PipelinesPage() {
  const pipelines = useQuery(pipelinesQuery);
  const recent = useQuery(runsQuery({ limit: recentRuns }));
  const [search, setSearch] = useState("");
  // Whether what is known of the last runs is all there is.
  const all = (recent.data?.total ?? 0) <= recentRuns;
  const needle = search.trim().toLowerCase();
  const shown = pipelines.data?.filter((p) => `${p.id} ${p.name}`.toLowerCase().includes(needle)) ?? [];
  return (
    <>
      <Heading title="Pipelines" tab="Pipelines">
        <label>
          <span className="sr-only">Filter by name</span>
          <input
            data-search
            type="search"
            className="field"
            placeholder="Filter by name"
            value={search}
            onChange={(e) => setSearch(e.target.value)}
          />
        </label>
      </Heading>
      <div className="card overflow-hidden">
        {pipelines.data ? (
          shown.length > 0 ? (
            <table className="data stack" aria-label="Pipelines">
              <thead>
                <tr>
                  <th scope="col">Pipeline</th>
                  <th scope="col">Tasks</th>
                  <th scope="col">Last runs, newest first</th>
                  <th scope="col">Last run</th>
                </tr>
              </thead>
              <tbody>
                {shown.map((p) => {
                  const runs = recent.data?.runs.filter((r) => r.pipelineId === p.id) ?? [];
                  return (
                    <tr key={p.id}>
                      <td className="lead">
                        <Link data-row to="/pipelines/$id" params={{ id: p.id }} className="link font-semibold">
                          {p.name || p.id}
                        </Link>
                        <p className="text-sm text-muted">
                          {p.name && p.name !== p.id && <span className="font-mono">{p.id} · </span>}
                          {p.description || `starts with ${(p.entry_tasks ?? []).join(", ")}`}
                        </p>
                      </td>
                      <td data-label="Tasks" className="whitespace-nowrap">
                        {count(Object.keys(p.structure ?? {}).length, "task")}
                      </td>
                      <td data-label="Last runs">
                        <Strip runs={runs.slice(0, 10)} all={all} />
                      </td>
                      <td data-label="Last run">
                        {runs[0] ? (
                          <Ago at={runs[0].createdAt} className="whitespace-nowrap" />
                        ) : (
                          <span className="text-muted whitespace-nowrap">{all ? "never" : "longer ago"}</span>
                        )}
                      </td>
                    </tr>
                  );
                })}
              </tbody>
            </table>
          ) : needle ? (
            <Empty
              title="No pipeline has that in its name"
              action={
                <button type="button" className="link" onClick={() => setSearch("")}>
                  Clear the filter
                </button>
              }
            />
          ) : (
            <Empty
              icon={GitFork}
              title="No pipelines yet"
              command={`pipedai-orchestrator connect --api-url ${window.location.origin}`}
            >
              A pipeline is made from the tasks of each service that registers. Connect a host whose worker offers some:
            </Empty>
          )
        ) : pipelines.isError ? (
          <Failure
            what="The pipelines could not be loaded"
            error={pipelines.error}
            retry={() => void pipelines.refetch()}
          />
        ) : (
          <Loading lines={5} />
        )}
      </div>
    </>
  );
}

/** The states of the last runs at a glance; each leads to its run. */
function Strip({ runs, all }: { runs: Run[]; all: boolean }) {
  const zone = zonePreference.use();
  if (runs.length === 0)
    return <span className="text-muted">{all ? "none" : `not among the last ${recentRuns} runs`}</span>;
  return (
    <ul className="flex flex-wrap sm:w-60">
      {runs.map((run) => {
        const at = instant(run.createdAt);
        const label = `${lookOf(run.status).label}${at ? `, ${absolute(at, zone)}` : ""}`;
        return (
          <li key={run.id}>
            <Link
              to="/runs/$id"
              params={{ id: run.id }}
              title={label}
              aria-label={label}
              className="grid size-6 place-items-center rounded-sm hover:bg-sunken"
            >
              <StateIcon state={run.status} />
            </Link>
          </li>
        );
      })}
    </ul>
  );
}
