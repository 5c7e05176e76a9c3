import type { TaskRun } from "../../api/types.ts";
import { instant } from "../../lib/format.ts";
import { type NodeState, worstState } from "../../lib/graph-state.ts";

/** What a task did for a while. waiting: for other tasks or its time; queued: for a worker; backoff: for its next attempt. */
export type Kind = "waiting" | "queued" | "running" | "backoff";

interface Segment {
  kind: Kind;
  from: number;
  /** null while it lasts. */
  to: number | null;
  /** Which attempt of the task, counted over retries and replays; 0 before the first. */
  attempt: number;
  /** How an attempt ended, of what is running. */
  end: NodeState | null;
}

export interface Row {
  id: string;
  state: NodeState;
  segments: Segment[];
  attempts: number;
  /** How many tasks stand behind it, and how many of them failed; one of its own says 1. */
  size: number;
  failed: number;
}

export interface Range {
  from: number;
  to: number;
}

interface TaskOf {
  id: string;
  state: NodeState;
}

/** The rows of a run: every task with what all its attempts did, whichever replay they belong to. */
export function rowsOf(
  nodes: readonly TaskOf[],
  tasks: readonly TaskRun[],
  begin: number | null,
  end: number | null,
): Row[] {
  const byTask = new Map<string, TaskRun[]>();
  for (const run of tasks) {
    const list = byTask.get(run.taskId);
    if (list) list.push(run);
    else byTask.set(run.taskId, [run]);
  }
  return nodes.map((node) => {
    const runs = (byTask.get(node.id) ?? []).sort((a, b) => (a.createdAt ?? "").localeCompare(b.createdAt ?? ""));
    const segments: Segment[] = [];
    let attempts = 0;
    const first = instant(runs[0]?.createdAt);
    if (begin !== null && first !== null && first > begin)
      segments.push({ kind: "waiting", from: begin, to: first, attempt: 0, end: null });
    else if (begin !== null && runs.length === 0 && node.state === "blocked")
      segments.push({ kind: "waiting", from: begin, to: end, attempt: 0, end: null });
    for (const run of runs) attempts = addRun(segments, run, attempts);
    const failed = node.state === "failed" || node.state === "timeout" ? 1 : 0;
    return { id: node.id, state: node.state, segments, attempts, size: 1, failed };
  });
}

/** Adds what one task run did and says how many attempts there are now. */
function addRun(segments: Segment[], run: TaskRun, before: number): number {
  const ended = instant(run.completedAt);
  let cursor = instant(run.createdAt) ?? instant(run.startedAt);
  if (cursor === null) return before;
  let attempt = before;
  const add = (kind: Kind, to: number | null, end: NodeState | null = null) => {
    if (cursor === null || (to !== null && to <= cursor && kind !== "running")) return;
    // Clocks of several machines may disagree by a little; an attempt is never shorter than nothing.
    segments.push({ kind, from: to === null ? cursor : Math.min(cursor, to), to, attempt, end });
    if (to !== null) cursor = to;
  };
  const past = (run.previousAttempts ?? []).filter((p) => p.attempt < run.attempt);
  for (const p of past.sort((a, b) => a.attempt - b.attempt)) {
    const failedAt = instant(p.timestamp);
    if (failedAt === null) continue;
    attempt++;
    // An older engine did not note when an attempt began: all the time before its end is shown as its own.
    const startedAt = instant(p.startedAt);
    if (startedAt !== null) add("queued", Math.min(startedAt, failedAt));
    add("running", failedAt, "failed");
    const retryAt = instant(p.retryAt);
    if (retryAt !== null) add("backoff", retryAt);
  }
  attempt++;
  const due = instant(run.scheduledAt);
  const started = instant(run.startedAt);
  const until = started ?? ended;
  if (due !== null && due > cursor)
    add(past.length > 0 ? "backoff" : "waiting", until === null ? due : Math.min(due, until));
  if (started !== null) {
    add("queued", started);
    add("running", ended, endOf(run.status));
  } else if (ended !== null || due === null || due <= Date.now()) {
    add("queued", ended);
  }
  return attempt;
}

function endOf(status: string): NodeState | null {
  switch (status) {
    case "completed":
    case "failed":
    case "timeout":
    case "cancelled":
      return status;
    default:
      return null;
  }
}

/** Only what belongs to one attempt; "last": to the last one of each task. */
export function onlyAttempt(rows: Row[], attempt: number | "last" | undefined): Row[] {
  if (attempt === undefined) return rows;
  return rows.map((row) => ({
    ...row,
    segments: row.segments.filter((s) => s.attempt === (attempt === "last" ? row.attempts : attempt) && s.attempt > 0),
  }));
}

/** From the first beginning to the last end, or to now while anything lasts. */
export function rangeOf(rows: readonly Row[], now: number): Range {
  let from = Number.POSITIVE_INFINITY;
  let to = Number.NEGATIVE_INFINITY;
  for (const row of rows) {
    for (const s of row.segments) {
      if (s.from < from) from = s.from;
      const end = s.to ?? Math.max(now, s.from);
      if (end > to) to = end;
    }
  }
  if (!Number.isFinite(from)) return { from: now - 1_000, to: now };
  return { from, to: Math.max(to, from + 10) };
}

/** Rows above this many stand together by the beginning of their names. */
export const mostRows = 5_000;
const chunk = 100;

/**
 * Rows of many tasks as few: those whose names differ only in the number at their end stand together, and where that does
 * not help, every hundred.
 */
export function fold(rows: Row[], most = mostRows): { rows: Row[]; members: Map<string, Row[]> } {
  const members = new Map<string, Row[]>();
  if (rows.length <= most) return { rows, members };
  const put = (key: string, row: Row) => {
    const list = members.get(key);
    if (list) list.push(row);
    else members.set(key, [row]);
  };
  for (const row of rows) put(row.id.replace(/[-_.:#/]?\d+$/, "") || row.id, row);
  if (members.size > most / 10) {
    members.clear();
    rows.forEach((row, i) => {
      const at = Math.floor(i / chunk) * chunk;
      put(`Tasks ${at + 1} to ${Math.min(at + chunk, rows.length)}`, row);
    });
  }
  return {
    rows: [...members].map(([id, list]) => (list.length === 1 ? (list[0] as Row) : together(id, list))),
    members,
  };
}

function together(id: string, list: Row[]): Row {
  const state = worstState(list.map((r) => r.state));
  return {
    id,
    state,
    segments: merged(list),
    attempts: Math.max(...list.map((r) => r.attempts)),
    size: list.reduce((n, r) => n + r.size, 0),
    failed: list.reduce((n, r) => n + r.failed, 0),
  };
}

/** What any of them did, by kind, as few segments as that takes. */
function merged(list: Row[]): Segment[] {
  const out: Segment[] = [];
  for (const kind of ["queued", "backoff", "running"] as const) {
    const all = list.flatMap((r) => r.segments.filter((s) => s.kind === kind)).sort((a, b) => a.from - b.from);
    let open: Segment | null = null;
    for (const s of all) {
      if (open && (open.to === null || s.from <= open.to)) {
        if (open.to !== null && (s.to === null || s.to > open.to)) open.to = s.to;
        if (s.end === "failed" || s.end === "timeout") open.end = s.end;
      } else {
        open = { ...s };
        out.push(open);
      }
    }
  }
  return out;
}

const steps = [
  1, 2, 5, 10, 20, 50, 100, 200, 500, 1_000, 2_000, 5_000, 10_000, 15_000, 30_000, 60_000, 120_000, 300_000, 600_000,
  1_800_000, 3_600_000, 7_200_000, 21_600_000, 43_200_000, 86_400_000, 172_800_000, 604_800_000, 2_592_000_000,
];

/** Where the marks of the axis stand: round times, not more than wanted. */
export function ticks(range: Range, wanted: number): number[] {
  const span = range.to - range.from;
  const step = steps.find((s) => span / s <= wanted) ?? (steps.at(-1) as number) * 12;
  const out: number[] = [];
  for (let at = Math.ceil(range.from / step) * step; at <= range.to; at += step) out.push(at);
  return out;
}

/** A range that is part of another: nearer by a factor, around a point of it. */
export function zoom(range: Range, factor: number, within: Range): Range {
  const span = Math.min(within.to - within.from, Math.max(10, (range.to - range.from) * factor));
  const middle = (range.from + range.to) / 2;
  return clamp({ from: middle - span / 2, to: middle + span / 2 }, within);
}

export function shift(range: Range, part: number, within: Range): Range {
  const by = (range.to - range.from) * part;
  return clamp({ from: range.from + by, to: range.to + by }, within);
}

function clamp(range: Range, within: Range): Range {
  const span = range.to - range.from;
  const from = Math.max(within.from, Math.min(range.from, within.to - span));
  return { from, to: Math.min(within.to, from + span) };
}
