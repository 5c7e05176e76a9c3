import type { RunChanges, RunDetail, StreamEvent } from "../api/types.ts";

// Behind this many the whole run is the shorter way; the server answers no more either.
const mostNamed = 500;

/** Collects which task runs of which runs changed; null where nobody knows, so that the run is read whole. */
export class ChangedTasks {
  private readonly runs = new Map<string, Set<string> | null>();

  note(event: StreamEvent): void {
    if (event.type === "resync" || (event.type === "run" && !event.runId)) {
      for (const id of this.runs.keys()) this.runs.set(id, null);
    } else if (event.type === "run" && event.runId) {
      // The end of a run, a replay, a cancellation: more changed than one task.
      if (event.taskRunId) this.add(event.runId, [event.taskRunId]);
      else this.runs.set(event.runId, null);
    }
  }

  add(run: string, tasks: readonly string[]): void {
    const known = this.runs.get(run);
    if (known === null) return;
    const set = known ?? new Set();
    for (const id of tasks) set.add(id);
    this.runs.set(run, set.size > mostNamed ? null : set);
  }

  /** What is known of a run, and forgotten by it. */
  take(run: string): string[] | null {
    const set = this.runs.get(run);
    this.runs.delete(run);
    return set ? [...set] : null;
  }
}

/** The run with what changed in it; null when that does not make it whole again. */
export function mergeRun(old: RunDetail, news: RunChanges): RunDetail | null {
  if (news.status !== old.status) return null; // other tasks may have been cancelled with it
  const at = new Map((old.tasks ?? []).map((t, i) => [t.id, i]));
  const tasks = [...(old.tasks ?? [])];
  for (const task of news.tasks ?? []) {
    const i = at.get(task.id);
    if (i === undefined) tasks.push(task);
    else tasks[i] = task;
  }
  // It was counted first, so that there may be more by now, but never fewer.
  if (tasks.length < news.total) return null;
  const { outputPath, error, startedAt, completedAt } = news;
  return {
    ...old,
    ...(outputPath === undefined ? {} : { outputPath }),
    ...(error === undefined ? {} : { error }),
    startedAt,
    completedAt,
    tasks,
  };
}
