import type { Pipeline, TaskRun } from "../api/types.ts";

/** What may follow what, as pipelines and snapshots have it. */
export type Structure = NonNullable<Pipeline["structure"]>;

/**
 * What a task of a run looks like to a person. The words of task runs, and three that have no task run of their own:
 * blocked (an edge into it is open), skipped (it will never run) and retrying (queued again after a failed attempt).
 */
export type NodeState =
  | "blocked"
  | "queued"
  | "retrying"
  | "running"
  | "completed"
  | "failed"
  | "timeout"
  | "cancelled"
  | "skipped";

/** fired: the task at its end may run. dead: not chosen. broken: its source failed. open: not decided yet. */
export type EdgeState = "open" | "fired" | "dead" | "broken";

export interface GraphNode {
  id: string;
  state: NodeState;
  entry: boolean;
  run: TaskRun | null;
}

export interface GraphEdge {
  from: string;
  to: string;
  state: EdgeState;
}

export interface GraphState {
  /** In topological order; within one depth in the snapshot's order. */
  nodes: GraphNode[];
  edges: GraphEdge[];
}

/** As the wire has it; null where there is none. */
export interface GraphInput {
  structure: Structure | null;
  entryTasks: readonly string[] | null;
  tasks: readonly TaskRun[] | null;
  /** The status of the whole run; undefined for a definition that is not run. */
  status?: string;
  failureMode?: string;
}

const runEnded = new Set(["completed", "failed", "cancelled", "partial"]);

/** The state of a task run as it stands in its row. */
function taskState(run: TaskRun): NodeState {
  switch (run.status) {
    case "running":
    case "completed":
    case "failed":
    case "timeout":
    case "cancelled":
    case "skipped":
      return run.status;
    case "success":
      return "completed";
    case "waiting":
      return "blocked";
    default:
      return run.attempt > 1 || (run.previousAttempts?.length ?? 0) > 0 ? "retrying" : "queued";
  }
}

/**
 * Says for each task and edge of a snapshot where it stands. The engine keeps no row for a skipped task, so skips follow
 * from the edges: each is resolved by the end of its source, and a task with no open edge and no row was passed over.
 */
export function deriveGraph(input: GraphInput): GraphState {
  const structure = input.structure ?? {};
  const rows = newestRows(input.tasks ?? []);
  const order = topological(structure);
  const entries = new Set(input.entryTasks);
  const ended = input.status !== undefined && runEnded.has(input.status);
  const incoming = new Map<string, GraphEdge[]>(order.map((id) => [id, []]));
  const nodes: GraphNode[] = [];
  const edges: GraphEdge[] = [];

  for (const id of order) {
    const run = rows.get(id) ?? null;
    const into = incoming.get(id) ?? [];
    const state = run ? taskState(run) : unstarted(entries.has(id), into, ended, input.failureMode);
    nodes.push({ id, state, entry: entries.has(id), run });
    const brokenSkip = state === "skipped" && into.some((e) => e.state === "broken");
    for (const to of successors(structure, id)) {
      const edge: GraphEdge = { from: id, to, state: edgeState(state, run, to, brokenSkip) };
      edges.push(edge);
      incoming.get(to)?.push(edge);
    }
  }
  return { nodes, edges };
}

function unstarted(entry: boolean, into: GraphEdge[], ended: boolean, failureMode: string | undefined): NodeState {
  if (ended) return "skipped";
  if (entry || into.length === 0 || into.some((e) => e.state === "open")) return "blocked";
  const fired = into.some((e) => e.state === "fired");
  const broken = into.some((e) => e.state === "broken");
  // Resolved and to run, but its row is not there yet: the next answer has it.
  if (fired && (!broken || failureMode === "partial-merge")) return "blocked";
  return "skipped";
}

function edgeState(state: NodeState, run: TaskRun | null, to: string, brokenSkip: boolean): EdgeState {
  switch (state) {
    case "completed":
      return !run?.selectedNext || run.selectedNext.includes(to) ? "fired" : "dead";
    case "failed":
    case "timeout":
    case "cancelled":
      return "broken";
    case "skipped":
      return brokenSkip ? "broken" : "dead";
    default:
      return "open";
  }
}

const worst: NodeState[] = [
  "failed",
  "timeout",
  "running",
  "retrying",
  "queued",
  "blocked",
  "cancelled",
  "skipped",
  "completed",
];

/** The state that stands for several: what most wants to be known. */
export function worstState(states: Iterable<NodeState>): NodeState {
  let at = worst.length - 1;
  for (const state of states) at = Math.min(at, worst.indexOf(state));
  return worst[at] ?? "completed";
}

/** How many nodes are in which state, what wants to be known first. */
export function countStates(nodes: readonly { state: NodeState }[]): [NodeState, number][] {
  const counts = new Map<NodeState, number>();
  for (const { state } of nodes) counts.set(state, (counts.get(state) ?? 0) + 1);
  return worst.flatMap((state) => (counts.has(state) ? [[state, counts.get(state) ?? 0]] : []));
}

/** The tasks that failed for good, the first to fail first. */
export function failedNodes(graph: GraphState): GraphNode[] {
  return graph.nodes
    .filter((n) => n.state === "failed" || n.state === "timeout")
    .sort((a, b) => (a.run?.completedAt ?? "").localeCompare(b.run?.completedAt ?? ""));
}

/** Why a task will never run, or has not begun; for a task that has no run of its own. */
export function whyNotRun(graph: GraphState, node: GraphNode): string {
  if (node.state !== "skipped") return "waits for what comes before";
  const into = graph.edges.filter((e) => e.to === node.id);
  if (into.some((e) => e.state === "broken")) return "what it needs did not complete";
  if (into.length > 0 && into.every((e) => e.state === "dead")) return "its branch was not taken";
  return "the run ended before it";
}

/** A task run again after its death has two rows; the newer one counts. */
function newestRows(tasks: readonly TaskRun[]): Map<string, TaskRun> {
  const rows = new Map<string, TaskRun>();
  for (const run of tasks) {
    if (run.supersededBy) continue; // retried, or about to be made again: it does not count any more
    const other = rows.get(run.taskId);
    if (!other || (run.createdAt ?? "") >= (other.createdAt ?? "")) rows.set(run.taskId, run);
  }
  return rows;
}

function successors(structure: Structure, id: string): string[] {
  return [...new Set(structure[id]?.allowedNext ?? [])].filter((to) => to in structure);
}

/** Kahn's order. The engine refuses cycles; should one be here all the same, its tasks come last instead of never. */
export function topological(structure: Structure): string[] {
  const ids = Object.keys(structure);
  const open = new Map(ids.map((id) => [id, 0]));
  for (const id of ids) for (const to of successors(structure, id)) open.set(to, (open.get(to) ?? 0) + 1);
  const order: string[] = [];
  let level = ids.filter((id) => open.get(id) === 0);
  while (level.length > 0) {
    order.push(...level);
    const next: string[] = [];
    for (const id of level) {
      for (const to of successors(structure, id)) {
        const left = (open.get(to) ?? 0) - 1;
        open.set(to, left);
        if (left === 0) next.push(to);
      }
    }
    level = next;
  }
  const seen = new Set(order);
  return [...order, ...ids.filter((id) => !seen.has(id))];
}

/** 0 to 100, or null where the task reported none. */
export function progressOf(run: TaskRun): { percent: number | null; message: string } {
  const meta = run.metadata;
  if (typeof meta !== "object" || meta === null || Array.isArray(meta)) return { percent: null, message: "" };
  const percent = typeof meta.progress === "number" ? Math.min(100, Math.max(0, meta.progress)) : null;
  return { percent, message: typeof meta.progressMessage === "string" ? meta.progressMessage : "" };
}
