import { useQuery } from "@tanstack/react-query";
import { getRouteApi, Link } from "@tanstack/react-router";
import { ListOrdered } from "lucide-react";
import type { QueueItem } from "../../api/types.ts";
import { instant, shortId } from "../../lib/format.ts";
import { useNow } from "../../lib/now.ts";
import { Button } from "../../ui/button.tsx";
import { FilterSelect, FilterText } from "../../ui/field.tsx";
import { Awaited, Empty } from "../../ui/panel.tsx";
import { lookOf, StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Ago, Elapsed, Until } from "../../ui/time.tsx";
import { Pages } from "../pager.tsx";
import { Heading } from "../parts.tsx";
import { queueItemsQuery } from "../queries/queue.ts";
import { MaintenancePanel } from "../queue/maintenance.tsx";
import { QueueCounts } from "../queue-counts.tsx";
import type { QueueSearch } from "../routes/work.ts";

const route = getRouteApi("/queue");
const pageSize = 50;
const statuses = ["pending", "running", "waiting", "completed", "failed", "timeout", "cancelled"];

/** What waits for a worker and what runs, in the order in which it is taken. */
export function QueuePage() {
  const search = route.useSearch();
  const navigate = route.useNavigate();
  const page = search.page ?? 1;
  const status = search.status ?? "pending";
  const items = useQuery(
    queueItemsQuery({
      status,
      taskId: search.task,
      limit: pageSize,
      offset: (page - 1) * pageSize,
    }),
  );
  const set = (change: QueueSearch) =>
    void navigate({ search: (old: QueueSearch) => ({ ...old, page: undefined, ...change }) });
  return (
    <>
      <Heading
        title="Queue"
        tab="Queue"
        below="Task runs in the order in which workers take them: lower priority numbers first, then the oldest."
      />
      <QueueCounts />
      <search className="flex flex-wrap gap-2">
        <FilterSelect label="State" value={status} onChange={(s) => set({ status: s === "pending" ? undefined : s })}>
          {statuses.map((s) => (
            <option key={s} value={s}>
              {lookOf(s).label}
            </option>
          ))}
        </FilterSelect>
        <FilterText label="Task" first value={search.task} onChange={(task) => set({ task })} />
      </search>
      <div
        className={`card overflow-hidden ${items.isPlaceholderData ? "opacity-70" : ""}`}
        aria-busy={items.isFetching}
      >
        {items.data ? (
          items.data.items.length > 0 ? (
            <Items items={items.data.items} />
          ) : search.task || page > 1 ? (
            <Empty
              icon={ListOrdered}
              title="No task run matches"
              action={<Button onClick={() => void navigate({ search: {} })}>Clear the filters</Button>}
            />
          ) : (
            <Empty
              icon={ListOrdered}
              title={`Nothing is ${lookOf(status).label.toLowerCase()}`}
              command="pipeweave queue status"
            >
              {status === "pending"
                ? "Workers have taken all there was. What is queued next appears here."
                : "No task run is in this state now."}
            </Empty>
          )
        ) : (
          <Awaited query={items} what="The queue could not be read" lines={6} />
        )}
      </div>
      <Pages
        of="task runs"
        page={page}
        size={pageSize}
        total={items.data?.total ?? 0}
        earlier="Before"
        later="Next"
        onPage={(to) => void navigate({ search: (old: QueueSearch) => ({ ...old, page: to > 1 ? to : undefined }) })}
      />
      <MaintenancePanel />
    </>
  );
}

export function Items({ items, task = true }: { items: QueueItem[]; task?: boolean }) {
  return (
    <table className="data stack wide" aria-label="Task runs">
      <TableHead
        columns={[task ? "Task" : "Run", "State", task && "Run", "Priority", "Attempt", "Code", "Queued", "Ran"]}
      />
      <tbody>
        {items.map((item) => (
          <tr key={item.runId}>
            <td className="lead">
              {task ? (
                <Link data-row to="/tasks/$id" params={{ id: item.taskId }} className="link font-medium">
                  {item.taskId}
                </Link>
              ) : (
                <RunLink item={item} />
              )}
              {item.error && (
                <p className="line-clamp-1 max-w-md text-sm text-muted" title={item.error}>
                  {item.error}
                </p>
              )}
            </td>
            <td data-label="State">
              <span>
                <StateBadge state={item.status} />
                <Due at={item} />
              </span>
            </td>
            {task && (
              <td data-label="Run">
                <RunLink item={item} />
              </td>
            )}
            <td data-label="Priority" className="tabular-nums">
              {item.priority}
            </td>
            <td data-label="Attempt" className="whitespace-nowrap tabular-nums">
              {item.attempt} of {item.maxRetries + 1}
            </td>
            <td data-label="Code" className="whitespace-nowrap">
              v{item.codeVersion}
            </td>
            <td data-label="Queued">
              <Ago at={item.createdAt} className="whitespace-nowrap" />
            </td>
            <td data-label="Ran" className="whitespace-nowrap">
              <Elapsed start={item.startedAt} end={item.completedAt} />
            </td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}

function RunLink({ item }: { item: QueueItem }) {
  if (!item.pipelineRunId) return <span className="text-muted">of no run</span>;
  return (
    <Link
      data-row
      to="/runs/$id"
      params={{ id: item.pipelineRunId }}
      search={{ task: item.taskId }}
      className="link font-mono text-sm"
      title={item.pipelineRunId}
    >
      {shortId(item.pipelineRunId, 20)}
    </Link>
  );
}

/** When it may run at the earliest, where that is not yet. */
function Due({ at }: { at: QueueItem }) {
  const now = useNow();
  const due = instant(at.scheduledAt);
  if (at.status !== "pending" || due === null || due <= now) return null;
  return (
    <span className="block text-sm text-muted">
      <Until at={due} />
    </span>
  );
}
