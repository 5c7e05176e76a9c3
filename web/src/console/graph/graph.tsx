import "@xyflow/react/dist/base.css";
import "./graph.css";
import { type Edge, MarkerType, MiniMap, ReactFlow, ReactFlowProvider, useReactFlow } from "@xyflow/react";
import { useEffect, useMemo, useRef, useState } from "react";
import { duration, instant } from "../../lib/format.ts";
import type { EdgeState, GraphNode, GraphState } from "../../lib/graph-state.ts";
import { lookOf } from "../../ui/state.tsx";
import { toastError } from "../../ui/toast.tsx";
import { criticalPath } from "./critical-path.ts";
import type { Folded, Group } from "./fold.ts";
import { Said, useDependencies } from "./hover.tsx";
import { nodeHeight, nodeWidth, place } from "./layout.ts";
import { drawSVG, savePicture } from "./picture.ts";
import { type BoxNode, TaskBox } from "./task-box.tsx";
import { Tools } from "./tools.tsx";

export interface GraphProps {
  /** The graph with all its tasks, and as it is drawn. */
  graph: GraphState;
  folded: Folded;
  /** What a picture of it is called. */
  name: string;
  /** A definition has no states; its tasks say where they stand in the graph instead. */
  definition?: boolean;
  selected?: string | undefined;
  onSelect?: (task: string) => void;
  /** A box that stands for many was chosen. */
  onGroup?: (group: Group) => void;
  /** What was unfolded is folded again. */
  onFold?: () => void;
}

const nodeTypes = { task: TaskBox };
const mapFrom = 40;
const view = { padding: 0.08, maxZoom: 1 };

/** The tasks as boxes and what follows what as arrows. The page shows the same as a table. */
export default function Graph(props: GraphProps) {
  return (
    <ReactFlowProvider>
      <Flow {...props} />
    </ReactFlowProvider>
  );
}

function Flow({ graph: whole, folded, name, definition = false, selected, onSelect, onGroup, onFold }: GraphProps) {
  const { graph, groups } = folded;
  const box = useRef<HTMLDivElement>(null);
  const [showPath, setShowPath] = useState(false);
  const shape = graph.edges.map((e) => `${e.from}>${e.to}`).join() + graph.nodes.map((n) => n.id).join();
  // biome-ignore lint/correctness/useExhaustiveDependencies: only the shape moves the boxes, states do not
  const placed = useMemo(() => place(graph), [shape]);
  const path = useMemo(() => (showPath ? pathOf(whole, groups) : null), [showPath, whole, groups]);
  const chosen = useRef({ groups, onSelect, onGroup });
  chosen.current = { groups, onSelect, onGroup };
  const selectable = onSelect !== undefined;
  const groupable = onGroup !== undefined;
  // Who looks at a large graph waits for every box that is drawn without need.
  const nodes = useMemo(() => {
    const into = new Map<string, number>();
    const out = new Map<string, number>();
    for (const e of graph.edges) {
      into.set(e.to, (into.get(e.to) ?? 0) + 1);
      out.set(e.from, (out.get(e.from) ?? 0) + 1);
    }
    const critical = new Set(path?.boxes);
    const choose = (id: string) => {
      const { groups: known, onGroup: open, onSelect: select } = chosen.current;
      const group = known.get(id);
      if (group) open?.(group);
      else select?.(id);
    };
    return graph.nodes.map(
      (node): BoxNode => ({
        id: node.id,
        type: "task",
        position: placed.positions.get(node.id) ?? { x: 0, y: 0 },
        width: nodeWidth,
        height: nodeHeight,
        data: {
          node,
          group: groups.get(node.id),
          role: roleOf(node, into.get(node.id) ?? 0, out.get(node.id) ?? 0),
          definition,
          chosen: node.id === selected,
          critical: critical.has(node.id),
          onSelect: selectable || (groupable && groups.has(node.id)) ? choose : undefined,
        },
      }),
    );
  }, [graph, groups, placed, path, selected, definition, selectable, groupable]);
  const edges = useMemo(
    () =>
      graph.edges.map((e): Edge => {
        const state = definition ? "open" : e.state;
        const critical = path?.edges.has(`${e.from}\n${e.to}`) ?? false;
        return {
          id: `${e.from}\n${e.to}`,
          source: e.from,
          target: e.to,
          className: `edge-${state} ${critical ? "critical" : ""}`,
          ariaLabel: `${e.from} to ${e.to}${definition ? "" : `: ${edgeWords[state]}`}`,
          markerEnd: { type: MarkerType.ArrowClosed, width: 16, height: 16, color: `var(--edge-${state})` },
        };
      }),
    [graph, path, definition],
  );
  const flow = useReactFlow();
  const fit = () => void flow.fitView(view);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new shape is fitted anew
  useEffect(fit, [flow, shape]);
  const go = (id: string) => {
    const at = placed.positions.get(id);
    if (!at) return;
    void flow.setCenter(at.x + nodeWidth / 2, at.y + nodeHeight / 2, { zoom: 1 }).then(() =>
      // A box that was not on the screen is drawn first.
      requestAnimationFrame(() =>
        requestAnimationFrame(() =>
          box.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(id)}"]`)?.focus({ preventScroll: true }),
        ),
      ),
    );
  };
  const save = (kind: "svg" | "png") => {
    const style = getComputedStyle(document.documentElement);
    const colour = (key: string) => style.getPropertyValue(`--${key}`).trim();
    savePicture(kind, name, drawSVG(graph, groups, placed, definition, colour)).catch((error: unknown) =>
      toastError("The picture could not be made", error),
    );
  };
  const { tell, handlers } = useDependencies(box, graph);
  const began = whole.nodes.some((n) => n.run?.startedAt);
  return (
    <div
      ref={box}
      className={`graph ${path ? "with-path" : ""}`}
      data-tall={placed.height > 420 ? "yes" : placed.height > 230 ? "some" : "no"}
      {...handlers}
    >
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        fitView
        fitViewOptions={view}
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
        <Tools
          graph={graph}
          definition={definition}
          go={go}
          fit={fit}
          critical={definition || !began ? null : { on: showPath, toggle: () => setShowPath(!showPath) }}
          onFold={folded.unfolded.length > 0 && onFold ? onFold : null}
          onSave={save}
        />
        {nodes.length >= mapFrom && (
          <MiniMap<BoxNode>
            pannable
            zoomable
            ariaLabel="Overview of the graph"
            position="bottom-right"
            nodeColor={(n) => (definition ? "var(--outline)" : `var(--${lookOf(n.data.node.state).tone})`)}
            bgColor="var(--surface)"
            maskColor="color-mix(in srgb, var(--sunken) 75%, transparent)"
          />
        )}
        <Said tell={tell} otherwise={path?.text} />
      </ReactFlow>
    </div>
  );
}

const shownSteps = 6;

/** The critical path as boxes and edges of what is drawn, and in words. */
function pathOf(graph: GraphState, groups: ReadonlyMap<string, Group>) {
  const tasks = criticalPath(graph);
  const boxOf = new Map([...groups.values()].flatMap((g) => g.members.map((m) => [m.id, g.id] as const)));
  const boxes = tasks.map((id) => boxOf.get(id) ?? id);
  const runs = graph.nodes.filter((n) => tasks.includes(n.id)).map((n) => n.run);
  const from = Math.min(...runs.map((r) => instant(r?.startedAt) ?? Number.POSITIVE_INFINITY));
  const to = Math.max(...runs.map((r) => instant(r?.completedAt) ?? Date.now()));
  const names =
    tasks.length > shownSteps
      ? [...tasks.slice(0, shownSteps - 2), "…", ...tasks.slice(-1)].join(" → ")
      : tasks.join(" → ");
  return {
    boxes,
    edges: new Set(boxes.slice(1).map((b, i) => `${boxes[i]}\n${b}`)),
    text: `Critical path, ${duration(to - from)}: ${names}`,
  };
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
