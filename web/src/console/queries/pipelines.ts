import { queryOptions } from "@tanstack/react-query";
import type { PipelineDetail, Pipelines, TriggerResponse } from "../../api/types.ts";
import { type Ask, changed, client, seg } from "../server.ts";

export const pipelinesQuery = queryOptions({
  queryKey: ["pipelines"],
  queryFn: async ({ signal }: Ask) => (await client.get<Pipelines>("/api/pipelines", { signal })).pipelines ?? [],
});

export const pipelineQuery = (id: string) =>
  queryOptions({
    queryKey: ["pipeline", id],
    queryFn: async ({ signal }: Ask) =>
      (await client.get<PipelineDetail>(`/api/pipelines/${seg(id)}`, { signal })).pipeline,
  });

export async function trigger(pipeline: string, input: unknown): Promise<TriggerResponse> {
  const answer = await client.post<TriggerResponse>(`/api/pipelines/${seg(pipeline)}/trigger`, { input });
  changed(["runs"], ["queue"]);
  return answer;
}
