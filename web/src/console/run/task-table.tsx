import { Link } from "@tanstack/react-router";
import { useState } from "react";
import type { TaskRun } from "../../api/types.ts";
import { count, instant } from "../../lib/format.ts";
import { type GraphNode, type GraphState, progressOf, whyNotRun } from "../../lib/graph-state.ts";
import { Button } from "../../ui/button.tsx";
import { FilterSelect } from "../../ui/field.tsx";
import { lookOf, StateBadge } from "../../ui/state.tsx";
import { TableHead } from "../../ui/table.tsx";
import { Elapsed, Until } from "../../ui/time.tsx";

const pageSize = 200;

interface Filter {
  [key: string]: unknown;
  state?: string | undefined;
  find?: string | undefined;
}

interface Props {
  graph: GraphState;
  runId: string;
  selected?: string | undefined;
  filter?: Filter;
  onFilter?: (change: Filter) => void;
}

/** The tasks of a run as a table: everything that the graph says, in words. */
export function TaskTable({ graph, runId, selected, filter, onFilter }: Props) {
  const [most, setMost] = useState(pageSize);
  const needle = (filter?.find ?? "").toLowerCase();
  const states = [...new Set(graph.nodes.map((n) => n.state))].sort();
  const fit = graph.nodes.filter(
    (n) => (!filter?.state || n.state === filter.state) && (needle === "" || n.id.toLowerCase().includes(needle)),
  );
  const shown = fit.slice(0, most);
  const chosen = selected === undefined ? undefined : fit.find((n) => n.id === selected);
  // What an address points at is there, however far down.
  if (chosen && !shown.includes(chosen)) shown.push(chosen);
  return (
    <>
      {onFilter && (
        <div className="flex flex-wrap gap-2 border-b border-line px-3 py-2">
          <FilterSelect label="State" value={filter?.state} onChange={(state) => onFilter({ state })} first>
            <option value="">Any state</option>
            {states.map((state) => (
              <option key={state} value={state}>
                {lookOf(state).label}
              </option>
            ))}
          </FilterSelect>
          <label>
            <span className="sr-only">Name of the task</span>
            <input
              type="search"
              className="field"
              placeholder="Name"
              value={filter?.find ?? ""}
              onChange={(e) => onFilter({ find: e.target.value || undefined })}
            />
          </label>
          <span className="self-center text-sm text-muted">{count(fit.length, "task")}</span>
        </div>
      )}
      {fit.length === 0 ? (
        <p className="p-4 text-muted">No task matches.</p>
      ) : (
        <Table graph={graph} runId={runId} selected={selected} nodes={shown} />
      )}
      {fit.length > shown.length && (
        <div className="border-t border-line p-2 text-center">
          <Button size="sm" onClick={() => setMost(most + 5 * pageSize)}>
            Show more of {fit.length}
          </Button>
        </div>
      )}
    </>
  );
}

function Table({ graph, runId, selected, nodes }: Props & { nodes: GraphNode[] }) {
  return (
    <table className="data stack pairs" aria-label="Tasks of this run">
      <TableHead columns={["Task", "State", "Attempt", "Duration", "Progress"]} />
      <tbody>
        {nodes.map((node) => (
          <tr key={node.id} data-task={node.id} aria-current={node.id === selected || undefined}>
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
      </tbody>
    </table>
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
