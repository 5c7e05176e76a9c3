import "@xyflow/react/dist/base.css";
import "./graph.css";
import {
  type Edge,
  Handle,
  MarkerType,
  type Node,
  type NodeProps,
  Panel,
  Position,
  ReactFlow,
  ReactFlowProvider,
  useReactFlow,
} from "@xyflow/react";
import { Maximize, Minus, Plus } from "lucide-react";
import { useEffect, useMemo } from "react";
import { duration, elapsed, shortId } from "../../lib/format.ts";
import { type EdgeState, type GraphNode, type GraphState, progressOf } from "../../lib/graph-state.ts";
import { useNow } from "../../lib/now.ts";
import { IconButton } from "../../ui/button.tsx";
import { lookOf, StateIcon } from "../../ui/state.tsx";
import { nodeHeight, nodeWidth, place } from "./layout.ts";

interface Props {
  graph: GraphState;
  /** A definition has no states; its tasks say where they stand in the graph instead. */
  definition?: boolean;
  selected?: string | undefined;
  onSelect?: (task: string) => void;
}

type Data = {
  node: GraphNode;
  role: string;
  definition: boolean;
  chosen: boolean;
  onSelect: ((task: string) => void) | undefined;
};
type TaskNode = Node<Data, "task">;

const nodeTypes = { task: TaskBox };

/** The tasks as boxes and what follows what as arrows. The page shows the same as a table. */
export default function Graph(props: Props) {
  return (
    <ReactFlowProvider>
      <Flow {...props} />
    </ReactFlowProvider>
  );
}

function Flow({ graph, definition = false, selected, onSelect }: Props) {
  const shape = graph.edges.map((e) => `${e.from}>${e.to}`).join() + graph.nodes.map((n) => n.id).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: only the shape moves the boxes, states do not
  const placed = useMemo(() => place(graph), [shape]);
  const into = new Map<string, number>();
  const out = new Map<string, number>();
  for (const e of graph.edges) {
    into.set(e.to, (into.get(e.to) ?? 0) + 1);
    out.set(e.from, (out.get(e.from) ?? 0) + 1);
  }
  const nodes: TaskNode[] = graph.nodes.map((node) => ({
    id: node.id,
    type: "task",
    position: placed.positions.get(node.id) ?? { x: 0, y: 0 },
    width: nodeWidth,
    height: nodeHeight,
    data: {
      node,
      role: roleOf(node, into.get(node.id) ?? 0, out.get(node.id) ?? 0),
      definition,
      chosen: node.id === selected,
      onSelect,
    },
  }));
  const edges: Edge[] = graph.edges.map((e) => {
    const state = definition ? "open" : e.state;
    return {
      id: `${e.from}>${e.to}`,
      source: e.from,
      target: e.to,
      className: `edge-${state}`,
      ariaLabel: `${e.from} to ${e.to}${definition ? "" : `: ${edgeWords[state]}`}`,
      markerEnd: { type: MarkerType.ArrowClosed, width: 16, height: 16, color: `var(--edge-${state})` },
    };
  });
  const flow = useReactFlow();
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new shape is fitted anew
  useEffect(() => {
    void flow.fitView({ padding: 0.08, maxZoom: 1 });
  }, [flow, shape]);
  return (
    <div className="graph" data-tall={placed.height > 420 ? "yes" : placed.height > 230 ? "some" : "no"}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        onlyRenderVisibleElements={nodes.length > 150}
        fitView
        fitViewOptions={{ padding: 0.08, maxZoom: 1 }}
        minZoom={nodes.length > 150 ? 0.05 : 0.2}
        maxZoom={2}
        nodesDraggable={false}
        nodesConnectable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        zoomOnScroll={false}
        preventScrolling={false}
        zoomOnDoubleClick={false}
        aria-label="Graph of the tasks"
      >
        <Panel position="top-right" className="flex rounded-md border border-line bg-surface">
          <IconButton icon={Plus} label="Zoom in" onClick={() => void flow.zoomIn()} />
          <IconButton icon={Minus} label="Zoom out" onClick={() => void flow.zoomOut()} />
          <IconButton
            icon={Maximize}
            label="Show the whole graph"
            onClick={() => void flow.fitView({ padding: 0.08, maxZoom: 1 })}
          />
        </Panel>
      </ReactFlow>
    </div>
  );
}

const edgeWords: Record<EdgeState, string> = {
  open: "not decided yet",
  fired: "taken",
  dead: "not taken",
  broken: "broken by a failure",
};

function roleOf(node: GraphNode, into: number, out: number): string {
  if (node.entry) return out === 0 ? "Only task" : "Entry";
  const join = into > 1 ? `Waits for ${into} tasks` : "";
  return [join, out === 0 ? "End" : ""].filter(Boolean).join(" · ") || "Task";
}

function TaskBox({ data }: NodeProps<TaskNode>) {
  const { node, definition, chosen, onSelect } = data;
  const look = lookOf(node.state);
  const content = (
    <>
      <span className="flex items-center gap-2">
        {!definition && <StateIcon state={node.state} />}
        <span className="truncate font-semibold" title={node.id}>
          {shortId(node.id, 22, 8)}
        </span>
      </span>
      <span className="mt-0.5 flex items-center gap-1.5 text-sm text-muted">
        {definition ? data.role : <span className={`tone-${look.tone} tone-text font-medium`}>{look.label}</span>}
        {!definition && node.run && <RunFacts node={node} />}
      </span>
    </>
  );
  const shape = `task-box block h-full w-full rounded-lg border bg-surface px-3 py-2.5 text-left tone-${look.tone}`;
  return (
    <>
      <Handle type="target" position={Position.Left} isConnectable={false} />
      {onSelect ? (
        <button
          type="button"
          data-node={node.id}
          data-state={definition ? undefined : node.state}
          aria-pressed={chosen}
          className={`${shape} nopan`}
          onClick={() => onSelect(node.id)}
        >
          {content}
        </button>
      ) : (
        <div data-node={node.id} data-state={definition ? undefined : node.state} className={shape}>
          {content}
        </div>
      )}
      <Handle type="source" position={Position.Right} isConnectable={false} />
    </>
  );
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
