import { queryOptions } from "@tanstack/react-query";
import type { RemoteWorker, RemoteWorkers, WorkerEvent, WorkerEvents } from "../../api/types.ts";
import { type Ask, changed, client, seg } from "../server.ts";

export const workersQuery = (workspace: string) =>
  queryOptions({
    queryKey: ["workers", workspace],
    enabled: workspace !== "",
    queryFn: async ({ signal }: Ask) => {
      const items: RemoteWorker[] = [];
      for (let cursor: string | null = ""; cursor !== null; ) {
        const path: string = `/api/v1/workspaces/${seg(workspace)}/workers${cursor ? `?cursor=${seg(cursor)}` : ""}`;
        const page: RemoteWorkers = await client.get(path, { signal });
        items.push(...(page.items ?? []));
        cursor = page.nextCursor && page.nextCursor !== cursor ? page.nextCursor : null;
      }
      return items;
    },
    refetchInterval: 30_000,
  });

const path = (workspace: string, id: string, verb = "") =>
  `/api/v1/workspaces/${seg(workspace)}/workers/${seg(id)}${verb && `/${verb}`}`;

async function after<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } finally {
    changed(["workers"], ["hosts"], ["host"]);
  }
}

export const setWorkerEnabled = (workspace: string, id: string, on: boolean, note = "") =>
  after(client.post<unknown>(path(workspace, id, on ? "enable" : "disable"), on || note === "" ? {} : { note }));

export const deleteWorker = (workspace: string, id: string) => after(client.delete<unknown>(path(workspace, id)));

/** Asks the worker to replace its token at its next heartbeat. */
export const askRotation = (workspace: string, id: string) =>
  after(client.post<unknown>(path(workspace, id, "rotate-token")));

/** The newest of what a worker said of itself; the stream says when there is more. */
export const workerEventsQuery = (id: string) =>
  queryOptions({
    queryKey: ["worker-events", id],
    queryFn: async ({ signal }: Ask): Promise<WorkerEvent[]> =>
      (await client.get<WorkerEvents>(`/api/v1/workers/${seg(id)}/events?limit=200`, { signal })).items ?? [],
    refetchInterval: 30_000,
  });
