import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { DeadLetters, Purged, RetriedAll } from "../../api/types.ts";
import { type Ask, changed, client, paced } from "../server.ts";

/** Most that are looked at together; what is confirmed is never more. */
export const mostLetters = 1_000;

interface LetterFilter {
  pipelineId?: string | undefined;
  taskId?: string | undefined;
  hours?: number | undefined;
}

export const lettersQuery = (filter: LetterFilter) =>
  queryOptions({
    queryKey: ["dlq", filter],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }: Ask) =>
      paced(["dlq"], async () => {
        const query = new URLSearchParams({ limit: String(mostLetters) });
        if (filter.pipelineId) query.set("pipelineId", filter.pipelineId);
        if (filter.taskId) query.set("taskId", filter.taskId);
        if (filter.hours) query.set("from", new Date(Date.now() - filter.hours * 3_600_000).toISOString());
        const answer = await client.get<DeadLetters>(`/api/dlq?${query}`, { signal, timeoutMs: 30_000 });
        return { items: answer.items ?? [], total: answer.total };
      }),
  });

export interface Outcome {
  done: number;
  failed: { id: string; reason: string }[];
}

/** Runs these dead letters again, and says which were not. */
export async function retryLetters(ids: string[]): Promise<Outcome> {
  try {
    const answer = await client.post<RetriedAll>("/api/dlq/retry-all", { ids }, { timeoutMs: 60_000 });
    return {
      done: answer.retried,
      failed: (answer.failed ?? []).map((f) => ({ id: f.dlqId, reason: f.error })),
    };
  } finally {
    changed(["dlq"], ["runs"], ["queue"]);
  }
}

/** Deletes these dead letters. Those that are gone already are as good as deleted. */
export async function purgeLetters(ids: string[]): Promise<Outcome> {
  try {
    const answer = await client.post<Purged>("/api/dlq/purge", { ids }, { timeoutMs: 60_000 });
    return { done: answer.purged, failed: [] };
  } finally {
    changed(["dlq"], ["queue"]);
  }
}
