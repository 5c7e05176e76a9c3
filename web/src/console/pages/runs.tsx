import { useQuery, useQueryClient } from "@tanstack/react-query";
import { getRouteApi } from "@tanstack/react-router";
import { ArrowUp, Play } from "lucide-react";
import { useEffect, useState } from "react";
import type { Run } from "../../api/types.ts";
import { count, elapsed, instant } from "../../lib/format.ts";
import { type Column, sheetTime } from "../../lib/table-file.ts";
import { Button } from "../../ui/button.tsx";
import { FilterSelect, FilterText, SpanSelect } from "../../ui/field.tsx";
import { Awaited, Empty, Failure } from "../../ui/panel.tsx";
import { lookOf } from "../../ui/state.tsx";
import { DownloadMenu, mostRows } from "../download-menu.tsx";
import { useMayChange } from "../gate.tsx";
import { Pages } from "../pager.tsx";
import { Heading, RunsTable } from "../parts.tsx";
import { pipelinesQuery } from "../queries/pipelines.ts";
import { allRuns, type RunFilter, runsQuery } from "../queries/runs.ts";
import type { RunsSearch } from "../routes/work.ts";
import { ViewChips } from "../view-chips.tsx";
import { holdRuns } from "./hold-runs.ts";

const route = getRouteApi("/runs");
const pageSize = 25;
const statuses = ["pending", "running", "completed", "partial", "failed", "cancelled"];

const columns = (zone: string, zoneName: string): Column<Run>[] => [
  { name: "run", of: (r) => r.id },
  { name: "pipeline", of: (r) => r.pipelineId },
  { name: "version", of: (r) => r.pipelineVersion },
  { name: "state", of: (r) => r.status },
  { name: "by", of: (r) => r.triggeredBy },
  { name: `created (${zoneName})`, of: (r) => sheetTime(instant(r.createdAt), zone) },
  { name: `started (${zoneName})`, of: (r) => sheetTime(instant(r.startedAt), zone) },
  { name: `ended (${zoneName})`, of: (r) => sheetTime(instant(r.completedAt), zone) },
  {
    name: "seconds",
    of: (r) => (r.completedAt ? (elapsed(r.startedAt ?? r.createdAt, r.completedAt, 0) ?? 0) / 1_000 : null),
  },
  { name: "error", of: (r) => r.error },
];

export function RunsPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const page = search.page ?? 1;
  const filter: RunFilter = {
    status: search.status,
    pipelineId: search.pipeline,
    version: search.version,
    text: search.text,
    hours: search.hours,
    limit: pageSize,
    offset: (page - 1) * pageSize,
  };
  const runs = useQuery(runsQuery(filter));
  const pipelines = useQuery(pipelinesQuery);
  const may = useMayChange();
  const filtered = Boolean(search.status || search.pipeline || search.hours || search.version || search.text);
  // A filter changes what the page number means.
  const set = (change: RunsSearch) =>
    void navigate({ search: (old: RunsSearch) => ({ ...old, page: undefined, ...change }) });
  const ids = new Set([...(pipelines.data?.map((p) => p.id) ?? []), ...(search.pipeline ? [search.pipeline] : [])]);
  const held = useHeld(runs.data, runs.isPlaceholderData, JSON.stringify(filter));
  const command = `pipeweave trigger ${pipelines.data?.[0]?.id ?? "PIPELINE"} --input '{}' --wait`;

  return (
    <>
      <Heading title="Runs" tab="Runs">
        <DownloadMenu of="runs" read={() => allRuns({ ...filter, offset: 0 }, mostRows)} columns={columns} />
      </Heading>
      <ViewChips search={search} />
      <search className="flex flex-wrap gap-2">
        <FilterText
          label="Text in the id, the pipeline or the error"
          placeholder="Id, pipeline or error"
          first
          value={search.text}
          onChange={(text) => set({ text })}
        />
        <FilterSelect label="State" value={search.status} onChange={(status) => set({ status })}>
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
        <FilterText
          label="Version of the pipeline"
          placeholder="Version"
          short
          value={search.version}
          onChange={(version) => set({ version })}
        />
        <SpanSelect label="Created" hours={search.hours} onChange={(hours) => set({ hours })} />
        {filtered && (
          <Button variant="ghost" onClick={() => void navigate({ search: {} })}>
            Clear the filters
          </Button>
        )}
      </search>
      {held.fresh > 0 && (
        <div className="flex justify-center">
          <Button size="sm" variant="primary" icon={ArrowUp} onClick={held.show} data-new-runs={held.fresh}>
            {count(held.fresh, "new run")}
          </Button>
        </div>
      )}
      <div className={`card overflow-hidden ${runs.isPlaceholderData ? "opacity-70" : ""}`} aria-busy={runs.isFetching}>
        {runs.data ? (
          held.runs.length > 0 ? (
            <RunsTable runs={held.runs} />
          ) : filtered || page > 1 ? (
            <Empty
              icon={Play}
              title="No run matches"
              action={<Button onClick={() => void navigate({ search: {} })}>Clear the filters</Button>}
            >
              There may be runs outside this filter.
            </Empty>
          ) : (
            <Empty icon={Play} title="No runs yet" {...(may ? { command } : {})}>
              A run is one passage through a pipeline. {may ? "Start the first one:" : "None was started so far."}
            </Empty>
          )
        ) : (
          <Awaited query={runs} what="The runs could not be loaded" lines={8} />
        )}
      </div>
      {runs.data && runs.isError && (
        <Failure what="The list may be old" error={runs.error} retry={() => void runs.refetch()} />
      )}
      <Pages
        of="runs"
        page={page}
        size={pageSize}
        total={runs.data?.total ?? 0}
        onPage={(to) => void navigate({ search: (old: RunsSearch) => ({ ...old, page: to > 1 ? to : undefined }) })}
      />
    </>
  );
}

/** Rows stay where they are while somebody reads; runs that are new wait behind a button that says how many. */
function useHeld(
  data: { runs: Parameters<typeof holdRuns>[0]; total: number } | undefined,
  stale: boolean, // it is the answer to the filter before
  key: string,
) {
  const client = useQueryClient();
  const [base, setBase] = useState<{ key: string; ids: string[]; total: number } | null>(null);
  const mine = base?.key === key ? base : null;
  useEffect(() => {
    if (data && !mine && !stale) setBase({ key, ids: data.runs.map((r) => r.id), total: data.total });
  }, [data, mine, stale, key]);
  const held = holdRuns(data?.runs ?? [], data?.total ?? 0, mine);
  return {
    ...held,
    show: () => {
      setBase(null);
      void client.invalidateQueries({ queryKey: ["runs"] });
      window.scrollTo({ top: 0 });
    },
  };
}
