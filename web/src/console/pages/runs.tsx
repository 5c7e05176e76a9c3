import { useQuery } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ChevronLeft, ChevronRight, Play } from "lucide-react";
import { Button } from "../../ui/button.tsx";
import { FilterSelect } from "../../ui/field.tsx";
import { Empty, Failure, Loading } from "../../ui/panel.tsx";
import { lookOf } from "../../ui/state.tsx";
import { Heading, RunsTable } from "../parts.tsx";
import { pipelinesQuery } from "../queries/pipelines.ts";
import { runsQuery } from "../queries/runs.ts";
import type { RunsSearch } from "../routes/work.ts";

const route = getRouteApi("/runs");
const pageSize = 25;
const statuses = ["pending", "running", "completed", "partial", "failed", "cancelled"];
const spans: [number, string][] = [
  [1, "Last hour"],
  [24, "Last day"],
  [168, "Last week"],
];

export function RunsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const page = search.page ?? 1;
  const runs = useQuery(
    runsQuery({
      status: search.status,
      pipelineId: search.pipeline,
      hours: search.hours,
      limit: pageSize,
      offset: (page - 1) * pageSize,
    }),
  );
  const pipelines = useQuery(pipelinesQuery);
  const filtered = Boolean(search.status || search.pipeline || search.hours);
  // A filter changes what the page number means.
  const set = (change: RunsSearch) =>
    void navigate({ search: (old: RunsSearch) => ({ ...old, page: undefined, ...change }) });
  const total = runs.data?.total ?? 0;
  const pages = Math.max(1, Math.ceil(total / pageSize));
  const ids = new Set([...(pipelines.data?.map((p) => p.id) ?? []), ...(search.pipeline ? [search.pipeline] : [])]);

  return (
    <>
      <Heading title="Runs" tab="Runs">
        <FilterSelect label="State" value={search.status} onChange={(status) => set({ status })} first>
          <option value="">Any state</option>
          {statuses.map((s) => (
            <option key={s} value={s}>
              {lookOf(s).label}
            </option>
          ))}
        </FilterSelect>
        <FilterSelect label="Pipeline" value={search.pipeline} onChange={(pipeline) => set({ pipeline })}>
          <option value="">Any pipeline</option>
          {[...ids].map((id) => (
            <option key={id}>{id}</option>
          ))}
        </FilterSelect>
        <FilterSelect
          label="Created"
          value={search.hours?.toString()}
          onChange={(h) => set({ hours: h ? Number(h) : undefined })}
        >
          <option value="">Any time</option>
          {spans.map(([hours, name]) => (
            <option key={hours} value={hours}>
              {name}
            </option>
          ))}
        </FilterSelect>
      </Heading>
      <div className={`card overflow-hidden ${runs.isPlaceholderData ? "opacity-70" : ""}`} aria-busy={runs.isFetching}>
        {runs.data ? (
          runs.data.runs.length > 0 ? (
            <RunsTable runs={runs.data.runs} />
          ) : filtered || page > 1 ? (
            <Empty
              icon={Play}
              title="No run matches"
              action={<Button onClick={() => void navigate({ search: {} })}>Clear the filters</Button>}
            >
              There may be runs outside this filter.
            </Empty>
          ) : (
            <Empty
              icon={Play}
              title="No runs yet"
              command={`pipeweave trigger ${pipelines.data?.[0]?.id ?? "PIPELINE"} --input '{}' --wait`}
            >
              A run is one passage through a pipeline. Start the first one:
            </Empty>
          )
        ) : runs.isError ? (
          <Failure what="The runs could not be loaded" error={runs.error} retry={() => void runs.refetch()} />
        ) : (
          <Loading lines={8} />
        )}
      </div>
      {total > pageSize && (
        <nav aria-label="Pages of runs" className="flex items-center justify-between gap-3">
          <Button
            size="sm"
            icon={ChevronLeft}
            disabled={page <= 1}
            onClick={() =>
              void navigate({ search: (old: RunsSearch) => ({ ...old, page: page - 1 > 1 ? page - 1 : undefined }) })
            }
          >
            Newer
          </Button>
          <p className="text-sm text-muted tabular-nums">
            {(page - 1) * pageSize + 1} to {Math.min(total, page * pageSize)} of {total}
          </p>
          <Button
            size="sm"
            disabled={page >= pages}
            onClick={() => void navigate({ search: (old: RunsSearch) => ({ ...old, page: page + 1 }) })}
          >
            Older
            <ChevronRight aria-hidden className="size-4" />
          </Button>
        </nav>
      )}
    </>
  );
}
