import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { GitFork } from "lucide-react";
import { useMemo } from "react";
import type { Pipeline, RunGlance } from "../../api/types.ts";
import { count, duration, instant } from "../../lib/format.ts";
import { absolute, zonePreference } from "../../lib/zone.ts";
import { Button } from "../../ui/button.tsx";
import { FilterSelect, FilterText } from "../../ui/field.tsx";
import { Awaited, Empty, Failure } from "../../ui/panel.tsx";
import { lookOf, StateIcon } from "../../ui/state.tsx";
import { SortHead, TableHead } from "../../ui/table.tsx";
import { Ago } from "../../ui/time.tsx";
import { Heading } from "../parts.tsx";
import { pipelinesQuery } from "../queries/pipelines.ts";
import { recentLimit, recentRunsQuery } from "../queries/runs.ts";
import type { PipelinesSearch } from "../routes/work.ts";
import { type RunStats, statsOf } from "../stats.ts";

const route = getRouteApi("/pipelines");
const stripLength = 12;

interface Row {
  pipeline: Pipeline;
  runs: RunGlance[];
  stats: RunStats;
}

const sorts = {
  name: { label: "Name", of: (r: Row) => (r.pipeline.name || r.pipeline.id).toLowerCase() },
  last: { label: "Last run", of: (r: Row) => -(instant(r.runs[0]?.createdAt) ?? 0) },
  success: { label: "Success, lowest first", of: (r: Row) => r.stats.success ?? 2 },
  slow: { label: "Duration, longest first", of: (r: Row) => -(r.stats.p95 ?? -1) },
} as const;
type PipelineSort = keyof typeof sorts;

export function PipelinesPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const pipelines = useQuery(pipelinesQuery);
  const recent = useQuery(recentRunsQuery);
  const set = (change: PipelinesSearch) =>
    void navigate({ search: (old: PipelinesSearch) => ({ ...old, ...change }), replace: true });
  const needle = (search.text ?? "").toLowerCase();
  const by = sorts[search.sort ?? "name"].of;
  const rows = useMemo(() => {
    const all = (pipelines.data ?? []).map((pipeline): Row => {
      const runs = recent.data?.[pipeline.id] ?? [];
      return { pipeline, runs, stats: statsOf(runs) };
    });
    return all
      .filter(({ pipeline: p }) => `${p.id} ${p.name}`.toLowerCase().includes(needle))
      .sort((a, b) => (by(a) < by(b) ? -1 : by(a) > by(b) ? 1 : a.pipeline.id.localeCompare(b.pipeline.id)));
  }, [pipelines.data, recent.data, needle, by]);
  return (
    <>
      <Heading title="Pipelines" tab="Pipelines">
        <FilterText label="Filter by name" first value={search.text} onChange={(text) => set({ text })} />
        <FilterSelect
          label="Order"
          value={search.sort ?? "name"}
          onChange={(sort) => set({ sort: sort === "name" ? undefined : (sort as PipelineSort) })}
        >
          {Object.entries(sorts).map(([name, sort]) => (
            <option key={name} value={name}>
              {sort.label}
            </option>
          ))}
        </FilterSelect>
      </Heading>
      <div className="card overflow-hidden">
        {pipelines.data ? (
          rows.length > 0 ? (
            <List rows={rows} known={recent.data !== undefined} sort={search.sort ?? "name"} />
          ) : needle ? (
            <Empty
              title="No pipeline has that in its name"
              action={<Button onClick={() => set({ text: undefined })}>Clear the filter</Button>}
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
        ) : (
          <Awaited query={pipelines} what="The pipelines could not be loaded" lines={5} />
        )}
      </div>
      {recent.isError && (
        <div className="card">
          <Failure
            what="How their last runs went could not be loaded"
            error={recent.error}
            retry={() => void recent.refetch()}
          />
        </div>
      )}
      {rows.length > 0 && (
        <p className="text-sm text-muted">Success and durations are of the last {recentLimit} runs of each pipeline.</p>
      )}
    </>
  );
}

function List({ rows, known, sort }: { rows: Row[]; known: boolean; sort: PipelineSort }) {
  const head = (by: PipelineSort, label: string, order: "ascending" | "descending" = "ascending") => (
    <SortHead key={by} label={label} sorted={sort === by ? order : undefined} />
  );
  return (
    <table className="data stack wide" aria-label="Pipelines">
      <TableHead
        columns={[
          head("name", "Pipeline"),
          "Last runs, newest first",
          head("success", "Success"),
          head("slow", "Half / 95 % take up to", "descending"),
          head("last", "Last run", "descending"),
        ]}
      />
      <tbody>
        {rows.map(({ pipeline: p, runs, stats }) => (
          <tr key={p.id}>
            <td className="lead">
              <Link data-row to="/pipelines/$id" params={{ id: p.id }} className="link font-semibold">
                {p.name || p.id}
              </Link>
              <p className="line-clamp-2 text-sm text-muted">
                {p.name && p.name !== p.id && <span className="font-mono">{p.id} · </span>}
                {count(Object.keys(p.structure ?? {}).length, "task")}
                {p.description ? ` · ${p.description}` : ""}
              </p>
            </td>
            <td data-label="Last runs">
              {runs.length > 0 ? (
                <Strip runs={runs.slice(0, stripLength)} />
              ) : (
                <span className="text-muted">{known ? "none yet" : "…"}</span>
              )}
            </td>
            <td data-label="Success">
              <Success stats={stats} />
            </td>
            <td data-label="Durations" className="whitespace-nowrap">
              {stats.p50 === null ? (
                <span className="text-muted">–</span>
              ) : (
                <span className="tabular-nums">
                  {duration(stats.p50)} <span className="text-muted">/ {duration(stats.p95)}</span>
                </span>
              )}
            </td>
            <td data-label="Last run">
              {runs[0] ? (
                <Ago at={runs[0].createdAt} className="whitespace-nowrap" />
              ) : (
                <span className="text-muted">{known ? "never" : "…"}</span>
              )}
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function Success({ stats }: { stats: RunStats }) {
  if (stats.success === null) return <span className="text-muted">–</span>;
  const percent = Math.floor(stats.success * 100);
  const tone = percent >= 95 ? "text-ok" : percent >= 70 ? "text-warn" : "text-bad";
  return (
    <span className={`font-medium tabular-nums ${tone}`} title={`of ${count(stats.ended, "run")} that ended`}>
      {percent} %
    </span>
  );
}

/** The states of the last runs at a glance; each leads to its run. */
function Strip({ runs }: { runs: RunGlance[] }) {
  const zone = zonePreference.use();
  return (
    <ul className="flex flex-wrap sm:w-72">
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
