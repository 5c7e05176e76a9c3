import { type EdgeState, type GraphEdge, type GraphNode, type GraphState, worstState } from "../../lib/graph-state.ts";

/** Tasks that fan out from the same and go to the same, drawn as one. */
export interface Group {
  /** Of its first task. */
  id: string;
  /** What their names begin with. */
  name: string;
  members: GraphNode[];
}

export interface Folded {
  /** The graph with a node for each group, called as its first task. */
  graph: GraphState;
  groups: Map<string, Group>;
  /** Those that are there but drawn one by one. */
  unfolded: Group[];
}

/** Fewer than this are drawn one by one. */
export const foldFrom = 8;

/**
 * Which tasks are alike, which does not change while they run: tasks that wait for the same and are waited for by the same, and chains of such. They are
 * found by colouring: tasks begin with the colour of their depth and of the beginning of their name, and are told apart by
 * the colours around them until nothing changes.
 */
export function findAlike(graph: GraphState): string[][] {
  return alike(graph).map((list) => list.map((node) => node.id));
}

/** Draws what is alike as one, but for what was opened. */
export function foldGraph(graph: GraphState, found: readonly string[][], open: ReadonlySet<string>): Folded {
  const groups = new Map<string, Group>();
  const unfolded: Group[] = [];
  const groupOf = new Map<string, Group>();
  const byId = found.length > 0 ? new Map(graph.nodes.map((node) => [node.id, node])) : new Map<string, GraphNode>();
  for (const ids of found) {
    const members = ids.flatMap((id) => byId.get(id) ?? []);
    const first = members[0];
    if (!first) continue;
    const group = { id: first.id, name: prefixOf(members), members };
    if (open.has(first.id)) unfolded.push(group);
    else {
      groups.set(first.id, group);
      for (const m of members) groupOf.set(m.id, group);
    }
  }
  if (groups.size === 0) return { graph, groups, unfolded };
  const nodes = graph.nodes.flatMap((node): GraphNode[] => {
    const group = groupOf.get(node.id);
    if (!group) return [node];
    if (group.id !== node.id) return [];
    return [{ id: group.id, state: worstState(group.members.map((m) => m.state)), entry: node.entry, run: null }];
  });
  const edges = new Map<string, GraphEdge>();
  for (const edge of graph.edges) {
    const from = groupOf.get(edge.from)?.id ?? edge.from;
    const to = groupOf.get(edge.to)?.id ?? edge.to;
    const key = `${from}\n${to}`;
    const known = edges.get(key);
    if (!known) edges.set(key, { from, to, state: edge.state });
    else if (rank[edge.state] < rank[known.state]) known.state = edge.state;
  }
  return { graph: { nodes, edges: [...edges.values()] }, groups, unfolded };
}

// What stands for many: the one that somebody has to know of.
const rank: Record<EdgeState, number> = { broken: 0, open: 1, fired: 2, dead: 3 };

/** A name without the number at its end. */
const stem = (id: string) => id.replace(/[-_.:#/]?\d+$/, "");

function alike(graph: GraphState): GraphNode[][] {
  const n = graph.nodes.length;
  if (n < foldFrom) return [];
  const at = new Map(graph.nodes.map((node, i) => [node.id, i]));
  const before: number[][] = graph.nodes.map(() => []);
  const after: number[][] = graph.nodes.map(() => []);
  for (const edge of graph.edges) {
    const from = at.get(edge.from);
    const to = at.get(edge.to);
    if (from === undefined || to === undefined) continue;
    after[from]?.push(to);
    before[to]?.push(from);
  }
  const depth: number[] = [];
  // They come in topological order.
  for (let i = 0; i < n; i++) depth[i] = 1 + (before[i] ?? []).reduce((most, j) => Math.max(most, depth[j] ?? 0), -1);

  let colours = numbered(graph.nodes.map((node, i) => `${depth[i]} ${node.entry} ${stem(node.id)}`));
  for (let kinds = 0, rounds = 0; rounds < 50; rounds++) {
    const sizes = new Map<number, number>();
    for (const c of colours) sizes.set(c, (sizes.get(c) ?? 0) + 1);
    if (sizes.size === kinds) break;
    kinds = sizes.size;
    const around = (list: readonly number[]) => {
      const counts = new Map<number, number>();
      for (const j of list) counts.set(colours[j] as number, (counts.get(colours[j] as number) ?? 0) + 1);
      return [...counts].sort(([a], [b]) => a - b).join(";");
    };
    const few = (i: number) => (sizes.get(colours[i] as number) ?? 0) < foldFrom;
    // Of a kind of which there are few, each is one of its own: who waits for another of them is not alike.
    colours = numbered(
      colours.map((c, i) => (few(i) ? `one ${i}` : `${c}|${around(before[i] ?? [])}|${around(after[i] ?? [])}`)),
    );
  }
  const kinds = new Map<number, number[]>();
  colours.forEach((c, i) => {
    const list = kinds.get(c);
    if (list) list.push(i);
    else kinds.set(c, [i]);
  });
  return [...kinds.values()]
    .filter((list) => list.length >= foldFrom && together(list, before, colours) && together(list, after, colours))
    .map((list) => list.map((i) => graph.nodes[i] as GraphNode));
}

/** Whether all hang on the very same tasks, or each on one of its own; of what is woven together nothing is alike. */
function together(list: number[], beside: number[][], colours: number[]): boolean {
  const shared = new Set(beside[list[0] as number]);
  for (const i of list) {
    const mine = new Set(beside[i]);
    for (const j of shared) if (!mine.has(j)) shared.delete(j);
  }
  const taken = new Set<number>();
  for (const i of list) {
    const kinds = new Set<number>();
    for (const j of beside[i] ?? []) {
      if (shared.has(j)) continue;
      const kind = colours[j] as number;
      if (taken.has(j) || kinds.has(kind)) return false;
      taken.add(j);
      kinds.add(kind);
    }
  }
  return true;
}

function numbered(keys: string[]): number[] {
  const numbers = new Map<string, number>();
  return keys.map((key) => {
    const known = numbers.get(key);
    if (known !== undefined) return known;
    numbers.set(key, numbers.size);
    return numbers.size - 1;
  });
}

/** What all their names begin with, without the beginning of a number; the first name where that is nothing. */
function prefixOf(members: readonly GraphNode[]): string {
  let prefix = members[0]?.id ?? "";
  for (const { id } of members) {
    while (!id.startsWith(prefix)) prefix = prefix.slice(0, -1);
  }
  return prefix.replace(/[-_.:#/]?\d*$/, "") || (members[0]?.id ?? "");
}
