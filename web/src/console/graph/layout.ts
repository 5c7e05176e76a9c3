import { graphlib, layout } from "@dagrejs/dagre";
import type { GraphState } from "../../lib/graph-state.ts";

export const nodeWidth = 208;
export const nodeHeight = 68;

// dagre takes seconds above these.
const mostNodes = 150;
const mostEdges = 400;
const gap = { x: 64, y: 28 };

export interface Placed {
  positions: Map<string, { x: number; y: number }>;
  width: number;
  height: number;
}

/** Where each task stands: from left to right along the edges, as few crossings as dagre finds. */
export function place(graph: GraphState): Placed {
  if (graph.nodes.length > mostNodes || graph.edges.length > mostEdges) return inLayers(graph);
  const g = new graphlib.Graph();
  g.setGraph({ rankdir: "LR", nodesep: 28, ranksep: 64, marginx: 8, marginy: 8 });
  g.setDefaultEdgeLabel(() => ({}));
  for (const node of graph.nodes) g.setNode(node.id, { width: nodeWidth, height: nodeHeight });
  for (const edge of graph.edges) g.setEdge(edge.from, edge.to);
  layout(g);
  const positions = new Map<string, { x: number; y: number }>();
  for (const node of graph.nodes) {
    const at = g.node(node.id);
    positions.set(node.id, { x: (at.x ?? 0) - nodeWidth / 2, y: (at.y ?? 0) - nodeHeight / 2 });
  }
  const size = g.graph();
  return { positions, width: size.width ?? 0, height: size.height ?? 0 };
}

/**
 * Where the tasks of a large graph stand: each in the layer behind the last one it waits for, in a layer by the middle of
 * what they hang on. It takes time in proportion to the edges, and crosses more of them than dagre would.
 */
export function inLayers(graph: GraphState): Placed {
  const before = new Map<string, string[]>(graph.nodes.map((n) => [n.id, []]));
  for (const edge of graph.edges) before.get(edge.to)?.push(edge.from);
  const depth = new Map<string, number>();
  const layers: string[][] = [];
  // The nodes come in topological order.
  for (const node of graph.nodes) {
    const at = Math.max(-1, ...(before.get(node.id) ?? []).map((id) => depth.get(id) ?? -1)) + 1;
    depth.set(node.id, at);
    layers[at] ??= [];
    layers[at].push(node.id);
  }
  const row = new Map<string, number>();
  for (const layer of layers) {
    const middle = (id: string) => {
      const on = (before.get(id) ?? []).map((other) => row.get(other) ?? 0);
      return on.length > 0 ? on.reduce((sum, r) => sum + r, 0) / on.length : 0;
    };
    const middles = new Map(layer.map((id) => [id, middle(id)]));
    layer.sort((a, b) => (middles.get(a) ?? 0) - (middles.get(b) ?? 0));
    layer.forEach((id, i) => {
      row.set(id, i);
    });
  }
  const tallest = Math.max(0, ...layers.map((l) => l.length));
  const positions = new Map<string, { x: number; y: number }>();
  layers.forEach((layer, x) => {
    const top = ((tallest - layer.length) * (nodeHeight + gap.y)) / 2;
    layer.forEach((id, y) => {
      positions.set(id, { x: x * (nodeWidth + gap.x), y: top + y * (nodeHeight + gap.y) });
    });
  });
  return {
    positions,
    width: layers.length * (nodeWidth + gap.x),
    height: tallest * (nodeHeight + gap.y),
  };
}
