import { queryOptions } from "@tanstack/react-query";
import type { CodeVersion, ServiceDetail, Services, Task, TaskSchema } from "../../api/types.ts";
import { type Ask, client, seg } from "../server.ts";

export const servicesQuery = queryOptions({
  queryKey: ["services"],
  queryFn: async ({ signal }: Ask) => (await client.get<Services>("/api/services", { signal })).services ?? [],
  // A worker that is not heard of any more sends no event.
  refetchInterval: 30_000,
});

export const serviceQuery = (id: string) =>
  queryOptions({
    queryKey: ["service", id],
    queryFn: ({ signal }: Ask) => client.get<ServiceDetail>(`/api/services/${seg(id)}`, { signal }),
  });

/** The code versions of a task, newest first. */
export const historyQuery = (task: string) =>
  queryOptions({
    queryKey: ["task-history", task],
    queryFn: async ({ signal }: Ask) =>
      (await client.get<CodeVersion[] | null>(`/api/tasks/${seg(task)}/history`, { signal })) ?? [],
  });

/** The definition of a task, from the service that offers it; null when none does. */
export const taskQuery = (id: string) =>
  queryOptions({
    queryKey: ["service", "task", id],
    queryFn: async ({ signal }: Ask): Promise<Task | null> => {
      const services = (await client.get<Services>("/api/services", { signal })).services ?? [];
      for (const s of services) {
        const { tasks } = await client.get<ServiceDetail>(`/api/services/${seg(s.id)}`, { signal });
        const found = (tasks ?? []).find((t) => t.id === id);
        if (found) return found;
      }
      return null;
    },
  });

/** What the input of a task must look like. */
export const schemaQuery = (task: string) =>
  queryOptions({
    queryKey: ["task-schema", task],
    queryFn: ({ signal }: Ask) => client.get<TaskSchema>(`/api/tasks/${seg(task)}/input-schema`, { signal }),
  });
