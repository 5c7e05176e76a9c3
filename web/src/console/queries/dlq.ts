import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { DeadLetters, Purged, RetriedAll, RetriedDeadLetter } from "../../api/types.ts";
import { type Ask, changed, client, paced, seg } from "../server.ts";

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

const batch = 100;

/**
 * Does something with many, a hundred at a time, and says how many it came to. Where it breaks off amid them, what was done
 * is told together with what was not.
 */
export async function inBatches(
  ids: readonly string[],
  step: (part: string[]) => Promise<Outcome>,
  onProgress: (done: number) => void,
): Promise<Outcome> {
  const out: Outcome = { done: 0, failed: [] };
  for (let i = 0; i < ids.length; i += batch) {
    try {
      const got = await step(ids.slice(i, i + batch));
      out.done += got.done;
      out.failed.push(...got.failed);
    } catch (error) {
      if (i === 0) throw error; // as far as is known nothing was done
      const why = error instanceof Error ? error.message : String(error);
      out.failed.push(...ids.slice(i).map((id, n) => ({ id, reason: n < batch ? why : "Not tried after that" })));
      break;
    }
    onProgress(Math.min(ids.length, i + batch));
  }
  return out;
}

/** Runs these dead letters again, and says which were not. */
export async function retryLetters(ids: string[], onProgress: (done: number) => void): Promise<Outcome> {
  const step = async (part: string[]) => {
    const answer = await client.post<RetriedAll>("/api/dlq/retry-all", { ids: part }, { timeoutMs: 60_000 });
    return { done: answer.retried, failed: (answer.failed ?? []).map((f) => ({ id: f.dlqId, reason: f.error })) };
  };
  try {
    return await inBatches(ids, step, onProgress);
  } finally {
    changed(["dlq"], ["runs"], ["queue"]);
  }
}

/** Deletes these dead letters. Those that are gone already are as good as deleted. */
export async function purgeLetters(ids: string[], onProgress: (done: number) => void): Promise<Outcome> {
  const step = async (part: string[]) => {
    const answer = await client.post<Purged>("/api/dlq/purge", { ids: part }, { timeoutMs: 60_000 });
    return { done: answer.purged, failed: [] };
  };
  try {
    return await inBatches(ids, step, onProgress);
  } finally {
    changed(["dlq"], ["queue"]);
  }
}

/** Runs the task run again that a dead letter is about, in its run, which goes on. */
export async function retryTaskRun(run: string, taskRun: string): Promise<RetriedDeadLetter> {
  const answer = await client.post<RetriedDeadLetter>(`/api/dlq/${seg(taskRun)}/retry`);
  changed(["run", run], ["runs"], ["queue"], ["dlq"]);
  return answer;
}
