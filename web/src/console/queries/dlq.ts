import { keepPreviousData, queryOptions } from "@tanstack/react-query";
import type { DeadLetters, LetterGroups, LetterIDs, Purged, RetriedAll, RetriedDeadLetter } from "../../api/types.ts";
import { type Ask, changed, client, paced, seg } from "../server.ts";

export interface LetterFilter {
  pipelineId?: string | undefined;
  taskId?: string | undefined;
  /** Failed in the last so many hours. */
  hours?: number | undefined;
  /** Failed since then. */
  from?: string | undefined;
}

/** What an answer is about: a filter as of a moment, and one group of it, or all. */
export interface LetterSet {
  filter: LetterFilter;
  /** What failed later does not belong to it. */
  asOf: string | null;
  group?: string;
}

function queryOf({ pipelineId, taskId, hours, from }: LetterFilter): URLSearchParams {
  const query = new URLSearchParams();
  if (pipelineId) query.set("pipelineId", pipelineId);
  if (taskId) query.set("taskId", taskId);
  if (from) query.set("from", from);
  else if (hours) query.set("from", new Date(Date.now() - hours * 3_600_000).toISOString());
  return query;
}

function setQueryOf({ filter, asOf, group }: LetterSet): URLSearchParams {
  const query = queryOf(filter);
  if (asOf) query.set("to", asOf);
  if (group) query.set("group", group);
  return query;
}

/** What failed alike, over all that a filter admits. */
export const groupsQuery = (filter: LetterFilter) =>
  queryOptions({
    queryKey: ["dlq", filter],
    placeholderData: keepPreviousData,
    queryFn: ({ signal }: Ask) =>
      paced(["dlq"], async () => {
        const query = queryOf(filter);
        const answer = await client.get<LetterGroups>(`/api/dlq/groups?${query}`, { signal, timeoutMs: 30_000 });
        // What is done with them later is done with these, so the span does not move on with the clock.
        const set: LetterSet = {
          filter: { ...filter, hours: undefined, from: query.get("from") ?? undefined },
          asOf: answer.asOf,
        };
        return { ...answer, groups: answer.groups ?? [], set };
      }),
  });

/** The newest of one group, each with its input. */
export const lettersQuery = (set: LetterSet, limit: number) =>
  queryOptions({
    queryKey: ["dlq", "letters", set, limit],
    placeholderData: keepPreviousData,
    queryFn: async ({ signal }: Ask) => {
      const query = setQueryOf(set);
      query.set("limit", String(limit));
      const answer = await client.get<DeadLetters>(`/api/dlq?${query}`, { signal, timeoutMs: 30_000 });
      return { items: answer.items ?? [], total: answer.total };
    },
  });

/** The ids of all that belong to a set. */
export async function idsOf(set: LetterSet): Promise<string[]> {
  const query = setQueryOf(set);
  const ids: string[] = [];
  for (let next: string | null = ""; next !== null; ) {
    if (next) query.set("after", next);
    const page: LetterIDs = await client.get<LetterIDs>(`/api/dlq/ids?${query}`, { timeoutMs: 30_000 });
    ids.push(...(page.ids ?? []));
    next = page.next && page.next !== next ? page.next : null;
  }
  return ids;
}

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
