import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { RunDetail, Runs } from "../../api/types.ts";
import { type Ask, changed, client, seg } from "../server.ts";

export interface RunFilter {
  pipelineId?: string | undefined;
  status?: string | undefined;
  /** Created in the last so many hours. */
  hours?: number | undefined;
  limit: number;
  offset?: number;
}

export const runsQuery = (filter: RunFilter) =>
  queryOptions({
    queryKey: ["runs", filter],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }: Ask) => {
      const query = new URLSearchParams({ limit: String(filter.limit), offset: String(filter.offset ?? 0) });
      if (filter.pipelineId) query.set("pipelineId", filter.pipelineId);
      if (filter.status) query.set("status", filter.status);
      if (filter.hours) query.set("from", new Date(Date.now() - filter.hours * 3_600_000).toISOString());
      const answer = await client.get<Runs>(`/api/runs?${query}`, { signal });
      return { ...answer, runs: answer.runs ?? [] };
    },
  });

export const ended = (status: string) => !["pending", "running"].includes(status);

export const runQuery = (id: string) =>
  queryOptions({
    queryKey: ["run", id],
    queryFn: ({ signal }: Ask) => client.get<RunDetail>(`/api/runs/${seg(id)}`, { signal }),
    // The stream says when something changed; this is only the net under it.
    refetchInterval: (query) => (query.state.data && ended(query.state.data.status) ? false : 5_000),
  });

export async function cancelRun(id: string): Promise<void> {
  await client.post(`/api/runs/${seg(id)}/cancel`);
  changed(["run", id], ["runs"], ["queue"]);
}
