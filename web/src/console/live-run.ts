import type { RunChanges, RunDetail, StreamEvent } from "../api/types.ts";

// The server answers no more in one go.
const mostNamed = 500;
// Behind this many nobody counts on.
const mostKept = 5_000;

/** Collects which task runs of which runs changed; null where nobody knows, so that the run is read whole. */
export class ChangedTasks {
  private readonly runs = new Map<string, Set<string> | null>();

  note(event: StreamEvent): void {
    if (event.type === "resync" || (event.type === "run" && !event.runId)) {
      for (const id of this.runs.keys()) this.lose(id);
    } else if (event.type === "run" && event.runId) {
      // The end of a run, a replay, a cancellation: more changed than one task.
      if (event.taskRunId) this.add(event.runId, event.taskRunId);
      else this.lose(event.runId);
    }
  }

  private add(run: string, task: string): void {
    const known = this.runs.get(run);
    if (known === null) return;
    const set = known ?? new Set();
    set.add(task);
    this.runs.set(run, set.size > mostKept ? null : set);
  }

  /** What changed in a run; null where nobody knows. */
  of(run: string): string[] | null {
    const set = this.runs.get(run);
    return set ? [...set] : null;
  }

  /** Something changed that nobody can name. */
  lose(run: string): void {
    this.runs.set(run, null);
  }

  /** It is being read: what changes from now on counts. */
  forget(run: string): void {
    this.runs.delete(run);
  }
}

export type ChangesAsked = [URLSearchParams, ...URLSearchParams[]];

/**
 * The changes to ask for, one after the other; null where the whole run is the shorter way: it travels better packed
 * and is drawn anew just once.
 */
export function changesOf({ tasks }: RunDetail, named: readonly string[] | null): ChangesAsked | null {
  if (!tasks || !named || named.length > Math.max(mostNamed, tasks.length / 4)) return null;
  const ask = (from: number) => ({ ids: named.slice(from, from + mostNamed).join() });
  const more: URLSearchParams[] = [];
  for (let i = mostNamed; i < named.length; i += mostNamed) more.push(new URLSearchParams(ask(i)));
  return [new URLSearchParams({ ...ask(0), after: tasks.at(-1)?.id ?? "" }), ...more];
}

/** The run with what changed in it, in the order of changesOf; null when that does not make it whole again. */
export function mergeRun(old: RunDetail, ...all: [RunChanges, ...RunChanges[]]): RunDetail | null {
  const first = all[0];
  if (all.some((news) => news.status !== old.status)) return null; // other tasks may have been cancelled with it
  const at = new Map((old.tasks ?? []).map((t, i) => [t.id, i]));
  const tasks = [...(old.tasks ?? [])];
  for (const task of all.flatMap((news) => news.tasks ?? [])) {
    const i = at.get(task.id);
    if (i === undefined) tasks.push(task);
    else tasks[i] = task;
  }
  // The first has what is new. It was counted before, so that there may be more by now, but never fewer.
  if (tasks.length < first.total) return null;
  const { outputPath, error, startedAt, completedAt } = first;
  return {
    ...old,
    ...(outputPath === undefined ? {} : { outputPath }),
    ...(error === undefined ? {} : { error }),
    startedAt,
    completedAt,
    tasks,
  };
}
