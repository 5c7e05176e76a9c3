import { Handle, type Node, type NodeProps, Position } from "@xyflow/react";
import { memo } from "react";
import { duration, elapsed, shortId } from "../../lib/format.ts";
import { countStates, type GraphNode, progressOf } from "../../lib/graph-state.ts";
import { useNow } from "../../lib/now.ts";
import { lookOf, StateIcon } from "../../ui/state.tsx";
import type { Group } from "./fold.ts";

export type BoxData = {
  node: GraphNode;
  group: Group | undefined;
  role: string;
  definition: boolean;
  chosen: boolean;
  critical: boolean;
  onSelect: ((task: string) => void) | undefined;
};
export type BoxNode = Node<BoxData, "task">;

/** A task, or many that are alike, as a box of the graph. It is drawn anew only when what it shows changed. */
export const TaskBox = memo(Box, (a, b) =>
  (Object.keys(a.data) as (keyof BoxData)[]).every(
    (key) => a.data[key] === b.data[key] || (key === "node" && same(a.data.node, b.data.node)) || key === "onSelect",
  ),
);

const same = (a: GraphNode, b: GraphNode) => a.id === b.id && a.state === b.state && a.run === b.run;

function Box({ data }: NodeProps<BoxNode>) {
  const { node, group, definition, chosen, critical, onSelect } = data;
  const look = lookOf(node.state);
  const content = (
    <>
      <span className="flex items-center gap-2">
        {!definition && <StateIcon state={node.state} />}
        <span className="truncate font-semibold" title={group ? undefined : node.id}>
          {shortId(group?.name ?? node.id, group ? 16 : 22, 8)}
        </span>
        {group && (
          <span className="font-semibold text-muted">
            ×{group.members.length}
            <span className="sr-only"> tasks that are alike</span>
          </span>
        )}
      </span>
      <span className="mt-0.5 flex items-center gap-1.5 truncate text-sm text-muted">
        {group ? (
          <GroupFacts group={group} definition={definition} />
        ) : (
          <>
            {definition ? data.role : <span className={`tone-${look.tone} tone-text font-medium`}>{look.label}</span>}
            {!definition && node.run && <RunFacts node={node} />}
          </>
        )}
      </span>
    </>
  );
  const shared = {
    "data-node": node.id,
    "data-state": definition ? undefined : node.state,
    "data-group": group?.members.length,
    "data-critical": critical || undefined,
    className: `task-box nopan block h-full w-full rounded-lg border bg-surface px-3 py-2.5 text-left tone-${look.tone}`,
  };
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      {onSelect ? (
        <button type="button" {...shared} aria-pressed={group ? undefined : chosen} onClick={() => onSelect(node.id)}>
          {content}
        </button>
      ) : (
        <div {...shared}>{content}</div>
      )}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
}

/** How many of them are in which state, what wants to be known first. */
function GroupFacts({ group, definition }: { group: Group; definition: boolean }) {
  if (definition) return "alike";
  return countStates(group.members)
    .slice(0, 2)
    .map(([state, n]) => (
      <span key={state} className={`tone-${lookOf(state).tone} tone-text font-medium`}>
        {n} {lookOf(state).label.toLowerCase()}
      </span>
    ));
}

function RunFacts({ node }: { node: GraphNode }) {
  const now = useNow();
  const run = node.run;
  if (!run) return null;
  const { percent } = progressOf(run);
  const time = run.startedAt ? duration(elapsed(run.startedAt, run.completedAt, now)) : null;
  return (
    <>
      {time && <span className="tabular-nums">{time}</span>}
      {node.state === "running" && percent !== null && <span className="tabular-nums">{Math.round(percent)} %</span>}
      {run.attempt > 1 && <span>attempt {run.attempt}</span>}
    </>
  );
}
