import { queryOptions } from "@tanstack/react-query";
import type { RemoteWorker, RemoteWorkers } from "../../api/types.ts";
import { type Ask, client, queries, seg } from "../server.ts";

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

export async function setWorkerEnabled(workspace: string, id: string, on: boolean): Promise<void> {
  await client.post(`/api/v1/workspaces/${seg(workspace)}/workers/${seg(id)}/${on ? "enable" : "disable"}`);
  await queries.invalidateQueries({ queryKey: ["workers"] });
}
