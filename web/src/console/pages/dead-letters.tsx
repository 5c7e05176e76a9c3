import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { CircleCheck } from "lucide-react";
import { useState } from "react";
import { count } from "../../lib/format.ts";
import { Button } from "../../ui/button.tsx";
import { FilterSelect, SpanSelect } from "../../ui/field.tsx";
import { Awaited, Empty } from "../../ui/panel.tsx";
import { useMay } from "../gate.tsx";
import { Bulk, type BulkOutcome, Report } from "../letters/bulk.tsx";
import { Group } from "../letters/group.tsx";
import { Heading } from "../parts.tsx";
import { groupsQuery } from "../queries/dlq.ts";
import { pipelinesQuery } from "../queries/pipelines.ts";
import type { LettersSearch } from "../routes/work.ts";

const route = getRouteApi("/dead-letters");

/** Task runs that failed for good, those that failed alike together. */
export function DeadLettersPage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const filter = { pipelineId: search.pipeline, taskId: search.task, hours: search.hours };
  const letters = useQuery(groupsQuery(filter));
  const pipelines = useQuery(pipelinesQuery);
  const audits = useMay("admin");
  const [outcome, setOutcome] = useState<BulkOutcome | null>(null);
  const set = (change: LettersSearch) => void navigate({ search: (old: LettersSearch) => ({ ...old, ...change }) });
  const groups = letters.data?.groups ?? [];
  const filtered = Boolean(search.pipeline || search.task || search.hours);
  const tasks = new Set([
    ...(pipelines.data ?? [])
      .filter((p) => !search.pipeline || p.id === search.pipeline)
      .flatMap((p) => Object.keys(p.structure ?? {})),
    ...groups.map((g) => g.taskId),
    ...(search.task ? [search.task] : []),
  ]);
  return (
    <>
      <Heading
        title="Dead letters"
        tab="Dead letters"
        below="Task runs that failed and are not tried again by themselves."
      />
      <search className="flex flex-wrap gap-2">
        <FilterSelect label="Pipeline" value={search.pipeline} onChange={(pipeline) => set({ pipeline })} first>
          <option value="">Any pipeline</option>
          {(pipelines.data ?? []).map((p) => (
            <option key={p.id}>{p.id}</option>
          ))}
        </FilterSelect>
        <FilterSelect label="Task" value={search.task} onChange={(task) => set({ task })}>
          <option value="">Any task</option>
          {[...tasks].sort().map((id) => (
            <option key={id}>{id}</option>
          ))}
        </FilterSelect>
        <SpanSelect label="Failed" hours={search.hours} onChange={(hours) => set({ hours })} />
      </search>
      {outcome && <Report outcome={outcome} onClose={() => setOutcome(null)} />}
      {!letters.data ? (
        <div className="card">
          <Awaited query={letters} what="The dead letters could not be loaded" lines={5} />
        </div>
      ) : groups.length === 0 ? (
        <div className="card">
          {filtered ? (
            <Empty
              icon={CircleCheck}
              title="No dead letter matches"
              action={<Button onClick={() => void navigate({ search: {} })}>Clear the filters</Button>}
            />
          ) : (
            <Empty icon={CircleCheck} title="No dead letters" command="pipeweave dlq list">
              Nothing has failed for good. A task run comes here when its last attempt fails.
            </Empty>
          )}
        </div>
      ) : (
        <>
          <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
            <p className="flex-1 basis-60 text-muted">
              {count(letters.data.total, "dead letter")} in {count(groups.length + letters.data.rest, "group")}
              {letters.data.rest > 0 && `; the ${groups.length} largest are shown`}
              {audits && (
                <>
                  {" · "}
                  <Link to="/audit" search={{ action: "dlq" }} className="link">
                    Who retried and purged
                  </Link>
                </>
              )}
            </p>
            {groups.length > 1 && (
              <Bulk
                n={letters.data.total}
                what={filtered ? "all that the filter admits" : "all there are"}
                which={letters.data.set}
                onOutcome={setOutcome}
              />
            )}
          </div>
          <ul className="space-y-3">
            {groups.map((group) => (
              <li key={group.id}>
                <Group group={group} all={letters.data.set} open={groups.length === 1} onOutcome={setOutcome} />
              </li>
            ))}
          </ul>
        </>
      )}
    </>
  );
}
