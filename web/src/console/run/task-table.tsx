import { Link } from "@tanstack/react-router";
import { useVirtualizer } from "@tanstack/react-virtual";
import { useEffect, useRef } from "react";
import type { TaskRun } from "../../api/types.ts";
import { count, instant } from "../../lib/format.ts";
import { type GraphNode, type GraphState, progressOf, whyNotRun } from "../../lib/graph-state.ts";
import { StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Elapsed, Until } from "../../ui/time.tsx";
import { filterTasks, type TaskFilter, TaskFilterRow } from "./task-filter.tsx";

// From here on only the rows that are on the screen are in the page.
const virtualFrom = 200;
const rowHeight = 45;

interface Props {
  graph: GraphState;
  runId: string;
  selected?: string | undefined;
  filter?: TaskFilter;
  onFilter?: (change: TaskFilter) => void;
}

/** The tasks of a run as a table: everything that the graph says, in words. */
export function TaskTable({ graph, runId, selected, filter, onFilter }: Props) {
  const fit = filterTasks(graph.nodes, filter ?? {});
  return (
    <>
      {onFilter && <TaskFilterRow tasks={graph.nodes} fit={fit.length} filter={filter ?? {}} onFilter={onFilter} />}
      {fit.length === 0 ? (
        <p className="p-4 text-muted">No task matches.</p>
      ) : fit.length > virtualFrom ? (
        <Virtual graph={graph} runId={runId} selected={selected} nodes={fit} />
      ) : (
        <Table graph={graph} runId={runId} selected={selected} nodes={fit} />
      )}
    </>
  );
}

interface TableProps extends Props {
  nodes: GraphNode[];
  /** Of a table of which only a part is in the page: how many rows there are, where the part begins, and what its rows tell. */
  part?: { rows: number; from: number; above: number; below: number; measure: (row: HTMLElement | null) => void };
}

/** Very many rows in a box that scrolls. */
function Virtual(props: Props & { nodes: GraphNode[] }) {
  const { nodes, selected } = props;
  const box = useRef<HTMLDivElement>(null);
  const list = useVirtualizer({
    count: nodes.length,
    getScrollElement: () => box.current,
    estimateSize: () => rowHeight,
    overscan: 12,
  });
  const chosen = selected === undefined ? -1 : nodes.findIndex((n) => n.id === selected);
  // What an address points at is seen, however far down.
  // biome-ignore lint/correctness/useExhaustiveDependencies: not again with every change of the list
  useEffect(() => {
    if (chosen >= 0) list.scrollToIndex(chosen, { align: "center" });
  }, [selected]);
  const items = list.getVirtualItems();
  const [first, last] = [items[0], items.at(-1)];
  return (
    <section
      ref={box}
      aria-label={`${count(nodes.length, "task")}, to scroll through`}
      // biome-ignore lint/a11y/noNoninteractiveTabindex: a region that scrolls has to be reachable by keyboard
      tabIndex={0}
      className="max-h-[min(70vh,40rem)] overflow-y-auto -outline-offset-2"
    >
      <Table
        {...props}
        nodes={items.flatMap((item) => nodes[item.index] ?? [])}
        part={{
          rows: nodes.length,
          from: first?.index ?? 0,
          above: first?.start ?? 0,
          below: list.getTotalSize() - (last?.end ?? 0),
          measure: list.measureElement,
        }}
      />
    </section>
  );
}

function Table({ graph, runId, selected, nodes, part }: TableProps) {
  return (
    <table className="data stack pairs" aria-label="Tasks of this run" aria-rowcount={part && part.rows + 1}>
      <TableHead columns={["Task", "State", "Attempt", "Duration", "Progress"]} />
      <tbody>
        {part && <Gap height={part.above} />}
        {nodes.map((node, i) => (
          <tr
            key={node.id}
            ref={part?.measure}
            data-index={part && part.from + i}
            aria-rowindex={part && part.from + i + 2}
            data-task={node.id}
            aria-current={node.id === selected || undefined}
          >
            <td className="lead order-1">
              <Link
                data-row
                to="/runs/$id"
                params={{ id: runId }}
                search={(old) => ({ ...old, task: node.id })}
                resetScroll={false}
                className="link font-medium"
              >
                {node.id}
              </Link>
              {node.run?.error && (
                <p
                  className={`line-clamp-2 max-w-lg text-sm ${node.state === "cancelled" ? "text-muted" : "text-bad"}`}
                >
                  {node.run.error}
                </p>
              )}
            </td>
            <td className="order-2 stacked:text-right">
              <span>
                <StateBadge state={node.state} />
                <RetryAt node={node} />
              </span>
            </td>
            <td className="order-3 stacked:text-sm">
              {node.run ? (
                <span className="tabular-nums">
                  <span className="sm:hidden">attempt </span>
                  {node.run.attempt} of {node.run.maxRetries + 1}
                </span>
              ) : (
                <span className="text-muted stacked:hidden">none</span>
              )}
            </td>
            <td className="order-4 stacked:text-right stacked:text-sm">
              <span className="whitespace-nowrap">
                <Elapsed start={node.run?.startedAt} end={node.run?.completedAt} />
              </span>
            </td>
            <td className="order-5 col-span-2 stacked:text-sm">
              {node.run ? <Progress run={node.run} /> : <span className="text-muted">{whyNotRun(graph, node)}</span>}
            </td>
          </tr>
        ))}
        {part && <Gap height={part.below} />}
      </tbody>
    </table>
  );
}

/** The room of the rows that are not in the page. */
function Gap({ height }: { height: number }) {
  if (height <= 0) return null;
  return (
    <tr aria-hidden className="border-0! p-0!">
      <td className="border-0! p-0!" style={{ height }} />
    </tr>
  );
}

function RetryAt({ node }: { node: GraphNode }) {
  const at = instant(node.run?.scheduledAt);
  if (node.state !== "retrying" || at === null) return null;
  return (
    <span className="block pt-0.5 text-sm text-muted">
      again <Until at={at} />
    </span>
  );
}

function Progress({ run }: { run: TaskRun }) {
  const { percent, message } = progressOf(run);
  if (run.status === "completed") return <span className="text-muted">done</span>;
  if (run.status === "cancelled") return <span className="text-muted">none any more</span>;
  if (percent === null && !message) return <span className="text-muted">no report</span>;
  return (
    <span className="block max-w-56 space-y-1">
      {percent !== null && (
        <span className="flex items-center gap-2">
          <progress className="h-1.5 flex-1" max={100} value={percent} aria-label={`Progress of ${run.taskId}`} />
          <span className="w-9 text-right text-sm tabular-nums">{Math.round(percent)} %</span>
        </span>
      )}
      {message && <span className="block text-sm text-muted">{message}</span>}
    </span>
  );
}
