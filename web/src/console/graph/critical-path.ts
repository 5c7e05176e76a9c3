import { instant } from "../../lib/format.ts";
import type { GraphState } from "../../lib/graph-state.ts";

/**
 * The tasks that decided how long the run took, or takes: from the one that ended last back to the one that it waited
 * for longest, and so on to the beginning. Making any other task faster would not have ended the run earlier.
 */
export function criticalPath(graph: GraphState): string[] {
  const end = new Map<string, number>();
  for (const { id, run } of graph.nodes) {
    const from = instant(run?.startedAt);
    if (from !== null) end.set(id, instant(run?.completedAt) ?? Number.POSITIVE_INFINITY);
  }
  const before = new Map<string, string[]>();
  for (const edge of graph.edges) {
    // A task that was not chosen, or that failed, was not waited for by what ran.
    if (edge.state !== "fired" && edge.state !== "broken") continue;
    const list = before.get(edge.to);
    if (list) list.push(edge.from);
    else before.set(edge.to, [edge.from]);
  }
  const last = (ids: readonly string[]) =>
    ids.reduce<string | null>(
      (best, id) => (end.has(id) && (best === null || (end.get(id) ?? 0) > (end.get(best) ?? 0)) ? id : best),
      null,
    );
  const path: string[] = [];
  for (let at = last([...end.keys()]); at !== null && !path.includes(at); at = last(before.get(at) ?? []))
    path.unshift(at);
  return path;
}
