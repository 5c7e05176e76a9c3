import { queryOptions } from "@tanstack/react-query";
import type { DryRun, Json, PipelineDetail, Pipelines, TriggerResponse } from "../../api/types.ts";
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

/** The input schemas of the tasks that a pipeline starts with, of those that have one. */
export const entrySchemasQuery = (id: string) =>
  queryOptions({
    queryKey: ["pipeline", id, "schemas"],
    retry: false,
    queryFn: async ({ signal }: Ask): Promise<Record<string, Json>> =>
      (await client.post<DryRun>(`/api/pipelines/${seg(id)}/dry-run`, {}, { signal })).inputSchemas ?? {},
  });

/** Says what a run with this input would do. */
export const dryRun = (id: string, input: unknown) =>
  client.post<DryRun>(`/api/pipelines/${seg(id)}/dry-run`, { input });

export async function trigger(
  pipeline: string,
  input: unknown,
  validationMode: "strict" | "warn",
): Promise<TriggerResponse> {
  const answer = await client.post<TriggerResponse>(`/api/pipelines/${seg(pipeline)}/trigger`, {
    input,
    validationMode,
  });
  changed(["runs"], ["queue"]);
  return answer;
}
