import { graphlib, layout } from "@dagrejs/dagre";
import type { GraphState } from "../../lib/graph-state.ts";

export const nodeWidth = 208;
export const nodeHeight = 68;

export interface Placed {
  positions: Map<string, { x: number; y: number }>;
  width: number;
  height: number;
}

/** Where each task stands: from left to right along the edges, as few crossings as dagre finds. */
export function place(graph: GraphState): Placed {
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
