import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { RecentRuns, Replay, Run, RunDetail, Runs, TaskRunEvents } from "../../api/types.ts";
import { type Ask, changed, client, paced, seg } from "../server.ts";

export interface RunFilter {
  pipelineId?: string | undefined;
  status?: string | undefined;
  version?: string | undefined;
  /** In the id of the run or of its pipeline, or in its error. */
  text?: string | undefined;
  /** Created between these days (RFC 3339, or a date). */
  from?: string | undefined;
  to?: string | undefined;
  /** Created in the last so many hours. */
  hours?: number | undefined;
  limit: number;
  offset?: number;
}

async function readRuns(filter: RunFilter, signal?: AbortSignal) {
  const query = new URLSearchParams({ limit: String(filter.limit), offset: String(filter.offset ?? 0) });
  if (filter.pipelineId) query.set("pipelineId", filter.pipelineId);
  if (filter.status) query.set("status", filter.status);
  if (filter.version) query.set("version", filter.version);
  if (filter.text) query.set("text", filter.text);
  if (filter.from) query.set("from", filter.from);
  if (filter.to) query.set("to", filter.to);
  if (filter.hours) query.set("from", new Date(Date.now() - filter.hours * 3_600_000).toISOString());
  const answer = await client.get<Runs>(`/api/runs?${query}`, signal ? { signal } : {});
  return { ...answer, runs: answer.runs ?? [] };
}

/** All runs that a filter admits, as they are now, but no more than so many. */
export async function allRuns(filter: RunFilter, most: number): Promise<{ rows: Run[]; more: boolean }> {
  // Runs that come meanwhile would push those that were read into the next page.
  const to = filter.to ?? new Date().toISOString();
  const rows = new Map<string, Run>();
  for (let offset = 0; ; offset += 1_000) {
    const page = await readRuns({ ...filter, to, limit: 1_000, offset });
    for (const run of page.runs) if (rows.size < most) rows.set(run.id, run);
    const read = offset + page.runs.length;
    if (page.runs.length === 0 || read >= page.total || read >= most)
      return { rows: [...rows.values()], more: page.total > rows.size };
  }
}

export const runsQuery = (filter: RunFilter) =>
  queryOptions({
    queryKey: ["runs", filter],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }: Ask) => readRuns(filter, signal),
  });

export const ended = (status: string) => !["pending", "running"].includes(status);

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ["run", id],
    queryFn: ({ signal }: Ask) => paced(["run", id], () => client.get<RunDetail>(`/api/runs/${seg(id)}`, { signal })),
    // To compare ten thousand tasks with those before costs more than to draw what is on the screen.
    structuralSharing: false,
    // The stream says when something changed; this is only the net under it, wider where it is heavy.
    refetchInterval: (query) => {
      const run = query.state.data;
      return run && ended(run.status) ? false : 5_000 + (run?.tasks?.length ?? 0) * 5;
    },
  });

export async function cancelRun(id: string): Promise<void> {
  await client.post(`/api/runs/${seg(id)}/cancel`);
  changed(["run", id], ["runs"], ["queue"]);
}

/** What a replay would run again. It is asked anew each time: it is about to be done. */
export const replayQuery = (id: string) =>
  queryOptions({
    queryKey: ["replay", id],
    gcTime: 0,
    retry: false,
    queryFn: ({ signal }: Ask) => client.get<Replay>(`/api/runs/${seg(id)}/replay`, { signal }),
  });

export async function replayRun(id: string): Promise<Replay> {
  const answer = await client.post<Replay>(`/api/runs/${seg(id)}/replay`);
  changed(["run", id], ["runs"], ["queue"], ["dlq"]);
  return answer;
}

/** The events of a task run behind one of them. */
export const eventsAfter = (taskRun: string, after: number, limit: number, signal: AbortSignal) =>
  client.get<TaskRunEvents>(`/api/task-runs/${seg(taskRun)}/events?after=${after}&limit=${limit}`, { signal });

export const recentLimit = 50;

/** The newest runs of every pipeline, newest first. */
export const recentRunsQuery = queryOptions({
  queryKey: ["runs", "recent"],
  queryFn: async ({ signal }: Ask) =>
    (await client.get<RecentRuns>(`/api/recent-runs?limit=${recentLimit}`, { signal })).pipelines ?? {},
});
